"""The Profile: what was seen, immutable, and the questions it answers.

A profile shares its tables with the session that fills it; it never changes itself, because it remembers how
many runs there were when it was made. Selecting gives another profile over the same tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from nbspy.errors import UsageError
from nbspy.model.call_tree import CallTree, Rules, call_order_tree, merged_tree, node_totals, stack_of
from nbspy.model.functions import FunctionTotals, function_totals
from nbspy.model.selection import (
    ACTIVE_STATES,
    GIL_STATES,
    between,
    filtered,
    process_table,
    state_table,
    thread_table,
    through_functions,
)
from nbspy.model.tables import FrameInfo, ProcessInfo, RunColumns, Tables, ThreadInfo, state_word
from nbspy.model.transforms import by_function, by_line, machinery_frames
from nbspy.model.ways_out import WaysOut
from nbspy.wire import End, Hello, Notice, Status

if TYPE_CHECKING:
    import rich.console

    from nbspy.model.compare import Comparison


ReadSources = Callable[["Profile"], tuple[Mapping[str, Mapping[int, str]], list[str]]]
"""Reads lines of source files, by number; and says what is to be known of them."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A distinct stack of one thread, and how often it was seen."""

    thread: ThreadInfo
    frames: tuple[FrameInfo, ...]
    """Root first."""
    count: int
    weight_ns: int


@dataclass(frozen=True, slots=True)
class ThreadTotals:
    """One thread's share of its own samples in which it was active, and in which it held the GIL."""

    thread: ThreadInfo
    samples: int
    active_share: float
    gil_share: float
    state: str
    """Word for its state when it was last seen: see :func:`nbspy.model.tables.state_word`."""
    current: FrameInfo | None
    """Its leaf frame when it was last seen; None where its stack was empty."""
    last_ns: int
    """Start of its last run."""


