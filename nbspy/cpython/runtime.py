"""Finding CPython in a process: where ``_PyRuntime`` lies, which version it is, and its layout.

The runtime is found by the section ``.PyRuntime`` (3.7+ on ELF) or the symbol ``_PyRuntime`` of the executable or a
libpython, else by the cookie that 3.13+ begins with. The version is asked of the memory, never of a file name alone:
the debug offsets (3.13+), then ``Py_Version`` (3.11+), then the text that ``Py_GetVersion`` made.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from nbspy.cpython import debug_offsets, layout_tables
from nbspy.cpython.layout import Layout
from nbspy.errors import CorruptTarget, MemoryFault, NotPython, UnsupportedPython
from nbspy.target.binaries import BinaryFacts, inspect_elf
from nbspy.target.memory import RemoteMemory
from nbspy.target.process import Mapping, Target

COOKIE = b"xdebugpy"
OLDEST = (3, 11)
_SECTIONS = (".PyRuntime",)
_SYMBOLS = ("_PyRuntime", "Py_Version", "interp_head")
_LIBRARY = re.compile(r"(?:^|/)libpython(\d)\.(\d+)[a-z]*\.so")
_EXECUTABLE = re.compile(r"(?:^|/)python(\d)\.(\d+)[a-z]*$")
_VERSION_TEXT = re.compile(rb"\b([23])\.(\d{1,2})\.(\d{1,3})(?:(?:a|b|rc)\d+)?\+? \([^\x00]{4,80}?\)")
_SCAN_LIMIT = 64 << 20
_WORD = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Runtime:
    """A CPython in a target."""

    address: int
    """Of ``_PyRuntime``."""
    version: tuple[int, int, int]
    layout: Layout
    warning: str | None = None

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A file in the target that may hold the runtime."""

    path: str
    mappings: tuple[Mapping, ...]
    facts: BinaryFacts

    def address(self, linked: int) -> int:
        return self.mappings[0].start + linked - self.facts.first_load_address

    def symbol(self, name: str) -> int | None:
        linked = self.facts.symbols.get(name)
        return None if linked is None else self.address(linked)


def locate(target: Target) -> Runtime:
    """Find the CPython of ``target``.

    Raises :class:`~nbspy.errors.NotPython`, :class:`~nbspy.errors.UnsupportedPython`, and what reading the process may
    raise.
    """
    mappings = target.mappings()
    too_old: tuple[int, ...] | None = None
    idle: Runtime | None = None
    for candidate in _candidates(target, mappings):
        try:
            found = _examine(target.memory, candidate)
            if isinstance(found, Runtime) and _has_begun(target.memory, found):
                return found
        except MemoryFault:
            continue  # the file that was opened is not the one that is mapped
        if isinstance(found, Runtime):
            idle = idle or found
        else:
            too_old = too_old or found
    if idle is not None:
        return idle
    if too_old is not None:
        raise UnsupportedPython(
            f"process {target.pid} runs Python {'.'.join(map(str, too_old))}",
            f"this nbspy reads CPython {OLDEST[0]}.{OLDEST[1]} and newer",
        )
    address = _scan_for_cookie(target.memory, mappings)
    if address is not None:
        return _self_described(target.memory, address)
    raise NotPython(
        f"process {target.pid} is not a Python process",
        "no CPython runtime was found in it; 'nbspy processes' or %python_processes lists those that are",
    )


def _has_begun(memory: RemoteMemory, runtime: Runtime) -> bool:
    """True where there is an interpreter. An extension linked with libpython loads it beside the one that runs."""
    head = memory.read(runtime.address + runtime.layout.runtime.interpreters_head, _WORD.size)
    return head != bytes(_WORD.size)


def _candidates(target: Target, mappings: list[Mapping]) -> Iterator[_Candidate]:
    """The files mapped into the target that hold a runtime's section or symbol, libpython first.

    Lazily: a process may have hundreds of libraries, and the first found is nearly always the right one.
    """
    by_path: dict[str, list[Mapping]] = {}
    for mapping in mappings:
        if mapping.path.startswith("/"):
            by_path.setdefault(mapping.path, []).append(mapping)
    executables = [path for path, parts in by_path.items() if any(part.executable for part in parts)]
    libraries = [path for path in executables if _LIBRARY.search(path)]
    # The first mapped executable is the program itself; other libraries may embed an interpreter.
    others = [path for path in executables if path not in libraries]
    for path in (*libraries, *others):
        try:
            with target.open_binary(by_path[path][0]) as file:
                facts = inspect_elf(file, _SECTIONS, _SYMBOLS)
        except OSError:
            continue
        if facts is not None and (facts.sections or facts.symbols):
            yield _Candidate(path, tuple(by_path[path]), facts)


def _examine(memory: RemoteMemory, candidate: _Candidate) -> Runtime | tuple[int, ...] | None:
    """Return the runtime, or the version of one that is too old, or None where it is none."""
    linked = candidate.facts.sections.get(".PyRuntime", candidate.facts.symbols.get("_PyRuntime"))
    address = None if linked is None else candidate.address(linked)
    if address is not None and memory.read(address, len(COOKIE)) == COOKIE:
        return _self_described(memory, address)
    version = _version(memory, candidate)
    if version is None:
        return None
    if version[:2] < OLDEST or address is None:
        return version
    layout = layout_tables.TABLES.get((version[0], version[1]))
    if layout is None:
        raise CorruptTarget(
            f"Python {'.'.join(map(str, version))} was found without its debug offsets", "is it a modified build?"
        )
    return Runtime(address, version, layout)


def _self_described(memory: RemoteMemory, address: int) -> Runtime:
    data = memory.read(address, debug_offsets.MINIMUM_READ)
    layout, warning = debug_offsets.read_layout(data)
    (version_hex,) = _WORD.unpack_from(data, 8)
    return Runtime(address, _from_hex(version_hex), layout, warning)


def _from_hex(version: int) -> tuple[int, int, int]:
    return (version >> 24 & 0xFF, version >> 16 & 0xFF, version >> 8 & 0xFF)


def _version(memory: RemoteMemory, candidate: _Candidate) -> tuple[int, int, int] | None:
    address = candidate.symbol("Py_Version")
    if address is not None:
        version = _from_hex(int.from_bytes(memory.read(address, 4), "little"))
        if version[0] in (2, 3):
            return version
    for mapping in candidate.mappings:
        if mapping.readable and mapping.end - mapping.start <= _SCAN_LIMIT:
            match = _VERSION_TEXT.search(memory.read(mapping.start, mapping.end - mapping.start))
            if match is not None:
                return (int(match[1]), int(match[2]), int(match[3]))
    name = _LIBRARY.search(candidate.path) or _EXECUTABLE.search(candidate.path)
    return (int(name[1]), int(name[2]), 0) if name is not None else None


def _scan_for_cookie(memory: RemoteMemory, mappings: list[Mapping]) -> int | None:
    """Look for a runtime that describes itself in the writable mappings of files."""
    for mapping in mappings:
        size = mapping.end - mapping.start
        if not (mapping.readable and mapping.writable and mapping.path.startswith("/") and size <= _SCAN_LIMIT):
            continue
        try:
            data = memory.read(mapping.start, size)
        except MemoryFault:
            continue
        position = data.find(COOKIE)
        while position >= 0:
            try:
                debug_offsets.read_layout(data[position : position + debug_offsets.MINIMUM_READ])
            except (CorruptTarget, UnsupportedPython):
                position = data.find(COOKIE, position + 1)
                continue
            return mapping.start + position
    return None
