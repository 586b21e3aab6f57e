"""The structs and enums of a CPython, from its debug information (DWARF)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE
from elftools.elf.elffile import ELFFile

UNITS = (
    "Python/pystate.c",
    "Python/frame.c",
    "Objects/frameobject.c",
    "Objects/dictobject.c",
    "Objects/unicodeobject.c",
    "Objects/codeobject.c",
    "Objects/longobject.c",
    "Objects/setobject.c",
    "Objects/funcobject.c",
    "Objects/genobject.c",
    "Objects/bytearrayobject.c",
)
"""The compilation units that, taken together, define every struct the reader follows."""

Names = tuple[str, ...]
"""``struct.member.member``, newest first: the first that a build has is taken."""


class NoDebugInformation(Exception):
    """The file has no DWARF, or not the DWARF of a CPython."""


class Structs:
    """The structs and enums that the debug information of one CPython defines."""

    def __init__(self, path: Path, wanted: Iterable[str], bit_fields: Iterable[str]) -> None:
        """``wanted``: what :meth:`offset` will be asked for; ``bit_fields``: what :meth:`bit_offset` will."""
        self._types: dict[str, DIE] = {}
        self._enumerators: dict[str, int] = {}
        with path.open("rb") as file:
            elf = ELFFile(file)
            if not elf.has_dwarf_info() or elf.get_section_by_name(".debug_info") is None:
                raise NoDebugInformation(f"{path} carries no .debug_info")
            for unit in _units(elf):
                self._add_unit(unit)
            # What is asked for below is resolved while the file is open: a DIE reads its parts when they are wanted.
            self._offsets = {name: offset for name in wanted if (offset := self._find(name)) is not None}
            self._bit_offsets = {name: bit for name in bit_fields if (bit := self._find_bit(name)) is not None}

    def offset(self, names: Names) -> int | None:
        """Return the offset (or size) of the first of ``names`` that this build has; None where it has none."""
        return next((self._offsets[name] for name in names if name in self._offsets), None)

    def enumerator(self, name: str) -> int | None:
        return self._enumerators.get(name)

    def bit_offset(self, name: str) -> int | None:
        """Return how many bits of the containing member lie below this one; None where the build has none."""
        return self._bit_offsets.get(name)

    def _add_unit(self, unit: CompileUnit) -> None:
        for die in unit.get_top_DIE().iter_children():
            name = _name(die)
            if die.tag == "DW_TAG_enumeration_type":
                for child in die.iter_children():
                    self._enumerators.setdefault(str(_name(child)), child.attributes["DW_AT_const_value"].value)
            elif name and die.tag in ("DW_TAG_structure_type", "DW_TAG_typedef") and _struct(die) is not None:
                self._types.setdefault(name, die)

    def _find(self, name: str) -> int | None:
        head, *members = name.split(".")
        struct = self._defined(head)
        if struct is None:
            return None
        if not members:
            return int(struct.attributes["DW_AT_byte_size"].value)
        found = _resolve(struct, members)
        return None if found is None else found[0]

    def _find_bit(self, name: str) -> int | None:
        head, *members = name.split(".")
        struct = self._defined(head)
        found = None if struct is None else _resolve(struct, members)
        return None if found is None else int(found[1].attributes["DW_AT_data_bit_offset"].value)

    def _defined(self, name: str) -> DIE | None:
        die = self._types.get(name)
        return None if die is None else _struct(die)


def _resolve(struct: DIE, members: list[str]) -> tuple[int, DIE] | None:
    """Return offset and DIE of a member of a member."""
    offset = 0
    inner: DIE | None = struct
    for name in members:
        found = None if inner is None else _member(inner, name)
        if found is None:
            return None
        offset += found[0]
        inner = _struct(found[1].get_DIE_from_attribute("DW_AT_type"))
    return offset, found[1]


def _units(elf: ELFFile) -> Iterator[CompileUnit]:
    for unit in elf.get_dwarf_info().iter_CUs():
        if (_name(unit.get_top_DIE()) or "").endswith(UNITS):
            yield unit


def _name(die: DIE) -> str | None:
    attribute = die.attributes.get("DW_AT_name")
    return None if attribute is None else attribute.value.decode()


def _struct(die: DIE) -> DIE | None:
    """Follow typedefs and the like to a struct or union that is defined; None where there is none."""
    while die.tag in ("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type"):
        if "DW_AT_type" not in die.attributes:
            return None
        die = die.get_DIE_from_attribute("DW_AT_type")
    if die.tag not in ("DW_TAG_structure_type", "DW_TAG_union_type") or "DW_AT_declaration" in die.attributes:
        return None
    return die


def _member(struct: DIE, name: str) -> tuple[int, DIE] | None:
    """Return offset and DIE of a member, also of one in an anonymous struct or union."""
    for child in struct.iter_children():
        if child.tag != "DW_TAG_member":
            continue
        at = child.attributes.get("DW_AT_data_member_location")
        offset = 0 if at is None else int(at.value)
        if _name(child) == name:
            return offset, child
        if _name(child) is None:
            inner = _struct(child.get_DIE_from_attribute("DW_AT_type"))
            found = None if inner is None else _member(inner, name)
            if found is not None:
                return offset + found[0], found[1]
    return None
