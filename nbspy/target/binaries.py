"""Where a symbol or a section lies in an executable or shared library.

ELF through pyelftools, which is imported only when a process is attached to. Files are opened in the target's own
root; what they contain is untrusted, and every parse error is "not there".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

_PAGE = 4096
_MAX_SYMBOLS = 2_000_000


@dataclass(frozen=True, slots=True)
class BinaryFacts:
    """What was looked for in one file; addresses are as linked, before the load bias."""

    first_load_address: int
    """Page-aligned address of the first loaded segment: what the lowest mapping of the file corresponds to."""
    sections: dict[str, int]
    symbols: dict[str, int]


def inspect_elf(file: BinaryIO, sections: tuple[str, ...], symbols: tuple[str, ...]) -> BinaryFacts | None:
    """Return the addresses of those ``sections`` and ``symbols`` that the ELF ``file`` has; None for no ELF.

    Symbols are looked up by hash in ``.dynsym``. ``.symtab`` has no hash and takes up to half a second to search: it
    is the last resort, where nothing else was found.
    """
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


def _listed_symbols(elf: Any, names: tuple[str, ...]) -> dict[str, int]:
    table = elf.get_section_by_name(".symtab")
    if table is None or table.num_symbols() > _MAX_SYMBOLS:
        return {}
    wanted = set(names)
    return {
        symbol.name: int(symbol["st_value"])
        for symbol in table.iter_symbols()
        if symbol.name in wanted and _is_defined(symbol)
    }


def _is_defined(symbol: Any) -> bool:
    return symbol is not None and symbol["st_shndx"] != "SHN_UNDEF"
