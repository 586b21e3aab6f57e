"""What changed between two profiles."""

from __future__ import annotations

from typing import Any, Final

from nbspy.model.compare import CLEAR, Comparison
from nbspy.model.compare_summary import LEAST_SHARE
from nbspy.views.plots.style import Theme, grid, ink, plotly_module, resolved, styled, text

_ROW_PX: Final = 26
_MORE: Final = "#d5542b"
_LESS: Final = "#2f9e6e"


def comparison(made: Comparison, theme: Theme | None, n: int) -> Any:
    """Return the figure; see :meth:`nbspy.views.plots.Plots.compare`."""
    theme = resolved(theme)
    go = plotly_module("graph_objects")
    own = [one for one in made.functions if max(one.before.self_share, one.after.self_share) >= LEAST_SHARE]
    own.sort(key=lambda one: (not one.self_is_clear, -abs(one.self_change)))
    shown = own[:n]
    figure = go.Figure()
    rows = [str(row) for row in range(len(shown))]
    faint = grid(theme)
    for name, is_more in (("more", True), ("less", False)):
        picked = [(row, one) for row, one in zip(rows, shown, strict=True) if (one.self_change > 0) == is_more]
        if not picked:
            continue
        color = _MORE if is_more else _LESS
        figure.add_trace(
            go.Bar(
                orientation="h",
                y=[row for row, _ in picked],
                x=[100 * one.self_change for _, one in picked],
                error_x={
                    "type": "data",
                    "array": [100 * CLEAR * one.self_noise for _, one in picked],
                    "color": ink(theme),
                    "thickness": 1,
                    "width": 3,
                },
                name=f"{name} of the time after",
                marker={
                    "color": [color if one.self_is_clear else faint for _, one in picked],
                    "line": {"width": 1, "color": color},
                },
                customdata=[(100 * one.before.self_share, 100 * one.after.self_share) for _, one in picked],
                hovertemplate="%{customdata[0]:.1f} % → %{customdata[1]:.1f} %<extra></extra>",
            )
        )
    names = [f"{text(one.name, 50)}  <i>{text(one.short_file, 40)}</i>" for one in shown]
    figure.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=rows[::-1],
        tickvals=rows,
        ticktext=names,
        showgrid=False,
    )
    figure.update_xaxes(title="change of own time, in points of a hundred", zeroline=True, zerolinecolor=ink(theme))
    figure.update_layout(barmode="overlay", bargap=0.3)
    clear = sum(one.self_is_clear for one in own)
    notes = [f"whiskers: {CLEAR:g} times the noise; filled: clear changes ({clear} of {len(own)} functions)"]
    notes += [f"{len(own) - len(shown)} with less change are left out"] if len(own) > len(shown) else []
    styled(figure, theme, "What changed, before → after", "; ".join(notes), 180 + _ROW_PX * max(4, len(shown)))
    figure.update_xaxes(zeroline=True)
    return figure
