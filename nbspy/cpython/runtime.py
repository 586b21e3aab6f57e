"""Finding CPython in a process: where ``_PyRuntime`` lies, which version it is, and its layout.

The runtime is found by the section ``.PyRuntime`` (3.10+ on ELF) or the symbol ``_PyRuntime`` (3.7+) of the executable
or a libpython, else by the cookie that 3.13+ begins with; 2.7 and 3.6 have none, and
:mod:`nbspy.cpython.older_runtime` finds what stands for it. The version is asked of the memory, never of a file name
alone: the debug offsets (3.13+), then ``Py_Version`` (3.11+), then the text that ``Py_GetVersion`` made.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import msgspec

from nbspy.cpython import abi, debug_offsets, layout_tables, older_runtime
from nbspy.cpython.layout import Layout
from nbspy.cpython.older_runtime import OlderStatics
from nbspy.errors import CorruptTarget, MemoryFault, NotPython, UnsupportedPython
from nbspy.target.binaries import BinaryFacts, inspect_file, list_symbols
from nbspy.target.memory import RemoteMemory
from nbspy.target.process import Mapping, Target

COOKIE = b"xdebugpy"
_SECTIONS = (".PyRuntime", "PyRuntime", "PyRuntim")
"""The same section in ELF, Mach-O and PE."""
_SYMBOLS = ("_PyRuntime", "Py_Version", *older_runtime.EXPORTED)
_LIBRARY = re.compile(
    r"(?:^|[/\\])(?:libpython(\d)\.(\d+)[a-z]*\.(?:so|dylib)|python(\d)(\d+)t?(?:_d)?\.dll$"
    r"|Python\w*\.framework/Versions/(\d)\.(\d+)t?/Python\w*$)"
)
"""As libraries are named on Linux, macOS and Windows, and in a framework of macOS."""
# These two are compiled when they are first asked for, which they seldom are: the sampler starts sooner.
_EXECUTABLE = r"(?:^|[/\\])python(\d)\.(\d+)[a-z]*$"
# Some distributors put their own name in front of the parenthesis.
_VERSION_TEXT = rb"\b([23])\.(\d{1,2})\.(\d{1,3})(?:(?:a|b|rc)\d+)?\+?(?: \|[^|\x00]{1,60}\|)? \([^\x00]{4,80}?\)"
_SCAN_LIMIT = 64 << 20
_WORD = struct.Struct("<Q")


class Runtime(msgspec.Struct, frozen=True):
    """A CPython in a target."""

    address: int
    """Of ``_PyRuntime``; in 2.7 and 3.6 of ``interp_head``."""
    version: tuple[int, int, int]
    layout: Layout
    warning: str | None = None
    statics: OlderStatics | None = None
    """2.7 and 3.6: what later versions keep in ``_PyRuntime``."""

    @property
    def current_thread_state(self) -> int | None:
        """<= 3.11: address of the word that names the thread state which holds the one GIL."""
        if self.statics is not None:
            return self.statics.current_thread_state
        offset = self.layout.runtime.current_thread_state
        return None if offset is None else self.address + offset

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))


class _Candidate(msgspec.Struct, frozen=True):
    """A file in the target that may hold the runtime."""

    path: str
    mappings: tuple[Mapping, ...]
    zeroed: tuple[Mapping, ...]
    """What follows the file in memory: variables that begin as 0 (``.bss``) have no bytes in it."""
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
    unsupported: tuple[int, ...] | None = None
    idle: Runtime | None = None
    for candidate in _candidates(target, mappings):
        try:
            found = _examine(target, candidate)
            if isinstance(found, Runtime) and _has_begun(target.memory, found):
                return found
        except MemoryFault:
            continue  # the file that was opened is not the one that is mapped
        if isinstance(found, Runtime):
            idle = idle or found
        else:
            unsupported = unsupported or found
    if idle is not None:
        return idle
    if unsupported is not None:
        raise UnsupportedPython(
            f"process {target.pid} runs Python {'.'.join(map(str, unsupported))}",
            "nbspy reads CPython 2.7, and 3.6 and newer",
        )
    address = _scan_for_cookie(target.memory, mappings)
    if address is not None:
        return _self_described(target, address)
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
        if mapping.is_of_file:
            by_path.setdefault(mapping.path, []).append(mapping)
    executables = [path for path, parts in by_path.items() if any(part.executable for part in parts)]
    libraries = [path for path in executables if _LIBRARY.search(path)]
    # The first mapped executable is the program itself; other libraries may embed an interpreter.
    others = [path for path in executables if path not in libraries]
    for path in (*libraries, *others):
        try:
            with target.open_binary(by_path[path][0]) as file:
                facts = inspect_file(file, _SECTIONS, _SYMBOLS)
        except OSError:
            continue
        if facts is not None and (facts.sections or facts.symbols):
            end = by_path[path][-1].end
            zeroed = [mapping for mapping in mappings if mapping.start == end and not mapping.is_of_file]
            yield _Candidate(path, tuple(by_path[path]), tuple(zeroed), facts)


def _examine(target: Target, candidate: _Candidate) -> Runtime | tuple[int, ...] | None:
    """Return the runtime, or the version of one that cannot be read, or None where it is none."""
    memory = target.memory
    sections = candidate.facts.sections
    linked = next((sections[name] for name in _SECTIONS if name in sections), candidate.facts.symbols.get("_PyRuntime"))
    address = None if linked is None else candidate.address(linked)
    if address is not None and memory.read(address, len(COOKIE)) == COOKIE:
        return _self_described(target, address)
    version = _version(memory, candidate)
    if version is None:
        return None
    abi.refuse_unknown(version, target.abi)
    layout = layout_tables.TABLES.get((version[0], version[1]))
    if layout is None and version >= (3, 13):
        raise CorruptTarget(
            f"Python {'.'.join(map(str, version))} was found without its debug offsets", "is it a modified build?"
        )
    if layout is None:
        return version
    if address is not None:
        return Runtime(address, version, abi.with_mutex_size(layout, memory, address))
    return _examine_older(target, candidate, version, layout)


def _examine_older(
    target: Target, candidate: _Candidate, version: tuple[int, int, int], layout: Layout
) -> Runtime | tuple[int, ...]:
    """Find what 2.7 and 3.6 have instead of a runtime."""
    with target.open_binary(candidate.mappings[0]) as file:
        linked = candidate.facts.symbols | list_symbols(file, older_runtime.STATIC)
    symbols = {name: candidate.address(place) for name, place in linked.items()}
    statics = older_runtime.find_statics(target.memory, symbols)
    if statics is None:
        return version
    layout = older_runtime.layout_of_build(layout, symbols)
    return Runtime(statics.interpreters_head, version, layout, statics=statics)


def _self_described(target: Target, address: int) -> Runtime:
    data = target.memory.read(address, debug_offsets.MINIMUM_READ)
    layout, warning = debug_offsets.read_layout(data)
    (version_hex,) = _WORD.unpack_from(data, 8)
    return Runtime(address, _from_hex(version_hex), abi.adapt(layout, target.abi), warning)


def _from_hex(version: int) -> tuple[int, int, int]:
    return (version >> 24 & 0xFF, version >> 16 & 0xFF, version >> 8 & 0xFF)


def _version(memory: RemoteMemory, candidate: _Candidate) -> tuple[int, int, int] | None:
    address = candidate.symbol("Py_Version")
    if address is not None:
        version = _from_hex(int.from_bytes(memory.read(address, 4), "little"))
        if version[0] in (2, 3):
            return version
    name = _LIBRARY.search(candidate.path) or re.search(_EXECUTABLE, candidate.path)
    numbers = [int(number) for number in name.groups() if number is not None] if name is not None else []
    named = (numbers[0], numbers[1], 0) if numbers else None
    other: tuple[int, int, int] | None = None
    for version in _version_texts(memory, candidate):  # the first is found in some KiB, the last in some MiB
        if named is None or version[:2] == named[:2]:
            return version
        other = other or version
    return other or named


def _version_texts(memory: RemoteMemory, candidate: _Candidate) -> Iterator[tuple[int, int, int]]:
    """The versions that texts in the memory of the file tell; what ``Py_GetVersion`` made first: it is a variable."""
    mappings = [*candidate.zeroed, *candidate.mappings]
    for mapping in sorted(mappings, key=lambda mapping: not mapping.writable):
        if mapping.readable and mapping.end - mapping.start <= _SCAN_LIMIT:
            for match in re.finditer(_VERSION_TEXT, memory.read(mapping.start, mapping.end - mapping.start)):
                yield (int(match[1]), int(match[2]), int(match[3]))


def _scan_for_cookie(memory: RemoteMemory, mappings: list[Mapping]) -> int | None:
    """Look for a runtime that describes itself in the writable mappings of files."""
    for mapping in mappings:
        size = mapping.end - mapping.start
        if not (mapping.readable and mapping.writable and mapping.is_of_file and size <= _SCAN_LIMIT):
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
