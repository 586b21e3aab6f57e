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
_FREE_THREADED_SAMPLES = _SAMPLES.with_name("debug_offsets_free_threaded.json")
_OBJECTS = (
    "code_object.",
    "pyobject.",
    "type_object.",
    "heap_type_object.",
    "tuple_object.",
    "list_object.",
    "set_object.",
    "dict_object.",
    "float_object.",
    "long_object.",
    "bytes_object.",
    "unicode_object.",
    "gen_object.",
)
"""The structs that begin with an object's header."""


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


def free_threaded_layouts() -> dict[str, Layout]:
    """As :func:`all_layouts`, of free-threaded builds: 3.13's from a live one, the later ones derived from it."""
    live: dict[str, list[int]] = json.loads(_FREE_THREADED_SAMPLES.read_text())
    described = {f"{release}t": words for release, words in live.items()}
    for release, words in debug_offset_words().items():
        if release > "3.14":
            described[f"{release}t"] = _as_free_threaded(words, int(release.split(".")[1]))
    return {release: debug_offsets.read_layout(runtime_bytes(words))[0] for release, words in described.items()}


def _as_free_threaded(words: list[int], minor: int) -> list[int]:
    """The words of a build without a GIL: the header of each object is 16 bytes longer (``Include/object.h``)."""
    found = []
    for name, word in zip(debug_offsets._NAMES[3, minor][1:], words, strict=True):
        is_object = name.startswith(_OBJECTS) and word < 1 << 12
        found.append(1 if name == ".free_threaded" else word + 16 if is_object else word)
    return found


def all_layouts() -> dict[str, Layout]:
    """Version -> layout, for ``pytest.mark.parametrize``; 3.11 and later."""
    found = {f"{version[0]}.{version[1]}": layout for version, layout in TABLES.items() if version not in OLDER_TABLES}
    for release, words in debug_offset_words().items():
        found[release] = debug_offsets.read_layout(runtime_bytes(words))[0]
    return found
