"""A layout of every version, without an interpreter: the committed rows, and debug offsets as real builds gave them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from nbspy.cpython import debug_offsets
from nbspy.cpython.layout import Layout
from nbspy.cpython.layout_tables import TABLES
from nbspy.cpython.older_layout_tables import OLDER_TABLES

_SAMPLES = Path(__file__).parent.parent / "data" / "debug_offsets.json"


def debug_offset_words() -> dict[str, list[int]]:
    """Release -> the words after the cookie, as read from a live interpreter of that release."""
    samples: dict[str, list[int]] = json.loads(_SAMPLES.read_text())
    return samples


def runtime_bytes(words: list[int]) -> bytes:
    """What lies at ``_PyRuntime``: cookie, words, and some more of the struct."""
    data = debug_offsets.COOKIE + struct.pack(f"<{len(words)}Q", *words)
    return data.ljust(debug_offsets.MINIMUM_READ, b"\0")


def older_layouts() -> dict[str, Layout]:
    """As :func:`all_layouts`, of the versions whose frames are objects."""
    return {f"{version[0]}.{version[1]}": layout for version, layout in OLDER_TABLES.items()}


def all_layouts() -> dict[str, Layout]:
    """Version -> layout, for ``pytest.mark.parametrize``; 3.11 and later."""
    found = {f"{version[0]}.{version[1]}": layout for version, layout in TABLES.items() if version not in OLDER_TABLES}
    for release, words in debug_offset_words().items():
        found[release] = debug_offsets.read_layout(runtime_bytes(words))[0]
    return found