class Profile(WaysOut):
    """An immutable profile. All times are nanoseconds of the stream's clock, from 0 at its start."""

    def __init__(
        self,
        *,
        hello: Hello,
        tables: Tables,
        runs: RunColumns,
        run_count: int,
        threads: tuple[ThreadInfo, ...] = (),
        processes: tuple[ProcessInfo, ...] = (),
        labels: Mapping[str, str] | None = None,
        status: Status | None = None,
        end: End | None = None,
        notices: tuple[Notice, ...] = (),
        sources: Mapping[str, Mapping[int, str]] | None = None,
        read_sources: ReadSources | None = None,
        span_ns: tuple[int, int] | None = None,
    ) -> None:
        """Take columns as :class:`nbspy.model.builder.Builder` has checked them; ``run_count`` rows count.

        ``read_sources``: reads the lines that ``sources`` is without, when they are to be written.
        ``span_ns`` is the time that a selection covers; None: the whole.
        """
        self.hello = hello
        self.status = status
        self.end = end
        self.notices = notices
        self.sources: Mapping[str, Mapping[int, str]] = sources or {}
        """Lines of source files by number, as far as the session could read them."""
        self._read_sources = read_sources
        self.labels: Mapping[str, str] = labels or {}
        self.threads = threads
        self.processes = processes
        self.tables = tables
        self._shared_runs = runs
        self._run_count = run_count
        self._span_ns = span_ns

    @cached_property
    def runs(self) -> RunColumns:
        """The samples, as runs in the order in which the sampler reported them."""
        return self._shared_runs.head(self._run_count)

    # How much was seen

    @property
    def is_selection(self) -> bool:
        """Whether it is a part of a profile; the sampler's own counters are of the whole then."""
        return self._span_ns is not None

    @cached_property
    def span_ns(self) -> tuple[int, int]:
        """Start and end of the time that the profile covers."""
        if self._span_ns is not None:
            return self._span_ns
        runs = self.runs
        last = max((start + us * 1000 for start, us in zip(runs.start_ns, runs.weight_us, strict=True)), default=0)
        told = [record.time_ns for record in (self.status, self.end) if record is not None]
        return 0, max([last, *told])

    @property
    def duration_ns(self) -> int:
        """Length of the time that the profile covers."""
        start, end = self.span_ns
        return end - start

    @cached_property
    def sample_count(self) -> int:
        """Instants observed. Of a selection: the greatest number of samples of one of its threads."""
        if self.status is not None and self._span_ns is None:
            return self.status.samples
        return max((row.samples for row in self.thread_totals()), default=0)

    @cached_property
    def thread_sample_count(self) -> int:
        """Sum over the instants of the threads seen."""
        return sum(self.runs.count)

    # Parts

    def select(
        self,
        *,
        time: tuple[int, int] | None = None,
        threads: Iterable[ThreadInfo | int | str] | ThreadInfo | int | str | None = None,
        states: Iterable[str] | str | None = None,
        processes: Iterable[ProcessInfo | int] | ProcessInfo | int | None = None,
        through: Iterable[str] | str | None = None,
        without: Iterable[str] | str | None = None,
    ) -> Profile:
        """Return the part of the profile in which all that is given holds.

        ``time``: (start, end) in ns; a sample at ``end`` is outside. ``threads``: rows of :attr:`threads`, OS
        thread ids, or names. ``states``: one or more of ``idle``, ``active``, ``gil``, ``gil-wait``, ``gc``,
        ``exception``, ``finalizing``; a sample in any of them counts. ``processes``: rows of :attr:`processes`, or
        pids. ``through``: functions that are all on the stack, each below the one before it; ``without``: functions
        of which none is; both by qualified or plain name. Raises :class:`UsageError` for what there is none of.
        """
        runs, (start, end) = self.runs, self.span_ns
        if time is not None:
            if time[0] > time[1]:
                raise UsageError(f"time {time} ends before it starts", "give (start, end) in nanoseconds")
            runs = between(runs, *time)
            start, end = min(max(start, time[0]), end), max(min(end, time[1]), start)
        wanted_threads = None if threads is None else thread_table(threads, self.threads)
        if processes is not None:
            of_processes = process_table(processes, self.processes, self.threads)
            both = zip(of_processes, wanted_threads or bytes([1]) * len(of_processes), strict=True)
            wanted_threads = bytes(one & other for one, other in both)
        wanted_states = None if states is None else state_table(states)
        runs = filtered(runs, wanted_threads, wanted_states)
        if through is not None or without is not None:
            runs = through_functions(runs, self.tables, through or (), without or ())
        return self._with(self.tables, runs, (start, end))

    def told_apart(self) -> Profile:
        """Return the profile with a frame for its process, its pid and command line, at the root of each stack.

        Without it, equal stacks of several processes are one.
        """
        from nbspy.model.process_frames import with_process_frames

        of_thread = [thread.process for thread in self.threads]
        tables, runs = with_process_frames(self.tables, self.runs, of_thread)
        return self._with(tables, runs, self._span_ns)

    def _with(self, tables: Tables, runs: RunColumns, span_ns: tuple[int, int] | None) -> Profile:
        """Return the profile of the same recording with other stacks and runs."""
        return Profile(
            hello=self.hello,
            tables=tables,
            runs=runs,
            run_count=len(runs),
            threads=self.threads,
            processes=self.processes,
            labels=self.labels,
            status=self.status,
            end=self.end,
            notices=self.notices,
            sources=self.sources,
            read_sources=self._read_sources,
            span_ns=span_ns,
        )

    def with_sources(self) -> Profile:
        """Return the profile with the lines of source that its session may read; itself where there are none to read.

        They are read now: for formats that hold them. A profile from a file has those that are in it.
        """
        if self._read_sources is None:
            return self
        read, said = self._read_sources(self)
        whole = self._with(self.tables, self.runs, self._span_ns)
        whole._read_sources = None
        known = self.sources
        whole.sources = {file: {**read.get(file, {}), **known.get(file, {})} for file in {**read, **known}}
        time_ns = self.end.time_ns if self.end is not None else self.duration_ns
        texts = {notice.text for notice in self.notices}
        whole.notices += tuple(Notice(0, time_ns, text) for text in said if text not in texts)
        return whole

    # Beside others

    def merge(self, *others: Profile, align: Literal["clock", "start"] = "clock") -> Profile:
        """Return one profile with the samples of this and the ``others``; see :func:`nbspy.model.merging.merge`."""
        from nbspy.model.merging import merge

        return merge((self, *others), align)

    def compare(self, after: Profile) -> Comparison:
        """Return what changed from this profile to ``after``, by share of time; see :mod:`nbspy.model.compare`."""
        from nbspy.model.compare import compare

        return compare(self, after)

    # Names

    def frame(self, frame_id: int) -> FrameInfo:
        """Return a frame with its names looked up; a file that has a label is shown under it."""
        strings, frames = self.tables.strings, self.tables.frames
        file = strings[frames.file[frame_id]]
        return FrameInfo(
            name=strings[frames.qualname[frame_id]] or strings[frames.name[frame_id]],
            file=file,
            short_file=self.labels.get(file) or strings[frames.short_file[frame_id]] or file,
            module=strings[frames.module[frame_id]],
            line=frames.line[frame_id],
            first_line=frames.first_line[frame_id],
            flags=frames.flags[frame_id],
        )

    # Where the time went

    def call_tree(
        self,
        order: Literal["merged", "call"] = "merged",
        *,
        by: Literal["function", "line"] = "function",
        hide_machinery: bool = False,
    ) -> CallTree:
        """Return the call tree: ``merged`` (one node a distinct stack) or in ``call`` order (see CallTree).

        ``by``: frames of one function are one node, or one node a line. ``hide_machinery``: a stack with a
        notebook's cell in it begins at the cell, one of a thread at the function that the thread is for.
        """
        frames, length = self.tables.frames, len(self.tables.frames)
        rules = Rules(
            by_function(frames, length) if by == "function" else by_line(frames, length),
            machinery_frames(self.tables, length, self.labels) if hide_machinery else None,
        )
        if order == "call":
            return call_order_tree(self.tables.nodes, self.runs, rules, self.hello.interval_ns // 2)
        return merged_tree(self.tables.nodes, *self._node_totals, rules)

    @cached_property
    def _node_totals(self) -> tuple[list[int], list[int]]:
        return node_totals(self.runs, len(self.tables.nodes))

    @cached_property
    def _functions(self) -> tuple[FunctionTotals, ...]:
        return tuple(function_totals(self.call_tree(), self.frame))

    def functions(self) -> list[FunctionTotals]:
        """Return self and total per function, most self time first.

        Total counts a function once for each stack that it is on, however often it recurs there. Shares are of
        the profile's time (of its samples, where no time is known yet).
        """
        return list(self._functions)

    def top(self, n: int = 20, *, idle: bool = False) -> list[FunctionTotals]:
        """Return the ``n`` functions with most self time, in samples of active threads.

        ``idle``: in all samples, also those of threads that wait. So it is where no thread was ever active.
        """
        busy = self if idle else self.select(states="active")
        return list((busy if busy.thread_sample_count else self)._functions[:n])

    def thread_totals(self) -> list[ThreadTotals]:
        """Return one row for each thread that has samples, the most active first."""
        return list(self._thread_totals)

    @cached_property
    def _thread_totals(self) -> tuple[ThreadTotals, ...]:
        length = len(self.threads)
        samples, active, gil = [0] * length, [0] * length, [0] * length
        last = [-1] * length
        runs = self.runs
        for row, (thread, state, count) in enumerate(zip(runs.thread, runs.state, runs.count, strict=True)):
            samples[thread] += count
            active[thread] += count * ACTIVE_STATES[state]
            gil[thread] += count * GIL_STATES[state]
            if last[thread] < 0 or runs.start_ns[row] >= runs.start_ns[last[thread]]:
                last[thread] = row
        seen = sorted((i for i in range(length) if samples[i]), key=lambda i: (-active[i], -samples[i], i))
        return tuple(
            ThreadTotals(
                self.threads[i],
                samples[i],
                active[i] / samples[i],
                gil[i] / samples[i],
                state_word(runs.state[last[i]]),
                self._leaf(runs.node[last[i]]),
                runs.start_ns[last[i]],
            )
            for i in seen
        )

    def _leaf(self, node: int) -> FrameInfo | None:
        return self.frame(self.tables.nodes.frame[node]) if node else None

    def stacks(self) -> Iterator[Stack]:
        """Yield each distinct stack of each thread once, in the order in which they were first seen."""
        merged: dict[tuple[int, int], list[int]] = {}
        runs = self.runs
        for thread, node, count, weight_us in zip(runs.thread, runs.node, runs.count, runs.weight_us, strict=True):
            sums = merged.setdefault((thread, node), [0, 0])
            sums[0] += count
            sums[1] += weight_us
        frames: dict[int, FrameInfo] = {}
        for (thread, node), (count, weight_us) in merged.items():
            ids = stack_of(self.tables.nodes, node)
            for frame_id in ids:
                if frame_id not in frames:
                    frames[frame_id] = self.frame(frame_id)
            yield Stack(self.threads[thread], tuple(map(frames.__getitem__, ids)), count, weight_us * 1000)

    # Words

    def summary(self) -> str:
        """Return plain text: what was sampled, its threads, and the functions with most time."""
        from nbspy.model.summary import summary_text

        return summary_text(self)

    def __repr__(self) -> str:
        return (
            f"<Profile of pid {self.hello.pid}: {self.duration_ns / 1e9:.1f} s, {self.sample_count} samples,"
            f" {len(self.thread_totals())} threads>"
        )

    def __str__(self) -> str:
        return self.summary()

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        printer.text("Profile(...)" if cycle else self.summary())  # type: ignore[attr-defined]  # IPython's printer

    def _repr_html_(self) -> str:
        from nbspy.model.summary import summary_html

        return summary_html(self)

    def __rich__(self) -> rich.console.RenderableType:
        from rich.console import Group
        from rich.text import Text

        from nbspy.model.summary import headline, notices, tables

        lines = [Text(line) for line in (headline(self), *notices(self))]
        return Group(*lines, *tables(self))
