"""The readers: packages of npm and PyPI, and a browser for those that live in one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from nbspy import exporters
from nbspy.model.profile import Profile
from nbspy.options import ContentOptions
from nbspy.wire import State
from tests.notebook.conftest import browser as browser
from tests.notebook.conftest import page as page
from tests.unit.streams import INTERVAL_NS, Run, StreamWriter, hello

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules"
STEP = INTERVAL_NS // 1000
ACTIVE, GIL, IDLE, WAIT = int(State.ACTIVE), int(State.ACTIVE | State.GIL), 0, int(State.GIL_WAIT)


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder of npm's packages. Missing, it is a skip for a person and a failure in CI."""
    if shutil.which("node") is None or not PACKAGES.is_dir():
        how = "node 20 or newer, and in tests/readers: npm ci (make test does it)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"the readers from npm are missing: {how}")
        pytest.skip(how)
    return PACKAGES


@pytest.fixture(scope="session")
def profile() -> Profile:
    """100 samples a second. Main: 0.6 s work, 0.2 s idle, 0.4 s parse. Worker: at 0.5 s 0.3 s waiting, 0.2 s parse."""
    writer = StreamWriter(("MainThread", "worker <1>"))
    writer.records[0] = hello(started_unix_ns=1_700_000_000_000_000_000)
    writer.add(
        [
            Run("main@app.py:3;work@lib.py:9", start_us=0, count=60, state=GIL),
            Run("main@app.py:4;wait@lib.py:20", start_us=60 * STEP, count=20, state=IDLE),
            Run("main@app.py:5;parse@lib.py:30", start_us=80 * STEP, count=40, state=ACTIVE),
            Run("run@app.py:50;lock@lib.py:40", thread=1, start_us=50 * STEP, count=30, state=WAIT),
            Run("run@app.py:50;parse@lib.py:31", thread=1, start_us=80 * STEP, count=20, state=GIL),
        ]
    )
    return writer.profile()


class Files:
    """Writes the profile in any format."""

    def __init__(self, folder: Path, profile: Profile) -> None:
        self._folder, self._profile = folder, profile

    def __call__(self, name: str, **options: bool) -> Path:
        exporter = exporters.get(name)
        path = self._folder / f"profile{exporter.suffix}"
        with path.open("wb") as stream:
            exporter.write(self._profile, stream, ContentOptions(**options))
        return path


@pytest.fixture
def files(tmp_path: Path, profile: Profile) -> Files:
    return Files(tmp_path, profile)
