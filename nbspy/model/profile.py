"""The Profile: what was seen, immutable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from nbspy.wire import End, Hello, Notice, Status


class Profile:
    """An immutable profile: runs of samples over shared tables of names. Cheap to make and to select from."""

    hello: Hello
    status: Status | None
    end: End | None
    notices: tuple[Notice, ...]
    labels: Mapping[str, str]

    @property
    def duration_ns(self) -> int:
        raise NotImplementedError

    @property
    def sample_count(self) -> int:
        """Instants observed."""
        raise NotImplementedError

    @property
    def thread_sample_count(self) -> int:
        """Sum over instants of the threads seen."""
        raise NotImplementedError

    def select(
        self,
        *,
        time: tuple[int, int] | None = None,
        threads: Iterable[int | str] | None = None,
        states: Iterable[str] | str | None = None,
    ) -> Profile:
        """``time`` in ns [start, end); ``threads`` ids or names; ``states``: idle active gil gil-wait gc exception."""
        raise NotImplementedError

    def call_tree(self, order: str = "merged", *, by: str = "function", hide_machinery: bool = False) -> object:
        raise NotImplementedError

    def functions(self) -> list[object]:
        """Rows (name, file, line, self_ns, total_ns, self_samples, total_samples, self_share, total_share)."""
        raise NotImplementedError

    def top(self, n: int = 20) -> list[object]:
        """The ``n`` functions with most self time."""
        raise NotImplementedError

    def thread_totals(self) -> list[object]:
        """Rows (thread, samples, active_share, gil_share, current, state)."""
        raise NotImplementedError

    def stacks(self) -> Iterator[object]:
        """Yield (thread, frames root first, count, weight_ns), merged."""
        raise NotImplementedError

    def summary(self) -> str:
        """Plain text: what was sampled, the threads, the functions with most time."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        raise NotImplementedError
