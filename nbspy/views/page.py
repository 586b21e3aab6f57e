"""What stays in a notebook when the session has ended: the summary, and the self-contained page in a frame."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape, unescape
from typing import Final

from nbspy.exporters.html import page_html as page_html
from nbspy.exporters.html import page_title as page_title
from nbspy.model.profile import Profile
from nbspy.model.summary import headline, summary_html
from nbspy.plain_text import printable

FROZEN_FUNCTIONS: Final = 8
"""Functions listed above a notebook's frame: the frame tells the rest, and is to be in sight."""


def frozen_html(
    profile: Profile,
    stream: bytes | None = None,
    *,
    title: str = "nbspy",
    height_px: int = 560,
    view: Mapping[str, object] | None = None,
) -> str:
    """Return what stays in a notebook: the summary as plain tables, then the page in a sandboxed frame.

    The tables are folded under the headline, so that the frame stands where the live view stood. An untrusted
    notebook drops the frame and keeps the headline and the tables. The frame may write files that a person asks
    for, and nothing else: it has no origin. ``view``: what the explorer was set to.
    """
    page = page_html(profile, stream, title=title, with_tables=False, view=view)
    shown = escape(printable(title))
    return (
        f"<details><summary>{escape(headline(profile))}</summary>\n"
        f"{summary_html(profile, FROZEN_FUNCTIONS)}\n</details>\n"
        f'<iframe title="{shown}" sandbox="allow-scripts allow-downloads"'
        f' style="width:100%;height:{int(height_px)}px;box-sizing:border-box;border:1px solid #8884;border-radius:6px"'
        f' srcdoc="{escape(page)}"></iframe>'
    )


def framed_page(html: str) -> str:
    """Return the page that :func:`frozen_html` has framed."""
    return unescape(html.rpartition(' srcdoc="')[2].removesuffix('"></iframe>'))
