"""What an importer gets and what it is: bytes of unknown origin, and a function that makes a profile of them."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from nbspy.errors import StreamError
from nbspy.model.profile import Profile

MAX_BYTES: Final = 1 << 30
"""Longest file that is read, also after it is unpacked."""
GZIP_MAGIC: Final = b"\x1f\x8b"
_LIBRARY: Final = re.compile(r"[/\\](?:site-packages|dist-packages|python3\.\d+)[/\\]")


@dataclass(frozen=True, slots=True)
class Importer:
    """One format that can be read."""

    name: str
    accepts: Callable[[bytes], bool]
    """Whether bytes (unpacked, where they were packed) look like the format."""
    read: Callable[[bytes], Profile]
    """Makes the profile; raises :class:`StreamError` where the bytes are not the format after all, or are damaged."""


def unpacked(data: bytes) -> bytes:
    """Return ``data``, without its gzip packing where it has one; raises :class:`StreamError`."""
    return inflated(data, zlib.MAX_WBITS | 16) if data.startswith(GZIP_MAGIC) else data


def inflated(data: bytes, window_bits: int = zlib.MAX_WBITS) -> bytes:
    """Return ``data`` decompressed, at most :data:`MAX_BYTES`; raises :class:`StreamError`."""
    inflater = zlib.decompressobj(window_bits)
    try:
        content = inflater.decompress(data, MAX_BYTES)
    except zlib.error as err:
        raise StreamError(f"the compressed data is damaged: {err}") from err
    if inflater.unconsumed_tail:
        raise StreamError(f"the compressed data is more than {MAX_BYTES >> 20} MiB")
    if not inflater.eof:
        raise StreamError("the compressed data is cut short")
    return content


def parsed_json(data: bytes) -> dict[str, Any]:
    """Return the JSON object in ``data``; raises :class:`StreamError` where it is none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise StreamError(f"the JSON is damaged or cut short: {err}") from err
    if not isinstance(document, dict):
        raise StreamError("the JSON is no object")
    return document


def short_file(file: str) -> str:
    """Return the part of a library's file name that does not depend on the machine; others' names as they are."""
    parts = _LIBRARY.split(file)
    return parts[-1] if len(parts) > 1 else ""
