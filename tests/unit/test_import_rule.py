"""Each room may import those above it, never those below; and the sampler process stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nbspy
from nbspy.sampler_process import module_environment

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
    ("bounds", "byte_log", "sampler_process", "session", "launched", "observe", "doctor"),
    ("views",),
    ("cli_formats", "cli_completion"),
    ("cli_record",),
    ("cli_top",),
    ("magics", "cli", "__main__"),
)
"""The rooms from top to bottom; those of one row are on one level."""
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
OUTSIDE_THE_PACKAGE_IMPORTS_NOTHING_HEAVY = ("rich", "IPython", "ipywidgets", "anywidget", "traitlets", "nbspy.model")


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
    code = "import nbspy.sampling.worker, sys; print(*sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-P", "-c", code], env=module_environment(), capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    loaded = set(shown.stdout.split())
    assert "nbspy.sampling.worker" in loaded
    assert loaded.isdisjoint(OUTSIDE_THE_PACKAGE_IMPORTS_NOTHING_HEAVY)
