"""The command line as a process of its own, on real targets: what it writes, what it refuses, what it leaves."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

import nbspy
from nbspy.sampler_process import module_environment
from nbspy.sampling import start
from nbspy.stack_trace import from_json

from .interpreters import Interpreter, Target, start_target

COMMAND = [sys.executable, "-m", "nbspy"]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=module_environment(), timeout=60, check=False)


def one_line(answer: subprocess.CompletedProcess[str]) -> str:
    (line,) = answer.stderr.splitlines()
    assert line.startswith("nbspy: ")
    return line


def workers_of(pid: int) -> list[str]:
    """Return the command lines of samplers that read ``pid``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if start.__file__ in words and str(pid) in words:
            found.append(" ".join(words))
    return found


@pytest.fixture
def target(current_interpreter: Interpreter) -> Iterator[Target]:
    with start_target(current_interpreter.path, "shell_target.py") as started:
        yield started
        assert workers_of(started.pid) == []


def test_given_a_target_when_recorded_then_stacks_and_figures_are_written(target: Target, tmp_path: Path) -> None:
    output, stats = tmp_path / "out.txt", tmp_path / "stats.json"
    answer = run("record", "-p", target.pid, "-r", 200, "-d", 0.5, "-f", "collapsed", "-o", output, "--stats", stats)
    assert answer.returncode == 0, answer.stderr
    assert f"written to {output}" in one_line(answer)
    lines = output.read_text().splitlines()
    form = r"<module> \(shell_target\.py:\d+\);work \(shell_target\.py:\d+\);spin \(shell_target\.py:\d+\) \d+"
    assert sum(re.fullmatch(form, line) is not None for line in lines) >= 1
    assert not any("heard" in line for line in lines), "an idle thread is left out"
    figures = json.loads(stats.read_text())
    assert 50 <= figures["samples"] <= 101
    assert figures["wall_ns"] >= 450_000_000
    assert figures["cpu_ns"] > 0
    assert figures["stop_ns"]["count"] > 0


@pytest.mark.parametrize(
    ("name", "option", "has_source"),
    [("x.html", None, True), ("x.nbspy", None, True), ("y.html", "--no-source-lines", False)],
)
def test_given_a_page_or_a_recording_then_it_holds_the_source_unless_that_is_not_wanted(
    target: Target, tmp_path: Path, name: str, option: str | None, has_source: bool
) -> None:
    options = [option] if option else []
    answer = run("record", "-p", target.pid, "-r", 200, "-d", 0.5, *options, "-o", tmp_path / name)
    assert answer.returncode == 0, answer.stderr
    sources = nbspy.load(tmp_path / name).sources
    texts = [text for file, lines in sources.items() if file.endswith("shell_target.py") for text in lines.values()]
    assert any(text.startswith("def spin(") for text in texts) == has_source
    assert bool(sources) == has_source


def test_given_idle_threads_when_asked_for_then_they_are_in(target: Target, tmp_path: Path) -> None:
    assert run("record", "-p", target.pid, "-d", 0.3, "-i", "-t", "-F", "-o", tmp_path / "x").returncode == 0
    text = (tmp_path / "x").read_text()
    assert re.search(rf"^thread \({target.pid}\).*;spin \(shell_target\.py:11\) \d+$", text, re.MULTILINE)
    assert re.search(r"^thread \(\d+\).*;heard \(shell_target\.py:\d+\) \d+$", text, re.MULTILINE)


def test_given_a_target_when_dumped_then_text_and_json_agree(target: Target) -> None:
    text = run("dump", "-p", target.pid)
    assert text.returncode == 0, text.stderr
    assert text.stdout.startswith(f"Process {target.pid}: ")
    assert re.search(rf"^Thread {target.pid} \(active(\+gil)?\)", text.stdout, re.MULTILINE)
    traces = from_json(json.loads(run("dump", "-p", target.pid, "--json").stdout))
    (main,) = [trace for trace in traces if trace.os_thread_id == target.pid]
    assert [frame.name for frame in main.frames] == ["spin", "work", "<module>"]
    assert {trace.pid for trace in traces} == {target.pid}


def test_given_processes_then_the_target_is_among_them(target: Target) -> None:
    answer = run("processes")
    assert answer.returncode == 0
    assert re.search(rf"^ *{target.pid} .*shell_target\.py", answer.stdout, re.MULTILINE)


