"""Who held the GIL and when, and how many threads waited for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from nbspy.model.intervals import ThreadIntervals, thread_intervals
from nbspy.model.profile import Profile
from nbspy.views.plots.style import STATE_COLORS, Theme, plotly_module, resolved, series_color, styled, text
from nbspy.wire import State

MAX_SERIES: Final = 7
_STEPS: Final = 150


def gil(profile: Profile, theme: Theme | None) -> Any:
    """Return the figure; see :meth:`nbspy.views.plots.Plots.gil`."""
    theme = resolved(theme)
    go, subplots = plotly_module("graph_objects"), plotly_module("subplots")
    start_ns, end_ns = profile.span_ns
    # A step is no shorter than a few samples: what is drawn is a share of each step.
    step_ns = max((end_ns - start_ns) // _STEPS, 4 * profile.hello.interval_ns, 1)
    steps = max(1, -(-(end_ns - start_ns) // step_ns))
    at_s = [(start_ns + step * step_ns) / 1e9 for step in range(steps)]
    threads = thread_intervals(profile)

    def shares(of: ThreadIntervals, wanted: Callable[[int], bool]) -> list[float]:
        return _shares(of, wanted, start_ns, step_ns, steps)

    held = [(of.thread.shown_name, shares(of, lambda state: bool(state & State.GIL))) for of in threads]
    held = sorted((one for one in held if any(one[1])), key=lambda one: -sum(one[1]))
    rest = held[MAX_SERIES:]
    series = held[:MAX_SERIES]
    if rest:
        others = [sum(values) for values in zip(*(one[1] for one in rest), strict=True)]
        series.append((f"{len(rest)} other threads", others))
    waits = [shares(of, lambda state: bool(state & State.GIL_WAIT)) for of in threads]
    waiting = [sum(values) for values in zip(*waits, strict=True)] if waits else [0.0] * steps
    figure = subplots.make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.66, 0.34], vertical_spacing=0.06)
    for index, (name, values) in enumerate(series):
        figure.add_trace(_bars(go, at_s, values, text(name, 40), series_color(index), "%{y:.0%}"), row=1, col=1)
    orange = STATE_COLORS[theme][3]
    figure.add_trace(_bars(go, at_s, waiting, "threads waiting", orange, "%{y:.2f} threads"), row=2, col=1)
    figure.update_traces(showlegend=False, row=2, col=1)
    figure.update_layout(barmode="stack", bargap=0)
    figure.update_yaxes(title="held by", tickformat=".0%", range=[0, 1.02], row=1, col=1)
    figure.update_yaxes(title="threads waiting", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(title="seconds", range=[start_ns / 1e9, end_ns / 1e9], row=2, col=1)
    whole = max(1, end_ns - start_ns)
    busy = sum(sum(values) for _, values in held) * step_ns / whole
    waited_s = sum(waiting) * step_ns / 1e9
    note = f"held {100 * busy:.0f} % of the time; threads waited {waited_s:.2f} s for it in all"
    if not any(run.state & State.GIL for of in threads for run in of.intervals):
        note = "no sample has a thread that holds the GIL"
    return styled(figure, theme, "Who held the GIL", note, 480)


def _bars(go: Any, at_s: list[float], values: list[float], name: str, color: str, hover: str) -> Any:
    return go.Bar(
        x=at_s,
        y=values,
        width=at_s[1] - at_s[0] if len(at_s) > 1 else None,
        offset=0,
        name=name,
        marker={"color": color, "line": {"width": 0}},
        hovertemplate=f"%{{x:.3f}} s: {hover}",
    )


def _shares(of: ThreadIntervals, wanted: Callable[[int], bool], start_ns: int, step_ns: int, steps: int) -> list[float]:
    """Return for each step the share of it in which the thread was in a wanted state."""
    covered_ns = [0] * steps
    for one in of.intervals:
        if not wanted(one.state):
            continue
        first = max(0, (one.start_ns - start_ns) // step_ns)
        last = min(steps - 1, (max(one.start_ns, one.end_ns - 1) - start_ns) // step_ns)
        for step in range(first, last + 1):
            begin_ns = start_ns + step * step_ns
            covered_ns[step] += max(0, min(one.end_ns, begin_ns + step_ns) - max(one.start_ns, begin_ns))
    return [ns / step_ns for ns in covered_ns]
