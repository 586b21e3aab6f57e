"""``nbspy top`` on a pseudo-terminal: what the screen shows, keys, a new size, the target's end, no terminal."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbspy.sampler_process import module_environment

from .interpreters import Interpreter, Target, start_target
from .test_shell import COMMAND, Terminal, workers_of

ALTERNATE_ON, ALTERNATE_OFF = "\x1b[?1049h", "\x1b[?1049l"


@pytest.fixture
def target(current_interpreter: Interpreter) -> Iterator[Target]:
    with start_target(current_interpreter.path, "shell_target.py") as started:
        yield started
        assert workers_of(started.pid) == []


class Top(Terminal):
    """``nbspy top`` of 100 columns and 24 rows; what it draws from now on is waited for."""

    def __init__(self, *arguments: str) -> None:
        super().__init__(["top", *arguments], size=(24, 100))

    def see(self, pattern: str) -> None:
        """Forget what was drawn before, and wait until something is that fits."""
        self.shown = self.shown[-200:] if self.shown.endswith(ALTERNATE_OFF) else ""
        self.read_until(pattern)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_given_a_target_when_shown_live_then_keys_work_and_its_end_keeps_the_picture(target: Target) -> None:
    with Top("-p", str(target.pid), "-r", "200") as top:
        top.read_until(r"%Own")
        top.see(r"\d\d\.\d%.*spin.*shell_target\.py")
        assert ALTERNATE_ON in top.everything
        assert re.search(r"GIL +\d+%   active +\d+%   threads 2   processes 1", top.everything)
        top.type(b"l")
        top.see(r"Line")
        top.type(b"?")
        top.see(r"order by total time since the beginning")
        top.type(b"x/spi")
        top.see(r"search: spi_")
        top.type(b"\r")
        top.see(r"search 'spi'")
        top.type(b"tnobody\r")
        top.see(r"nothing fits")
        top.type(b"\x1b")
        top.see(r"spin")
        top.type(b"p")
        top.see(r"PAUSED")
        top.type(b"p4r")
        top.resize(10, 50)
        top.see(r"spin")
        target.send("end")
        top.see(r"ENDED")
        top.see(r"spin")
        top.type(b"q")
        top.read_until(re.escape(ALTERNATE_OFF))
        assert top.wait() == 0


def test_given_ctrl_c_then_the_terminal_is_as_it_was(target: Target) -> None:
    with Top("-p", str(target.pid)) as top:
        before = termios.tcgetattr(top.side)
        top.read_until(r"spin")
        assert not termios.tcgetattr(top.side)[3] & termios.ICANON
        top.type(b"\x03")
        top.read_until(re.escape(ALTERNATE_OFF))
        assert top.wait() == 0
        assert termios.tcgetattr(top.side) == before
    assert target.process.poll() is None


def test_given_a_command_then_it_is_shown_from_its_beginning_and_ends_with_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os\nopen('pid', 'w').write(str(os.getpid()))\ndef spin():\n    while True: pass\nspin()\n"
    )
    monkeypatch.chdir(tmp_path)
    with Top("--", sys.executable, str(script)) as top:
        top.read_until(r"spin")
        top.type(b"q")
        assert top.wait() == 0
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIG_DFL)


def test_given_no_terminal_then_it_is_refused_in_one_line(target: Target) -> None:
    command = [*COMMAND, "top", "-p", str(target.pid)]
    answer = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=module_environment(),
        timeout=60,
        check=False,
    )
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == (
        "nbspy: nbspy top needs a terminal: nbspy record writes to a file, nbspy dump shows what is done now\n"
    )
