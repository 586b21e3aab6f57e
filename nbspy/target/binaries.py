"""Where a symbol or a section lies in an executable or shared library.

ELF files as linkers make them through :mod:`nbspy.target.elf_lookup`, all others through pyelftools, which is imported
only then; Mach-O and PE through modules of their own. Files are opened in the target's own root; what they contain is
untrusted, and every parse error is "not there".
"""

from __future__ import annotations

import os
import struct
from typing import Any, BinaryIO

from nbspy.target.binary_facts import BinaryFacts as BinaryFacts
from nbspy.target.binary_facts import Inspect
from nbspy.target.elf_lookup import NotOrdinary, OrdinaryElf

_PAGE = 4096
_MAX_SYMBOLS = 2_000_000
_SYMBOL64 = struct.Struct("<IBBHQQ")
_SYMBOL32 = struct.Struct("<IIIBBH")
_UNDEFINED = 0
_MAX_KNOWN = 512
_known: dict[object, BinaryFacts | None] = {}
"""What was found in files that were looked at, by what identifies them and what was asked."""


def inspect_binary(file: BinaryIO, sections: tuple[str, ...], symbols: tuple[str, ...]) -> BinaryFacts | None:
    """Return the addresses of those ``sections`` and ``symbols`` that the ELF, Mach-O or PE ``file`` has, else None."""
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    inspect: Inspect
    if start == b"\x7fELF":
        inspect = inspect_elf
    elif start == b"\xcf\xfa\xed\xfe":
        from nbspy.target.mach_o import inspect
    elif start.startswith(b"MZ"):
        from nbspy.target.pe import inspect
    else:
        return None
    return inspect(file, sections, symbols)


def prepare() -> None:
    """Import now what the first look at a file would import; that takes longer than the look."""
    import elftools.elf.elffile  # noqa: F401


def inspect_file(file: BinaryIO, sections: tuple[str, ...], symbols: tuple[str, ...]) -> BinaryFacts | None:
    """Return what :func:`inspect_binary` does, at once where this very file was asked about before.

    Processes of one tree run the same few files, and parsing one takes milliseconds.
    """
    try:
        status = os.fstat(file.fileno())
    except OSError:  # it has no descriptor
        return inspect_binary(file, sections, symbols)
    key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, sections, symbols)
    if key not in _known:
        if len(_known) >= _MAX_KNOWN:
            _known.clear()
        _known[key] = inspect_binary(file, sections, symbols)
    return _known[key]


def inspect_elf(file: BinaryIO, sections: tuple[str, ...], symbols: tuple[str, ...]) -> BinaryFacts | None:
    """Return the addresses of those ``sections`` and ``symbols`` that the ELF ``file`` has; None for no ELF.

    Symbols are looked up by hash in ``.dynsym``. ``.symtab`` has no hash: it is the last resort, where nothing else was
    found.
    """
    try:
        elf = OrdinaryElf(file)
        found_sections = {name: address for name in sections if (address := elf.section(name)) is not None}
        found_symbols = {name: value for name in symbols if (value := elf.symbol(name)) is not None}
        if elf.loads and (found_sections or found_symbols):
            return BinaryFacts(min(elf.loads) & -_PAGE, found_sections, found_symbols)
    except NotOrdinary:
        pass
    return _inspect_any_elf(file, sections, symbols)


def _inspect_any_elf(file: BinaryIO, sections: tuple[str, ...], symbols: tuple[str, ...]) -> BinaryFacts | None:
    from elftools.common.exceptions import ELFError, ELFParseError
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(file)
        loads = [segment["p_vaddr"] for segment in elf.iter_segments("PT_LOAD")]
        if not loads:
            return None
        found_sections = {}
        for name in sections:
            section = elf.get_section_by_name(name)
            if section is not None:
                found_sections[name] = int(section["sh_addr"])
        found_symbols = _hashed_symbols(elf, symbols)
        if not found_sections and not found_symbols:
            found_symbols = _listed_symbols(elf, symbols)
    except (ELFError, ELFParseError, ValueError, KeyError, AttributeError, UnicodeDecodeError, OverflowError):
        return None
    return BinaryFacts(min(loads) & -_PAGE, found_sections, found_symbols)


def _hashed_symbols(elf: Any, names: tuple[str, ...]) -> dict[str, int]:
    table = elf.get_section_by_name(".gnu.hash") or elf.get_section_by_name(".hash")
    if table is None:
        return {}
    found = {name: table.get_symbol(name) for name in names}
    return {name: int(symbol["st_value"]) for name, symbol in found.items() if _is_defined(symbol)}


def list_symbols(file: BinaryIO, names: tuple[str, ...]) -> dict[str, int]:
    """Return the addresses, as linked, of those ``names`` that the ``.symtab`` of an ELF file has: also static ones."""
    from elftools.common.exceptions import ELFError, ELFParseError
    from elftools.elf.elffile import ELFFile

    try:
        return _listed_symbols(ELFFile(file), names)
    except (ELFError, ELFParseError, ValueError, KeyError, AttributeError, UnicodeDecodeError, OverflowError):
        return {}


def _listed_symbols(elf: Any, names: tuple[str, ...]) -> dict[str, int]:
    """Search the table by the places of the names in its strings: parsing each symbol takes half a second."""
    table = elf.get_section_by_name(".symtab")
    if table is None or table.num_symbols() > _MAX_SYMBOLS:
        return {}
    strings = table.stringtable.data()
    wanted: dict[int, str] = {}
    for name in names:
        text = name.encode() + b"\0"
        position = strings.find(text)
        while position >= 0:
            # Not only where a name begins: linkers let one name be the end of another.
            wanted[position] = name
            position = strings.find(text, position + 1)
    # (name, info, other, section, value, size) or (name, value, size, info, other, section)
    entries, section, value = (_SYMBOL64, 3, 4) if elf.elfclass == 64 else (_SYMBOL32, 5, 1)
    data = table.data()
    found: dict[str, int] = {}
    for row in entries.iter_unpack(data[: len(data) // entries.size * entries.size]):
        if row[0] in wanted and row[section] != _UNDEFINED:
            found.setdefault(wanted[row[0]], row[value])
    return found


def _is_defined(symbol: Any) -> bool:
    return symbol is not None and symbol["st_shndx"] != "SHN_UNDEF"
