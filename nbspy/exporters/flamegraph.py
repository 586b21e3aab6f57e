"""A flame graph as one SVG file: the root at the bottom, the width of a frame its time.

Without a script it is a picture with tooltips. Opened in a browser, its own small script (``flamegraph.js``) fits it
to the window, zooms where one clicks, and searches; nothing comes from outside. Frames too narrow or too deep to be
seen are left out, and the file says how many.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import BinaryIO, Final, NamedTuple

from nbspy.exporters.format import Exporter, chosen
from nbspy.exporters.text_tree import TextTree, text_tree
from nbspy.model.profile import Profile
from nbspy.model.summary import headline
from nbspy.options import ContentOptions
from nbspy.plain_text import printable

WIDTH: Final = 1200
ROW: Final = 17
TOP: Final = 50
BOTTOM: Final = 34
LEAST_SHARE: Final = 1 / 10_000
"""Frames with less of the whole are left out: a tenth of a pixel, and one pixel where their parent is zoomed to."""
MAX_DEPTH: Final = 400
MAX_FRAMES: Final = 20_000
"""Of more, the widest are drawn: a browser stays quick."""
_CHARACTER: Final = 7.3
_NOT_XML: Final = re.compile("[\ufffe\uffff\U000e0001-\U000e007f]")
_STYLE: Final = """
svg { font: 12px ui-monospace, Menlo, Consolas, monospace; background: #fff; }
text { fill: #1b1b1b; } .frame text { pointer-events: none; }
.frame { cursor: pointer; } .frame:hover rect { stroke: #1b1b1b; }
.below { opacity: .55; } .match rect { fill: #c04fd1; } .heading { font-weight: 600; }
input { font: inherit; width: 100%; box-sizing: border-box; }
@media (prefers-color-scheme: dark) {
svg { background: #16181c; } text { fill: #e4e4e4; } .frame text { fill: #1b1b1b; }
.frame:hover rect { stroke: #fff; } }
"""


class _Box(NamedTuple):
    row: int
    depth: int
    left: float
    """Share of the width, from 0 to 1."""
    width: float


def write_flamegraph(profile: Profile, stream: BinaryIO, options: ContentOptions) -> None:
    """Write ``profile`` to ``stream``."""
    tree = text_tree(chosen(profile, options).stacks(), options, several=len(profile.processes) > 1)
    boxes = list(_boxes(tree))
    if len(boxes) > MAX_FRAMES:  # a parent is as wide as its child, and comes first where they are equal
        boxes = sorted(boxes, key=lambda box: (-box.width, box.depth))[:MAX_FRAMES]
    left_out = len(tree) - len(boxes)
    height = TOP + BOTTOM + ROW * (1 + max(box.depth for box in boxes))
    notes = f"{left_out:,} frames too narrow or too deep to be seen are left out" if left_out else ""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}">',
        f"<style>{_STYLE}</style>",
        f'<text class="heading" x="10" y="20">{_xml(headline(profile))}</text>',
        f'<text x="10" y="38" id="notes">{_xml(notes)}</text>',
        f'<text x="10" y="{height - 12}" id="details"></text>',
        *(_frame(tree, box, height) for box in boxes),
        f"<script><![CDATA[\n{_script()}]]></script>",
        "</svg>",
        "",
    ]
    stream.write("\n".join(lines).encode("utf-8"))


def _boxes(tree: TextTree) -> Iterator[_Box]:
    """Yield what is drawn, each before what is above it."""
    widths, children = tree.widths(), tree.children()
    whole = widths[0] or 1
    pending = [_Box(0, 0, 0.0, 1.0)]
    while pending:
        box = pending.pop()
        yield box
        if box.depth == MAX_DEPTH:
            continue
        left = box.left
        for row in children[box.row]:
            width = widths[row] / whole
            if width < LEAST_SHARE:
                break  # the rest is narrower still
            pending.append(_Box(row, box.depth + 1, left, width))
            left += width


def _frame(tree: TextTree, box: _Box, height: int) -> str:
    text = tree.text[box.row].replace("\\x3b", ";")  # an escape of the collapsed format
    seconds = f"{tree.time_ns[box.row] / 1e9:,.2f} s, " if tree.time_ns[0] else ""
    title = f"{printable(text)}: {seconds}{tree.samples[box.row]:,} samples, {100 * box.width:.2f} %"
    x, width, y = WIDTH * box.left, WIDTH * box.width, height - BOTTOM - ROW * (box.depth + 1)
    shown = _shown(text, width)
    place = f'data-x="{box.left:.6g}" data-w="{box.width:.6g}" data-d="{box.depth}" data-t="{_xml(text)}"'
    return (
        f'<g class="frame" {place}><title>{_xml(title)}</title>'
        f'<rect x="{x:.2f}" y="{y}" width="{max(0.1, width - 0.5):.2f}" height="{ROW - 1}" rx="1"'
        f' fill="{_color(tree.file[box.row], text)}"/>'
        f'<text x="{x + 3:.2f}" y="{y + ROW - 5}">{_xml(shown)}</text></g>'
    )


def _shown(text: str, width: float) -> str:
    """Return as much of ``text`` as fits ``width`` pixels; the script does the same after a zoom."""
    characters = int((width - 6) / _CHARACTER)
    if characters < 3:
        return ""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _color(file: str, text: str) -> str:
    """Return a warm colour: one hue a file, its shade by the function. Threads are grey."""
    if not file:
        return "#c8c8c8"
    hue = zlib.crc32(file.encode("utf-8", "replace")) % 55
    shade = zlib.crc32(text.encode("utf-8", "replace")) % 12
    return f"hsl({hue},80%,{62 + shade}%)"


def _clean(text: str) -> str:
    return _NOT_XML.sub("?", printable(text))


def _xml(text: str) -> str:
    return escape(_clean(text))


def _script() -> str:
    return files("nbspy.exporters").joinpath("flamegraph.js").read_text(encoding="utf-8")


FLAMEGRAPH: Final = Exporter("flamegraph", ".svg", "a flame graph to click on, as one SVG file", write_flamegraph)
