"""The heat of source lines."""

from __future__ import annotations

import linecache
from collections import Counter
from typing import Any, Final

from nbspy.errors import UsageError
from nbspy.model.profile import Profile
from nbspy.model.transforms import is_cell_file
from nbspy.target.source_lines import SourceLines
from nbspy.views.plots.style import MONOSPACE, Theme, plotly_module, resolved, styled, text

MAX_LINES: Final = 60
_ROW_PX: Final = 21
_WIDTH: Final = 70


def lines(profile: Profile, file: str | None, theme: Theme | None) -> Any:
    """Return the figure; see :meth:`nbspy.views.plots.Plots.lines`."""
    theme = resolved(theme)
    go = plotly_module("graph_objects")
    active = profile.select(states="active")
    part = active if active.thread_sample_count else profile
    name = _file(part, file)
    own, total = _line_times(part, name)
    hottest = sorted(total, key=lambda line: (-total[line], line))[:MAX_LINES]
    shown = sorted(hottest)
    sources = _Sources(part, name)
    texts = {line: sources.line(line) for line in shown}
    labels = [f"{line:>5}  {texts[line]}".rstrip() for line in shown]
    rows = [str(line) for line in shown]
    figure = go.Figure()
    hover = "line %{y}: %{x:.3f} s"
    callees_s = [(total[line] - own[line]) / 1e9 for line in shown]
    own_s = [own[line] / 1e9 for line in shown]
    for values, title, color in ((own_s, "in the line itself", "#d5542b"), (callees_s, "in what it calls", "#eab97a")):
        figure.add_trace(
            go.Bar(
                orientation="h",
                y=rows,
                x=values,
                name=title,
                marker={"color": color, "line": {"width": 0}},
                hovertemplate=f"{hover} {title}<extra></extra>",
            )
        )
    # Labels are set flush right, and plotly would close up the indentation: so all are made equally long.
    width = min(_WIDTH, max(map(len, labels), default=0))
    ticks = [text(label.ljust(width), _WIDTH).replace(" ", "\u00a0") for label in labels]
    figure.update_layout(barmode="stack", bargap=0.15)
    figure.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=rows[::-1],
        tickvals=rows,
        ticktext=ticks,
        tickfont={"family": MONOSPACE, "size": 12},
        showgrid=False,
    )
    figure.update_xaxes(title="seconds")
    known = next((frame for frame in _frames(part) if frame[0] == name), (name, name))[1]
    hidden = len(total) - len(shown)
    notes = [f"{hidden} lines with less time are left out"] if hidden else []
    if any(texts.values()):
        notes.append("the text is that of the file as it is on this machine now")
    return styled(figure, theme, f"Lines of {known}", "; ".join(notes), 180 + _ROW_PX * max(4, len(shown)))


def _frames(profile: Profile) -> list[tuple[str, str]]:
    """Return (file, short file) of the files that have samples."""
    seen = {(frame.file, frame.short_file) for stack in profile.stacks() for frame in stack.frames}
    return sorted(seen)


def _file(profile: Profile, wanted: str | None) -> str:
    """Return the full name of the file that is asked for, or of the one with most time of its own."""
    if wanted is None:
        own: Counter[str] = Counter()
        for stack in profile.stacks():
            if stack.frames:
                own[stack.frames[-1].file] += stack.weight_ns or stack.count
        if not own:
            raise UsageError("the profile has no samples with a stack", "there are no lines to show")
        return max(own, key=lambda file: (own[file], file))
    files = _frames(profile)
    for file, short_file in files:
        if wanted in (file, short_file):
            return file
    known = ", ".join(short for _, short in files[:10])
    raise UsageError(f"no samples are in a file called {wanted!r}", f"there are some in {known}" if known else "")


def _line_times(profile: Profile, file: str) -> tuple[Counter[int], Counter[int]]:
    """Return for each line its own time and its total in ns; a stack counts a line once, however often it recurs."""
    own: Counter[int] = Counter()
    total: Counter[int] = Counter()
    for stack in profile.stacks():
        of_file = {frame.line for frame in stack.frames if frame.file == file}
        for line in of_file:
            total[line] += stack.weight_ns
        if stack.frames and stack.frames[-1].file == file:
            own[stack.frames[-1].line] += stack.weight_ns
    return own, total


class _Sources:
    """The text of lines: a cell's from the notebook's memory, a file's from the disk; "" where it is not there."""

    def __init__(self, profile: Profile, file: str) -> None:
        self._file = file
        self._is_cell = is_cell_file(file, profile.labels)
        # The name may come from anywhere: only what is source code is shown.
        self._disk = SourceLines(lambda name: name) if file.endswith((".py", ".pyw", ".pyx")) else None

    def line(self, number: int) -> str:
        if self._is_cell:
            return linecache.getline(self._file, number).rstrip()
        return self._disk.line(self._file, number).rstrip() if self._disk is not None else ""
