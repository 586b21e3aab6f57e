"""How the body of a ``%%profile_...`` cell runs: natively, untouched, as if the first line were not there.

A cell magic gets its body as text and would have to run it itself, which costs top-level ``await`` (the kernel's
loop already runs), and changes line numbers, the last value and errors. So these are no ordinary cell magics.
An input transformation replaces the cell's first line, and only that, by a call that begins the sampling;
IPython then runs the cell as any other, and what the first line began ends in ``post_run_cell``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, Final

from nbspy.magics.arguments import asks_for_help

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

BEGIN_MAGIC: Final = "nbspy_begin"
"""The line magic that a first line becomes: ``%nbspy_begin NAME|body LINE``, or ``NAME|empty`` without a body."""

CellEnd = Callable[["ExecutionResult | None"], None]


class FirstLineTransform:
    """Input transformation: turns the first line of a profiled cell into the call that begins the sampling."""

    def __init__(self, magic_names: Collection[str]) -> None:
        names = "|".join(map(re.escape, magic_names))
        # "%%name?" asks for help on the magic and stays IPython's.
        self._first_line = re.compile(rf"%%({names})(?!\w|\?)[ \t]*(.*)")

    def __call__(self, lines: list[str]) -> list[str]:
        match = self._first_line.match(lines[0]) if lines else None
        if match is None:
            return lines
        name, arguments = match[1], match[2].strip()
        body = lines[1:]
        has_body = any(not line.isspace() for line in body)
        words = f"{name}|{'body' if has_body else 'empty'} {arguments}".rstrip()
        begin = f"get_ipython().run_line_magic({BEGIN_MAGIC!r}, {words!r})\n"
        if asks_for_help(arguments):
            return [begin]
        return [begin, *self._nested(body)]

    def _nested(self, body: list[str]) -> list[str]:
        """Return the body, with a cell magic at its beginning turned into the call that IPython makes of it."""
        from IPython.core.inputtransformer2 import cell_magic

        blank = next((i for i, line in enumerate(body) if not line.isspace()), len(body))
        transformed: list[str] = cell_magic(self(body[blank:]))
        return [*body[:blank], *transformed]


class RunningCells:
    """Follows which cell runs, and calls what was asked to be called at its end.

    Cells can nest (``%%capture`` runs one inside another), so they are a stack; a result says which cell ended.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._running: list[tuple[ExecutionInfo, list[CellEnd]]] = []
        self._orphans: list[CellEnd] = []
        self._hooks: dict[str, Callable[..., None]] = {
            "pre_run_cell": self._begin,
            "post_run_cell": self._end,
            "post_execute": self._end_orphans,
        }
        self.before_each: list[Callable[[ExecutionInfo], None]] = []
        self.after_each: list[Callable[[], None]] = []

    def install(self) -> None:
        for event, hook in self._hooks.items():
            self._shell.events.register(event, hook)

    def uninstall(self) -> None:
        for event, hook in self._hooks.items():
            self._shell.events.unregister(event, hook)

    def at_end(self, callback: CellEnd) -> None:
        """Call ``callback`` with the running cell's result when it ends, however it ends."""
        # A silent run announces no cell; it ends with post_execute.
        callbacks = self._running[-1][1] if self._running else self._orphans
        callbacks.append(callback)

    def _begin(self, info: ExecutionInfo) -> None:
        self._running.append((info, []))
        for callback in self.before_each:
            callback(info)

    def _end(self, result: ExecutionResult | None) -> None:
        depth = self._depth_of(result)
        if depth is not None:
            ended = self._running[depth:]
            del self._running[depth:]
            _call_all([callback for _, callbacks in reversed(ended) for callback in reversed(callbacks)], result)
        for after in self.after_each:
            after()

    def _depth_of(self, result: ExecutionResult | None) -> int | None:
        if result is None:  # the cell was ended by something that is no Exception
            return len(self._running) - 1 if self._running else None
        # An empty cell ends without having begun, and so does the one that loads the extension.
        return next((i for i, (info, _) in enumerate(self._running) if info is result.info), None)

    def _end_orphans(self) -> None:
        if not self._running:
            orphans, self._orphans = self._orphans, []
            _call_all(orphans, None)


def _call_all(callbacks: list[CellEnd], result: ExecutionResult | None) -> None:
    """Call each; the first error is raised only after all were called: one must not keep another alive."""
    errors: list[BaseException] = []
    for callback in callbacks:
        try:
            callback(result)
        except BaseException as err:
            errors.append(err)
    if errors:
        raise errors[0]


def cell_labels(shell: InteractiveShell) -> Iterator[tuple[str, str]]:
    """Yield (file name, "In[n]") for each cell that ``shell`` has compiled."""
    import linecache

    for name in list(linecache.cache):
        label = shell.compile.format_code_name(name)
        if label is not None:
            yield name, label[1]


def label_of(shell: InteractiveShell, info: Any) -> tuple[str, str]:
    """Return (file name, "In[n]") of the cell that is about to run."""
    count = shell.execution_count - (1 if info.store_history else 0)
    transformed = getattr(info, "transformed_cell", None) or info.raw_cell
    return shell.compile.get_code_name(info.raw_cell, transformed, count), f"In[{count}]"
