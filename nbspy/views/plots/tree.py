"""The call tree as rectangles, the root at the top (icicle) or at the bottom (flame)."""

from __future__ import annotations

from typing import Any, Final

from nbspy.model.call_tree import CallTree
from nbspy.model.profile import Profile
from nbspy.views.plots.style import Theme, fill, grid, ink, plotly_module, resolved, styled, text

MAX_NODES: Final = 2000
MAX_DEPTH: Final = 80
_ROW_PX: Final = 22


def tree(profile: Profile, theme: Theme | None, least_share: float, hide_machinery: bool, *, root_at_top: bool) -> Any:
    """Return the figure; see :meth:`nbspy.views.plots.Plots.icicle`."""
    theme = resolved(theme)
    go = plotly_module("graph_objects")
    active = profile.select(states="active")
    part = active if active.thread_sample_count else profile
    calls = part.call_tree(hide_machinery=hide_machinery)
    rows, depth, least_share = _shown(calls, least_share)
    frames = {row: part.frame(calls.frame[row]) for row in rows[1:]}
    whole_ns = calls.total_ns[0] or 1
    labels = ["all threads"] + [text(frames[row].name, 100) for row in rows[1:]]
    places = [""] + [text(f"{frames[row].short_file}:{frames[row].first_line}") for row in rows[1:]]
    figure = go.Figure(
        go.Icicle(
            ids=[str(row) for row in rows],
            labels=labels,
            parents=[""] + [str(calls.parent[row]) for row in rows[1:]],
            values=[calls.total_ns[row] / 1e9 for row in rows],
            customdata=[
                (place, calls.self_ns[row] / 1e9, 100 * calls.total_ns[row] / whole_ns, calls.total_samples[row])
                for row, place in zip(rows, places, strict=True)
            ],
            branchvalues="total",
            sort=False,
            marker={
                "colors": [grid(theme)] + [fill(frames[row].short_file, theme) for row in rows[1:]],
                "line": {"width": 0.5, "color": "rgba(127,127,127,.45)"},
            },
            textfont={"color": ink(theme), "size": 12},
            tiling={"orientation": "v"} if root_at_top else {"orientation": "v", "flip": "y"},
            pathbar={"visible": False},
            hovertemplate="<b>%{label}</b><br>%{customdata[0]}<br>%{value:.3f} s, %{customdata[2]:.1f} %"
            "<br>in itself %{customdata[1]:.3f} s<br>%{customdata[3]:,} samples<extra></extra>",
        )
    )
    left_out = len(calls) - len(rows)
    note = f"{left_out:,} of {len(calls) - 1:,} calls are left out: each is below {100 * least_share:.2g} % of the time"
    note += f", or deeper than {MAX_DEPTH}" if depth == MAX_DEPTH else ""
    whose = "active threads" if part is active else "all threads (none was active)"
    height = 96 + _ROW_PX * max(8, depth + 1)
    styled(figure, theme, f"Where the time of {whose} went", note if left_out else "", height)
    return figure.update_layout(margin={"b": 16})


def _shown(calls: CallTree, least_share: float) -> tuple[list[int], int, float]:
    """Return the rows that are shown, the depth of the deepest, and the share below which rows are left out."""
    least_ns = least_share * calls.total_ns[0]
    depths = {
        row: depth
        for depth, row in calls.walk()
        if row == 0 or (calls.total_ns[row] >= least_ns and depth <= MAX_DEPTH)
    }
    if len(depths) > MAX_NODES:  # the widest: a parent is as wide as its child, and comes first where they are equal
        widest = sorted(depths, key=lambda row: (-calls.total_ns[row], depths[row]))[:MAX_NODES]
        least_share = calls.total_ns[widest[-1]] / (calls.total_ns[0] or 1)
        kept = set(widest)
        depths = {row: depth for row, depth in depths.items() if row in kept}
    return list(depths), max(depths.values()), least_share
