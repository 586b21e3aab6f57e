"""The page of charts: one HTML file without a network, light or dark as its reader's system is.

Figures are rows and contestants are dots, on a logarithmic axis: the same distance is the same ratio everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any, Final

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from bench.case import Row, number
from bench.goals import verdicts
from bench.report import ratio, tally

COLORS: Final = {
    "nbspy": "#d55e00",
    "nbspy --nonblocking": "#e69f00",
    "py-spy": "#0072b2",
    "py-spy --nonblocking": "#56b4e9",
    "profiling.sampling --blocking": "#009e73",
    "profiling.sampling": "#7fcdb5",
    "austin": "#cc79a7",
}
"""Okabe and Ito's, which colour-blind people tell apart; a family each, the blocking mode darker."""
_OTHER: Final = "#888888"
_ROW_PX: Final = 44
_FRAME_PX: Final = 130

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --line: #d8d8d8; --good: #087f3a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #16181c; --line: #3a3d44; --good: #5fd38d; --bad: #ff8a80; }
}
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td, th { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
td.n { text-align: right; white-space: nowrap; }
.reached { color: var(--good); } .missed { color: var(--bad); font-weight: 600; }
"""

_SCRIPT: Final = """
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim(), line = style.getPropertyValue("--line").trim();
  for (const chart of document.querySelectorAll(".chart"))
    Plotly.relayout(chart, {"font.color": ink, "xaxis.gridcolor": line, "yaxis.gridcolor": line});
};
const charts = JSON.parse(document.getElementById("charts").textContent);
Promise.all(charts.map((chart, i) =>
  Plotly.newPlot("chart" + i, chart.data, chart.layout, {responsive: true, displaylogo: false}))).then(paint);
dark.addEventListener("change", paint);
"""


def page(rows: Sequence[Row], about: Sequence[str]) -> str:
    """Return the page for ``rows``; ``about`` says in lines what was measured on."""
    groups = grouped(rows)
    charts = [json.loads(chart(name, group).to_json()) for name, group in groups.items()]
    # "</" would end the script element that the figures are in.
    data = json.dumps(charts).replace("</", "<\\/")
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>nbspy beside its peers</title>",
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style>",
        "<h1>nbspy beside its peers</h1>",
        *(f"<p>{escape(line)}</p>" for line in about),
        f"<h2>Goals</h2><p>{escape(tally(rows))}</p>{_goal_table(rows)}",
        "<h2>Figures</h2><p>Dots are medians, lines go from the lowest to the highest turn. The axis is logarithmic: "
        "the same distance is the same ratio.</p>",
        *(f"<div class='chart' id='chart{i}'></div>" for i in range(len(charts))),
        f"<h2>All figures</h2>{_figure_table(rows)}",
        f"<script type='application/json' id='charts'>{data}</script>",
        f"<script>{get_plotlyjs()}</script><script>{_SCRIPT}</script></html>",
    ]
    return "\n".join(parts)


def grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows that can be drawn, by what comes before the colon in their figure and by unit."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.value is not None:
            name = row.figure.partition(":")[0]
            groups.setdefault(f"{name}, {row.unit}", []).append(row)
    return groups


def chart(name: str, rows: Sequence[Row]) -> Any:
    """Return one chart: figures from top to bottom, a trace for each contestant."""
    figures = list(dict.fromkeys(row.figure for row in rows))
    view = go.Figure()
    for who in dict.fromkeys(row.who for row in rows):
        own = [row for row in rows if row.who == who]
        values = [row.value or 0.0 for row in own]
        labels = [_label(rows, row) for row in own]
        view.add_trace(
            go.Scatter(
                x=values,
                y=[row.figure for row in own],
                name=who,
                mode="markers+text",
                text=[label.rpartition(", ")[2] if ", " in label else "" for label in labels],
                textposition="top center",
                hovertext=[f"{who}: {label}" for label in labels],
                hoverinfo="text",
                marker={"size": 11, "color": COLORS.get(who, _OTHER)},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [row.bounds[1] - value for row, value in zip(own, values, strict=True)],
                    "arrayminus": [value - row.bounds[0] for row, value in zip(own, values, strict=True)],
                    "thickness": 1,
                    "width": 3,
                },
            )
        )
    view.update_layout(
        template="none",
        title=name,
        height=_FRAME_PX + _ROW_PX * len(figures),
        margin={"l": 320, "r": 20, "t": 60, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "y": 1, "yanchor": "bottom"},
    )
    # Zero and less have no logarithm: slowdowns within the noise, and impossible stacks where there are none.
    logarithmic = all((row.value or 0) > 0 for row in rows)
    view.update_xaxes(type="log" if logarithmic else "linear", dtick=1 if logarithmic else None)
    view.update_yaxes(categoryorder="array", categoryarray=figures[::-1])
    return view


def _label(rows: Sequence[Row], row: Row) -> str:
    times = ratio(rows, row)
    text = f"{number(row.value or 0.0)} {row.unit}"
    return text if times is None else f"{text}, {number(times)} x"


def _goal_table(rows: Sequence[Row]) -> str:
    words = {True: ("reached", "reached"), False: ("missed", "missed"), None: ("", "open")}
    lines = ["<table><tr><th>figure<th>contestant<th>goal<th>measured<th>"]
    for row in rows:
        for verdict in verdicts(rows, row):
            style, word = words[verdict.reached]
            cells = [row.figure, row.who, verdict.goal.text(), verdict.figure]
            lines.append("<tr>" + "".join(f"<td>{escape(cell)}" for cell in cells) + f"<td class='{style}'>{word}")
    return "\n".join([*lines, "</table>"])


def _figure_table(rows: Sequence[Row]) -> str:
    lines = ["<table><tr><th>figure<th>contestant<th>median<th>range<th>times<th>note"]
    for row in rows:
        times = ratio(rows, row)
        median = "-" if row.value is None else f"{number(row.value)} {row.unit}"
        lines.append(
            f"<tr><td>{escape(row.figure)}<td>{escape(row.who)}<td class='n'>{escape(median)}<td class='n'>{row.spread}"
            f"<td class='n'>{'' if times is None else number(times) + ' x'}<td>{escape(row.note)}"
        )
    return "\n".join([*lines, "</table>"])
