"""2.7 and 3.6 as distributions ship them: without the table that names static variables."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from nbspy.observe import dump
from nbspy.sampling.attach import attached

from .interpreters import Interpreter, start_target

pytestmark = pytest.mark.newest(3, 6)


@pytest.fixture
def stripped_library(interpreter: Interpreter, tmp_path: Path) -> Path:
    """A copy of the interpreter's libpython without ``.symtab``."""
    if "shared" not in interpreter.id:
        pytest.skip(f"{interpreter.id} has no libpython (build it with --enable-shared)")
    strip = shutil.which("strip")
    if strip is None:
        pytest.skip("there is no strip (install binutils)")
    major, minor, _ = interpreter.version
    [library] = Path(interpreter.path).parents[1].glob(f"lib/libpython{major}.{minor}*.so.1.0")
    copy = tmp_path / library.name
    shutil.copy(library, copy)
    copy.chmod(0o755)
    subprocess.run([strip, "--strip-all", copy], check=True)
    return copy


def test_stripped_build_is_read_and_nothing_is_said_that_is_not_known(
    interpreter: Interpreter, stripped_library: Path
) -> None:
    environment = {"LD_PRELOAD": str(stripped_library)}
    with start_target(interpreter.path, "stacks.py", "busy", "spin", "sleep", env=environment) as target:
        assert str(stripped_library) in Path(f"/proc/{target.pid}/maps").read_text()
        with attached(target.pid) as (_, runtime):
            assert runtime.statics is not None
            assert (runtime.statics.locks, runtime.statics.lock_pointer) == ((), None)
        traces = {trace.thread_name: trace for trace in dump(target.pid)}

    assert set(traces) == {"MainThread", "spin", "sleep"}
    assert traces["spin"].status == "active+gil"
    assert [frame.name for frame in traces["sleep"].frames][:2] == ["park", "down"]