def test_given_the_targets_end_when_recorded_then_what_was_seen_is_kept(target: Target, tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    arguments = ["record", "-p", str(target.pid), "-o", str(output)]
    with Terminal(arguments) as shell:
        shell.read_until(r"[1-9][\d,]* samples")
        target.send("end")
        shell.read_until(r"ended while it was sampled")
        assert shell.wait() == 1
    assert "spin" in output.read_text()


def test_given_ctrl_c_when_recording_then_the_file_is_written_and_the_target_runs_on(
    target: Target, tmp_path: Path
) -> None:
    output = tmp_path / "out.txt"
    with Terminal(["record", "-p", str(target.pid), "-o", str(output)]) as shell:
        shell.read_until(r"[1-9][\d,]* samples")
        shell.type(b"\x03")
        shell.read_until(r"written to")
        assert shell.wait() == 0
    assert "spin" in output.read_text()
    assert target.process.poll() is None
    assert re.search(r"^State:\s+[RS]", Path(f"/proc/{target.pid}/status").read_text(), re.MULTILINE)


def test_given_the_shells_death_when_recording_then_its_sampler_ends(target: Target, tmp_path: Path) -> None:
    with Terminal(["record", "-p", str(target.pid), "-o", str(tmp_path / "x")]) as shell:
        shell.read_until(r"[1-9][\d,]* samples")
        children = Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split()
        sampler = os.pidfd_open(int(children[0]))
        os.kill(shell.pid, signal.SIGKILL)
        assert select.select([sampler], [], [], 10)[0], "the sampler outlives the shell"
        os.close(sampler)
    assert target.process.poll() is None


def test_given_no_such_process_then_it_is_refused_in_one_line(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for command in (["dump"], ["record", "-o", str(tmp_path / "x")]):
        answer = run(*command, "-p", gone.pid)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert "there is no process" in one_line(answer)
    assert list(tmp_path.iterdir()) == []


def test_given_another_program_then_it_is_refused_in_one_line(tmp_path: Path) -> None:
    other = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        for command in (["dump"], ["record", "-o", str(tmp_path / "x")]):
            answer = run(*command, "-p", other.pid)
            assert (answer.returncode, answer.stdout) == (1, "")
            assert "not a Python process" in one_line(answer)
        assert workers_of(other.pid) == []
    finally:
        other.kill()
        other.communicate()


REFUSED_USER = """
import os, sys
from nbspy import cli
assert cli.main(sys.argv[1:]) == 0  # as root, so that all is imported before the files can no longer be read
sys.stdout.flush()
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user, to be refused: run it as root")
def test_given_a_process_of_another_user_then_the_refusal_is_one_line_that_says_what_to_do(target: Target) -> None:
    command = [sys.executable, "-c", REFUSED_USER, "dump", "-p", str(target.pid)]
    answer = subprocess.run(command, capture_output=True, text=True, env=module_environment(), timeout=60, check=False)
    assert answer.returncode == 1, answer.stderr
    assert re.search(r"belongs to another user .*: .*run nbspy as that user", one_line(answer))


def test_given_this_very_process_when_dumped_and_profiled_then_it_is_read_from_outside() -> None:
    running = threading.Event()
    stop = threading.Event()

    def known_function() -> None:
        running.set()
        stop.wait()

    thread = threading.Thread(target=known_function)
    thread.start()
    running.wait()
    try:
        traces = nbspy.dump(os.getpid())
        with nbspy.profile(rate=200) as session:
            nested = nbspy.dump(os.getpid())  # takes the permission to read us: the session keeps its own
            session.wait(0.2)
        profile = session.profile
    finally:
        stop.set()
        thread.join()
    for seen in (traces, nested):
        assert any(frame.name.endswith("known_function") for trace in seen for frame in trace.frames)
    assert session.error is None
    assert profile.sample_count > 5
    assert any(row.name.endswith("known_function") for row in profile.functions())


class Terminal:
    """A command on a pseudo-terminal: what it shows is read as it comes."""

    def __init__(self, arguments: list[str], size: tuple[int, int] | None = None) -> None:
        """``size``: rows and columns, where they matter."""
        self.side, other = pty.openpty()
        environment = module_environment() | {"TERM": "xterm", "COLUMNS": "120"}
        if size is not None:
            fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            del environment["COLUMNS"]
        self._process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=other, stdout=other, stderr=other, env=environment, preexec_fn=_take_terminal
        )
        os.close(other)
        self.pid = self._process.pid
        self.shown = ""
        self.everything = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self.side)

    def read_until(self, pattern: str) -> None:
        while not re.search(pattern, self.shown):
            assert select.select([self.side], [], [], 30)[0], f"nothing more came after {self.shown!r}"
            try:
                text = os.read(self.side, 4096).decode(errors="replace")
            except OSError as err:  # the other side is closed
                raise AssertionError(f"it ended after {self.shown!r}") from err
            self.shown += text
            self.everything += text

    def type(self, keys: bytes) -> None:
        os.write(self.side, keys)

    def wait(self) -> int:
        return self._process.wait(30)


def _take_terminal() -> None:
    os.setsid()
    os.close(os.open(os.ttyname(0), os.O_RDWR))  # the first terminal a session opens is its own


def test_given_a_dash_as_output_then_the_profile_goes_to_standard_output() -> None:
    with start_target(sys.executable, "announce.py") as target:
        command = [sys.executable, "-m", "nbspy", "record", "-p", str(target.pid), "-d", "0.5", "--idle", "-o", "-"]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr
    assert all(line.rpartition(" ")[2].isdigit() for line in finished.stdout.splitlines())
    assert "<module>" in finished.stdout
    assert "standard output" in finished.stderr
