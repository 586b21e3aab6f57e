"""nbspy's own: the recording, and the self-contained page that holds one."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from nbspy import wire
from nbspy.errors import StreamError
from nbspy.importers.source import Importer, inflated
from nbspy.model.builder import profile_from_stream
from nbspy.model.profile import Profile

_DATA: Final = re.compile(rb'<script type="application/octet-stream" id="nbspy-data"[^>]*>([^<]*)</script>')


def read_page(data: bytes) -> Profile:
    """Return the profile in a page; raises :class:`StreamError` where there is none."""
    found = _DATA.search(data)
    if found is None:
        raise StreamError("the page holds no nbspy recording")
    try:
        packed = base64.b64decode(found[1], validate=True)
    except binascii.Error as err:
        raise StreamError(f"the recording in the page is damaged: {err}") from err
    return profile_from_stream(inflated(packed))


RECORDING: Final = Importer("nbspy", lambda data: data.startswith(wire.MAGIC), profile_from_stream)
PAGE: Final = Importer("html", lambda data: data[:1000].lstrip()[:14].lower() == b"<!doctype html", read_page)
