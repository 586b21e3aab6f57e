"""Threads x time, and a lane for the GIL above them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from nbspy.model.intervals import ThreadIntervals, thread_intervals
from nbspy.model.profile import Profile
from nbspy.views.plots.style import GIL, STATE_COLORS, STATES, Theme, plotly_module, resolved, state_class, styled, text
from nbspy.wire import State

MAX_STRETCHES: Final = 4000
"""More than these are drawn coarser: a figure of plotly's stays quick up to some thousand bars."""
MAX_THREADS: Final = 60
_STEPS: Final = 1200
_ROW_PX: Final = 26
_LANE: Final = "GIL"
Stretch = tuple[int, int, int]
"""(start, end) in ns and the class of the state."""


def timeline(profile: Profile, theme: Theme | None) -> Any:
    """Return the figure; see :meth:`nbspy.views.plots.Plots.timeline`."""
    theme = resolved(theme)
    go = plotly_module("graph_objects")
    order = [row.thread.id for row in profile.thread_totals()][:MAX_THREADS]
    of_thread = {of.thread.id: of for of in thread_intervals(profile)}
    shown = [of_thread[thread] for thread in order]
    stretches = {of.thread.id: list(_stretches(of)) for of in shown}
    step_ns = 0
    if sum(map(len, stretches.values())) > MAX_STRETCHES:
        step_ns = max(1, profile.duration_ns // max(100, _STEPS * 5 // max(5, len(shown))))
        stretches = {of.thread.id: coarser(stretches[of.thread.id], step_ns) for of in shown}
    figure = go.Figure()
    for index, name in enumerate(STATES):
        bars = [(of.thread.id, *one[:2]) for of in shown for one in stretches[of.thread.id] if one[2] == index]
        if bars:
            figure.add_trace(_bars(go, bars, name, STATE_COLORS[theme][index]))
    names = [text(of_thread[thread].thread.shown_name, 40) for thread in order]
    figure.update_layout(barmode="overlay", bargap=0.25)
    holders = [(*one[:2], of.thread.shown_name) for of in shown for one in _held(of, step_ns)]
    figure.add_trace(_lane(go, holders, STATE_COLORS[theme][GIL]))
    rows, names = [_LANE, *map(str, order)], ["<b>GIL</b>", *names]
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=rows[::-1], showgrid=False)
    figure.update_yaxes(tickvals=rows, ticktext=names)
    figure.update_xaxes(title="seconds", range=[ns / 1e9 for ns in profile.span_ns])
    hidden = len(profile.thread_totals()) - len(order)
    notes = [f"{hidden} less active threads are left out"] if hidden > 0 else []
    notes += [f"changes shorter than {step_ns / 1e6:.3g} ms are not shown"] if step_ns else []
    height = 170 + _ROW_PX * max(4, len(order) + 1)
    return styled(figure, theme, "What each thread did", "; ".join(notes), height)


def _bars(go: Any, rows: list[tuple[int, int, int]], name: str, color: str) -> Any:
    return go.Bar(
        orientation="h",
        y=[str(thread) for thread, _, _ in rows],
        base=[start_ns / 1e9 for _, start_ns, _ in rows],
        x=[(end_ns - start_ns) / 1e9 for _, start_ns, end_ns in rows],
        name=name,
        marker={"color": color, "line": {"width": 0}},
        hovertemplate=f"{name}<br>from %{{base:.3f}} s, for %{{x:.3f}} s<extra></extra>",
    )


def _held(of: ThreadIntervals, step_ns: int) -> list[Stretch]:
    """Return the stretches in which a thread held the GIL, whatever it did with it."""
    held = [(start_ns, end_ns, GIL) for start_ns, end_ns in of.stretches(lambda state: bool(state & State.GIL))]
    return coarser(held, step_ns) if step_ns else held


def _lane(go: Any, holders: list[tuple[int, int, str]], color: str) -> Any:
    return go.Bar(
        orientation="h",
        y=[_LANE] * len(holders),
        base=[start_ns / 1e9 for start_ns, _, _ in holders],
        x=[(end_ns - start_ns) / 1e9 for start_ns, end_ns, _ in holders],
        customdata=[text(name, 60) for _, _, name in holders],
        marker={"color": color, "line": {"width": 0}},
        showlegend=False,
        hovertemplate="held by %{customdata}<br>from %{base:.3f} s, for %{x:.3f} s<extra></extra>",
    )


def _stretches(of: ThreadIntervals) -> Iterator[Stretch]:
    """Yield the unbroken stretches of a thread with one class of state."""
    begun: Stretch | None = None
    for one in of.intervals:
        index = state_class(one.state)
        if begun is not None and begun[2] == index and one.start_ns - begun[1] <= of.joined_below_ns:
            begun = (begun[0], one.end_ns, index)
            continue
        if begun is not None:
            yield begun
        begun = (one.start_ns, one.end_ns, index)
    if begun is not None:
        yield begun


def coarser(stretches: list[Stretch], step_ns: int) -> list[Stretch]:
    """Return stretches on a grid of ``step_ns``: in each step the class that had most of it, if half was covered."""
    shares: dict[int, list[int]] = {}
    for start_ns, end_ns, index in stretches:
        for step in range(start_ns // step_ns, (end_ns - 1) // step_ns + 1 if end_ns > start_ns else 0):
            covered = min(end_ns, (step + 1) * step_ns) - max(start_ns, step * step_ns)
            shares.setdefault(step, [0] * len(STATES))[index] += covered
    made: list[Stretch] = []
    for step in sorted(shares):
        share = shares[step]
        if 2 * sum(share) < step_ns:
            continue
        index = share.index(max(share))
        if made and made[-1][2] == index and made[-1][1] == step * step_ns:
            made[-1] = (made[-1][0], (step + 1) * step_ns, index)
        else:
            made.append((step * step_ns, (step + 1) * step_ns, index))
    return made
