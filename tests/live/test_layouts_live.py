from __future__ import annotations

import enum
import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from nbspy.cpython import debug_offsets, layout_tables
from nbspy.cpython.layout import Layout
from nbspy.cpython.layout_tables import SUPPLEMENTS, TABLES
from tools import generate_layout_tables as generator

from .interpreters import TARGETS, Interpreter

PRINT_RUNTIME = """
import ctypes
address = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
print(ctypes.string_at(address, {size}).hex())
"""
PRINT_LIBRARY = """
import os, sysconfig
print(os.path.join(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")))
"""


@pytest.fixture
def layout(interpreter: Interpreter) -> Layout:
    """The layout nbspy would use for ``interpreter``."""
    if not has_ctypes(interpreter):
        pytest.skip(f"{interpreter.id} was built without ctypes (install libffi-dev and build it again)")
    row = TABLES.get(interpreter.version[:2])
    if row is not None:
        return row
    data = bytes.fromhex(interpreter.run(PRINT_RUNTIME.format(size=debug_offsets.MINIMUM_READ)))
    found, warning = debug_offsets.read_layout(data)
    assert warning is None
    return found


def has_ctypes(interpreter: Interpreter) -> bool:
    return subprocess.run([interpreter.path, "-c", "import ctypes"], capture_output=True, check=False).returncode == 0


def to_json(layout: Layout) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, msgspec.Struct):
            return msgspec.structs.asdict(value)
        return value.name if isinstance(value, enum.Enum) else sorted(value)

    return json.dumps(layout, default=plain)


def fields_of(layout: Layout) -> set[str]:
    """``part.field`` of everything the layout says."""
    return {
        f"{name}.{field}"
        for name, part in msgspec.structs.asdict(layout).items()
        if isinstance(part, msgspec.Struct)
        for field, offset in msgspec.structs.asdict(part).items()
        if offset is not None
    }


def test_layout_when_held_against_the_interpreter_itself_is_true_in_every_field(
    interpreter: Interpreter, layout: Layout
) -> None:
    script = "check_older_layout.py" if interpreter.version < (3, 11) else "check_layout.py"
    output = interpreter.run((TARGETS / script).read_text(), to_json(layout))

    results = json.loads(output)
    assert set(results) == fields_of(layout)
    wrong = {field: (expected, found) for field, (expected, found) in results.items() if expected != found}
    assert wrong == {}


def test_layout_when_the_build_has_debug_information_is_what_the_generator_makes(
    interpreter: Interpreter, layout: Layout
) -> None:
    library = Path(interpreter.run(PRINT_LIBRARY).strip() if "shared" in interpreter.id else interpreter.path)
    try:
        structs = generator.read_structs(library)
    except (OSError, generator.NoDebugInformation) as err:
        pytest.skip(f"{interpreter.id} has no debug information ({err}); build CPython with -g and do not strip it")
    version = interpreter.version[:2]

    if interpreter.free_threaded:
        pytest.skip(f"{interpreter.id}: the generator makes rows of builds with a GIL")
    assert sizes_aside(generator.layout_of(structs, version)) == sizes_aside(layout)
    if version in TABLES:
        row = f"    {version!r}: {generator.to_source(TABLES[version])},\n"
        assert sum(row in source.read_text() for source in TABLE_SOURCES) == 1
    else:
        assert generator.supplement_of(structs, version) == SUPPLEMENTS[version, False]


TABLE_SOURCES = list(Path(layout_tables.__file__).parent.glob("*layout_tables.py"))


def sizes_aside(layout: Layout) -> Layout:
    """``layout`` without the interpreter's size, which differs between patch releases and is only a bound."""
    return replace(layout, interpreter=replace(layout.interpreter, size=0))
