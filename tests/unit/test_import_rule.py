"""Each room may import those above it, never those below; and the sampler process stays light."""

from __future__ import annotations

import ast
import gc
import importlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import nbspy
from nbspy.sampler_process import module_environment
from nbspy.sampling.quick_start import quick_start

PACKAGE = Path(nbspy.__file__).parent

ORDER = (
    ("errors", "host"),
    ("stack_trace", "wire", "plain_text", "options"),
    ("table",),
    ("target",),
    ("cpython",),
    ("sampling",),
    ("model",),
    ("exporters", "importers"),
    ("files", "recordings"),
    ("bounds", "byte_log", "sampler_process", "session", "launched", "observe", "source_texts", "doctor"),
    ("views",),
    ("cli_formats", "cli_completion", "usage_parser"),
    ("cli_record",),
    ("cli_top",),
    ("magics", "cli", "__main__"),
)
"""The rooms from top to bottom; those of one row are on one level."""
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
TOO_HEAVY_FOR_THE_SAMPLER = frozenset(
    {"rich", "IPython", "ipywidgets", "anywidget", "traitlets", "psutil", "elftools", "nbspy.model", "nbspy.options"}
    | {"typing_extensions", "dataclasses", "inspect", "dis", "tokenize"}
    | {"argparse", "gettext", "html", "json", "logging", "pathlib", "random", "shutil", "subprocess", "urllib"}
    | {"nbspy.stack_trace", "nbspy.target.permissions.proc"}
)
"""What may not be imported before the first sample: somebody waits for that."""


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Return the rooms of nbspy that a module imports, at its top or inside a function; types alone do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    rooms: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute, so that this test can read them"
            dotted = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        rooms |= {name.split(".")[1] for name in dotted if name.startswith("nbspy.")}
    return rooms - set(nbspy.__all__)  # the package's own names are no rooms


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_rooms_above_its_own(path: Path) -> None:
    room = room_of(path.relative_to(PACKAGE).parts)
    below = {other for other in imported_rooms(path) if other != room and (LEVEL[other] > LEVEL[room])}
    assert not below, f"{path.relative_to(PACKAGE)} imports {sorted(below)}, which lie below {room}"


def test_every_room_has_a_place_in_the_order() -> None:
    rooms = {room_of(path.relative_to(PACKAGE).parts) for path in modules()}
    assert rooms <= set(LEVEL)


def test_the_rule_sees_imports_of_every_form(tmp_path: Path) -> None:
    module = tmp_path / "x.py"
    module.write_text(
        "import nbspy.cli\ndef f():\n    from nbspy.views import page\n    from nbspy import model, attach\n"
    )
    assert imported_rooms(module) == {"cli", "views", "model"}


def test_the_sampler_process_imports_nothing_heavy() -> None:
    target = "import nbspy.target.linux" if sys.platform == "linux" else "pass"
    loaded = set(run(f"import nbspy.sampling.worker; {target}; import sys; print(*sys.modules)").split())
    assert "nbspy.sampling.worker" in loaded
    assert loaded.isdisjoint(TOO_HEAVY_FOR_THE_SAMPLER), sorted(loaded & TOO_HEAVY_FOR_THE_SAMPLER)


def test_what_the_sampler_process_hides_while_it_starts_is_there_again() -> None:
    code = """
        import gc
        import nbspy.sampling.worker
        assert gc.isenabled()
        import sys
        assert "typing_extensions" not in sys.modules
        import typing_extensions, msgspec
        from nbspy import wire
        class Given(typing_extensions.TypedDict):
            needed: int
            free: typing_extensions.NotRequired[typing_extensions.Annotated[int, msgspec.Meta(gt=0)]]
        assert msgspec.convert({"needed": 1}, Given) == {"needed": 1}
        try:
            msgspec.convert({"needed": 1, "free": 0}, Given)
        except msgspec.ValidationError:
            pass
        else:
            raise AssertionError("0 is not greater than 0")
        records = [wire.Strings(0, 7, ["a"]), wire.Threads(1, [wire.ThreadRow(1, 2, None, 3, "t", 0)])]
        for record in records:
            assert wire.decode(wire.encode(record)[4:]) == record
        print("done")
    """
    assert run(textwrap.dedent(code)) == "done"


def test_given_that_msgspec_is_loaded_when_starting_quickly_then_nothing_is_hidden() -> None:
    with quick_start():
        assert not gc.isenabled()
        assert importlib.import_module("typing_extensions") is sys.modules["typing_extensions"] is not None
    assert gc.isenabled()


def run(code: str) -> str:
    shown = subprocess.run(
        [sys.executable, "-P", "-c", code], env=module_environment(), capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    return shown.stdout.strip()
