"""What a script's session keeps beside its samples: lines of source in what it saves, and how its target ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbspy
from nbspy import recordings
from nbspy.launched import launch
from nbspy.options import SamplingOptions
from nbspy.session import Session

pytestmark = pytest.mark.live

PROGRAM = """import signal
import sys


def churn():
    return sum(range(500))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    print("ready", flush=True)
    while True:
        churn()


main()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def child(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child of this process in a file of its own, which ends with status 3 when it is asked to."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def see_something(session: Session) -> None:
    while session.sample_count < 10:
        assert session.running
        session.wait(0.02)


def lines_of_main(path: Path) -> list[str]:
    lines = {Path(file).name: list(texts.values()) for file, texts in nbspy.load(path).sources.items()}
    return lines.get("program.py", [])


@pytest.mark.parametrize("wanted", [True, False], ids=["wanted", "unwanted"])
def test_given_a_script_that_saves_then_source_is_in_the_formats_that_hold_it_unless_it_is_unwanted(
    child: subprocess.Popen[bytes], tmp_path: Path, wanted: bool
) -> None:
    with nbspy.attach(child.pid, recording=False, source_lines=wanted) as session:
        see_something(session)
    child.kill()
    child.wait()
    profile = session.profile
    for name, part in (("x.html", profile), ("x.nbspy", profile), ("part.html", profile.select(states="active"))):
        part.save(tmp_path / name)
        assert ("        churn()" in lines_of_main(tmp_path / name)) == wanted, name
    profile.save(tmp_path / "x.txt", "collapsed")
    assert "sum(range" not in (tmp_path / "x.txt").read_text()
    assert not profile.sources, "they are read for what is written, not kept"


def test_given_a_file_that_changed_then_what_is_saved_says_so(child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    with nbspy.attach(child.pid, recording=False) as session:
        see_something(session)
    (tmp_path / "program.py").write_text("# another\n" * 30)
    session.profile.save(tmp_path / "x.html")
    assert any("program.py has changed" in notice.text for notice in nbspy.load(tmp_path / "x.html").notices)


@pytest.mark.parametrize(("signal", "status", "said"), [(15, 3, "exit status 3"), (9, -9, "by SIGKILL")])
def test_given_a_child_that_ends_then_its_session_knows_how(
    child: subprocess.Popen[bytes], tmp_path: Path, signal: int, status: int, said: str
) -> None:
    session = nbspy.attach(child.pid)
    see_something(session)
    child.send_signal(signal)
    profile = session.wait(30)
    assert not session.running
    assert child.wait() == status, "it is left for who waits for it"
    assert profile.end is not None
    assert (profile.end.reason, profile.end.exit_status) == ("target-ended", status)
    assert said in profile.summary()
    [recording] = recordings.listing()
    for kept in (profile.save(tmp_path / "x.html"), recording.path):
        end = nbspy.load(kept).end
        assert end is not None
        assert end.exit_status == status


def test_given_a_command_that_was_started_then_what_is_recorded_says_how_it_ended(tmp_path: Path) -> None:
    code = "import sys, time\nend = time.monotonic() + 0.7\nwhile time.monotonic() < end: pass\nsys.exit(5)"
    with launch([sys.executable, "-c", code], SamplingOptions(), quiet=True) as started:
        session = started.session
        assert session is not None
        session.wait(30)
        assert started.command.wait(30) == 5
        assert session.end is not None
        assert session.end.exit_status is None, "only its parent was told"
        session.add_exit_status(5)
        assert session.profile.end is not None
        assert session.profile.end.exit_status == 5


def test_given_a_process_of_somebody_else_then_only_its_end_is_known() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    grandchild = "import os\nprint(os.getpid(), flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code, grandchild], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        session = nbspy.attach(pid, recording=False)
        see_something(session)
        subprocess.run(["kill", str(pid)], check=True)
        profile = session.wait(30)
    assert profile.end is not None
    assert (profile.end.reason, profile.end.exit_status) == ("target-ended", None)
