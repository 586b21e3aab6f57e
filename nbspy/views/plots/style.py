"""What the figures share: colours, templates, and text that plotly shows as it is."""

from __future__ import annotations

import importlib
import zlib
from html import escape
from typing import Any, Final, Literal

from nbspy.errors import NbspyError
from nbspy.plain_text import printable
from nbspy.wire import State

Theme = Literal["light", "dark"]
STATES: Final = ("Idle", "Holds the GIL", "Runs without the GIL", "Waits for the GIL", "Garbage collection")
"""Classes of states, in the order of the colours."""
GIL: Final = 1
# The explorer's colours (js/src/render/colors.ts): colour-blind readers can tell them apart.
STATE_COLORS: Final = {
    "light": ("#dfe3e8", "#2f9e6e", "#2f6fd0", "#e0a021", "#8a5cc2"),
    "dark": ("#3a4049", "#3fb383", "#5794ee", "#e5ae3c", "#a982dc"),
}
_SERIES: Final = ("#2f6fd0", "#2f9e6e", "#b8577f", "#8a5cc2", "#3f9fb5", "#c0703a", "#7d8b2f", "#808890")
_INK: Final = {"light": "#1f2328", "dark": "#e6e8eb"}
_PAPER: Final = {"light": "#ffffff", "dark": "#16181c"}
_GRID: Final = {"light": "#e3e6ea", "dark": "#2c3138"}
_FONT: Final = "system-ui, -apple-system, Segoe UI, sans-serif"
MONOSPACE: Final = "ui-monospace, Menlo, Consolas, monospace"


def plotly_module(name: str) -> Any:
    """Return a module of plotly; raises :class:`NbspyError` where it is not installed."""
    try:
        return importlib.import_module(f"plotly.{name}")
    except ImportError as err:
        raise NbspyError("plotly is not installed", "pip install nbspy[plots]") from err


def resolved(theme: Theme | None) -> Theme:
    """Return the theme that is asked for, or else that of plotly's default template."""
    if theme is not None:
        return theme
    return "dark" if "dark" in str(plotly_module("io").templates.default) else "light"


def styled(figure: Any, theme: Theme, title: str, note: str = "", height: int = 450) -> Any:
    """Lay out ``figure`` in the theme, with a title and under it in small what the reader should know."""
    under = f"<br><span style='font-size:12px'>{text(note)}</span>" if note else ""
    figure.update_layout(
        template="plotly_dark" if theme == "dark" else "plotly_white",
        title={"text": f"{text(title)}{under}", "x": 0, "xref": "container", "xanchor": "left", "pad": {"l": 16}},
        font={"family": _FONT, "color": _INK[theme], "size": 13},
        paper_bgcolor=_PAPER[theme],
        plot_bgcolor=_PAPER[theme],
        colorway=_SERIES,
        height=height,
        margin={"l": 16, "r": 16, "t": 72, "b": 92},
        hoverlabel={"font_family": MONOSPACE},
        # Below the axis: above it there is the note, which may be long.
        legend={
            "orientation": "h",
            "yref": "container",
            "y": 0.01,
            "yanchor": "bottom",
            "x": 0,
            "traceorder": "normal",
        },
        uniformtext={"minsize": 9, "mode": "hide"},
    )
    figure.update_xaxes(gridcolor=_GRID[theme], zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor=_GRID[theme], zeroline=False, automargin=True)
    return figure


def text(value: str, limit: int = 200) -> str:
    """Return ``value`` as plotly shows it unchanged: no markup, no formula, one line, bounded."""
    return escape(printable(value, limit), quote=False).replace("$", "&#36;")


def state_class(state: int) -> int:
    """Return the index in :data:`STATES` for a sample's state bits."""
    if state & State.GC:
        return 4
    if state & State.GIL:
        return 1
    if state & State.ACTIVE:
        return 2
    return 3 if state & State.GIL_WAIT else 0


def ink(theme: Theme) -> str:
    """Return the colour of text."""
    return _INK[theme]


def grid(theme: Theme) -> str:
    """Return the colour of lines that are to be seen only when looked for."""
    return _GRID[theme]


def fill(file: str, theme: Theme) -> str:
    """Return the colour of a frame: one hue a top-level package or file, with text readable on it."""
    top = file.replace("\\", "/").split("/", 1)[0]
    hue = zlib.crc32(top.encode("utf-8", "replace")) % 360
    return f"hsl({hue},45%,78%)" if theme == "light" else f"hsl({hue},30%,32%)"


def series_color(index: int) -> str:
    """Return the colour of one of several series."""
    return _SERIES[index % len(_SERIES)]
