"""Pictures of the explorer beside those that are committed: alike within what fonts and machines differ by.

Both are made small by averages of their pixels, so that the edges of letters weigh little, and a block that moved, a
colour that changed or a pane that is gone weigh much; what counts is the share of small pixels that differ visibly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PIL import Image, ImageChops

FOLDER: Final = Path(__file__).resolve().parents[1] / "data" / "pictures"
CELL_PX: Final = 10
"""Pixels of a picture, each way, that become one."""
VISIBLE: Final = 26
"""A small pixel differs where a channel does by more than this, of 255: a tenth."""
TOLERANCE: Final = 0.02
"""Share of the small pixels that may differ. A monospaced font in place of the system's makes 0.013 to 0.016 of them
differ; frames of other colours 0.077, rows moved by 12 px 0.092, a pane that is gone 0.13 and more."""


def small(picture: Image.Image) -> Image.Image:
    return picture.convert("RGB").reduce(CELL_PX)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the share of small pixels that differ visibly; 1 where the pictures have other sizes."""
    first, second = small(one), small(other)
    if first.size != second.size:
        return 1.0
    red, green, blue = ImageChops.difference(first, second).split()
    greatest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    histogram = greatest.histogram()
    return sum(histogram[VISIBLE + 1 :]) / sum(histogram)


def committed(name: str) -> Image.Image:
    return Image.open(FOLDER / f"{name}.png").convert("RGB")


def keep(name: str, picture: Image.Image) -> None:
    """Commit a picture: with few colours it is small, and as good for this."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    few = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    few.save(FOLDER / f"{name}.png", optimize=True)
