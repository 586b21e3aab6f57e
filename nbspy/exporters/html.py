"""The self-contained page: the explorer with the recording in it.

A page needs nothing from outside: no network, no server. The stream is in it, compressed, with the same bundle
that draws the live view; a content policy forbids everything else. Its tables need no script to be read.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from typing import BinaryIO, Final

from nbspy.errors import NbspyError
from nbspy.exporters.format import Exporter, with_states
from nbspy.model.encoding import stream_of
from nbspy.model.profile import Profile
from nbspy.model.summary import headline, summary_html
from nbspy.options import ContentOptions
from nbspy.plain_text import printable

CONTENT_POLICY: Final = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
_STYLE: Final = """
:root { color-scheme: light dark; }
body { margin: 0; font: 13px/1.45 system-ui, sans-serif; }
h1 { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
section { padding: 0 16px 16px; overflow-x: auto; }
table { border-collapse: collapse; margin: 12px 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 4px 0; }
th, td { padding: 2px 10px 2px 0; vertical-align: top; }
"""


def page_html(
    profile: Profile,
    stream: bytes | None = None,
    *,
    title: str = "nbspy",
    with_tables: bool = True,
    view: Mapping[str, object] | None = None,
) -> str:
    """Return a whole HTML page: the explorer, and below it the summary as plain tables.

    ``stream`` is the profile's stream where it is at hand; else it is made from the profile. ``view``: what the
    explorer is set to (``nbspy/views/view_settings.py``). Raises :class:`NbspyError` where the script bundle is missing
    from the installation.
    """
    data = base64.b64encode(zlib.compress(stream_of(profile) if stream is None else stream, 9)).decode("ascii")
    # No text in it may look like markup: what it says comes from the target.
    settings = json.dumps(dict(view or {})).replace("<", "\\u003c")
    tables = f"<section>\n{summary_html(profile)}\n</section>" if with_tables else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(printable(title))}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(printable(title))}</h1>
<div id="nbspy-root" data-saved="{datetime.now(UTC).isoformat(timespec="seconds")}"></div>
{tables}
</main>
<script type="application/octet-stream" id="nbspy-data" data-encoding="deflate">{data}</script>
<script type="application/json" id="nbspy-view">{settings}</script>
<script id="nbspy-script">{_script()}</script>
</body>
</html>
"""


def page_title(profile: Profile) -> str:
    """Return a title for a profile's page."""
    return f"nbspy: {headline(profile)}"


def _script() -> str:
    """Return the bundle in a form that cannot end its script element."""
    bundle = files("nbspy").joinpath("static", "page.js")
    try:
        text = bundle.read_text(encoding="utf-8")
    except OSError as err:
        raise NbspyError(
            "the page's script nbspy/static/page.js is missing", "reinstall nbspy, or build it: npm run build in js/"
        ) from err
    # Both stay what they are inside a string or a regular expression of the script.
    return re.sub(r"<(?=!--)", r"<\\", re.sub(r"<(?=/script)", r"<\\", text, flags=re.IGNORECASE))


def write_html(profile: Profile, stream: BinaryIO, options: ContentOptions) -> None:
    """Write the page of ``profile``, idle threads too; of the options only ``gil`` has a meaning."""
    part = with_states(profile, options)
    stream.write(page_html(part, title=page_title(part)).encode("utf-8", "replace"))


HTML: Final = Exporter("html", ".html", "the explorer as one page that needs no network", write_html, (".htm",), True)
