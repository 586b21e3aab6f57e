"""nbspy's own: the recording, and the self-contained page that holds one."""

from __future__ import annotations

import base64
import binascii
import re
import warnings
from typing import Final

import msgspec

import nbspy
from nbspy import wire
from nbspy.errors import StreamError
from nbspy.importers.source import Importer, inflated
from nbspy.model.builder import Builder, profile_from_stream
from nbspy.model.profile import Profile
from nbspy.plain_text import printable

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


def read_recording(data: bytes) -> Profile:
    """Return the profile of a recording, as far as it is good.

    One that is cut in the middle of a record, or is damaged, gives all that comes before: a warning and a notice in the
    profile say so. Raises :class:`StreamError` where there is nothing before it, and for another major version.
    """
    splitter, builder = wire.FrameSplitter(), Builder()
    good = len(wire.MAGIC)
    problem = ""
    try:
        for body in splitter.feed(data):
            if builder.hello is None:
                _check_version(body)
            builder.add(wire.decode(body))
            good += 4 + len(body)
    except StreamError as err:
        if builder.hello is None:
            raise
        problem = f"This recording is damaged at byte {good:,} of {len(data):,} ({err.message})"
    else:
        if splitter.pending:
            problem = f"This recording is cut short: the last {splitter.pending:,} bytes are no whole record"
    if builder.hello is None:
        raise StreamError("this recording ends before its first record: nothing is in it")
    if problem:
        problem += "; what comes before that is here."
        builder.add(wire.Notice(0, 0, problem))
        warnings.warn(problem, stacklevel=4)  # the line that called nbspy.load
    return builder.snapshot()


def _check_version(body: bytes) -> None:
    """Refuse a recording of another major version by name, even where its first record has another form."""
    try:
        record = msgspec.msgpack.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    match record:
        case [0, _, [int(major), int(minor), *_], *rest] if major != wire.FORMAT_VERSION[0]:
            writer = f"nbspy {printable(rest[0], 40)}" if rest and isinstance(rest[0], str) else "another nbspy"
            raise StreamError(
                f"this recording was written by {writer} in format {major}.{minor}, and this nbspy {nbspy.__version__} "
                f"reads format {wire.FORMAT_VERSION[0]}",
                "open it with the nbspy that wrote it, or with a newer one than this",
            )


RECORDING: Final = Importer("nbspy", lambda data: data.startswith(wire.MAGIC), read_recording)
PAGE: Final = Importer("html", lambda data: data[:1000].lstrip()[:14].lower() == b"<!doctype html", read_page)
