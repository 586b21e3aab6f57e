"""``nbspy record -- command``: sampled from its beginning, its own status passed on, nothing lost by a signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import nbspy
from nbspy import recordings
from nbspy.sampler_process import module_environment

from .test_shell import COMMAND, Terminal, workers_of

SPIN = """
import os, sys, time
def spin(until):
    while not until():
        pass
print("begun", os.getpid(), os.environ.get("PYTHONPATH", ""), flush=True)
end = time.monotonic() + float(sys.argv[1])
spin(lambda: time.monotonic() > end)
sys.exit(int(sys.argv[2]))
"""
FOREVER = ("600", "0")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def command(tmp_path: Path, *words: str, options: tuple[str, ...] = ()) -> list[str]:
    script = tmp_path / "script.py"
    script.write_text(SPIN)
    return [*COMMAND, "record", "-r", "200", *options, "--", sys.executable, str(script), *words]


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = module_environment()
    return subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=90, check=False
    )


def begun(process: subprocess.Popen[str]) -> int:
    """Wait until the command says that it has begun; return its pid."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("begun"):
            return int(line.split()[1])
    raise AssertionError("it ended before it began")


def has_ended(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return text.rpartition(")")[2].split()[0] == "Z"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_given_a_command_when_recorded_then_it_is_sampled_and_its_status_is_passed_on(tmp_path: Path) -> None:
    answer = run(command(tmp_path, "1.0", "7"), tmp_path)
    assert answer.returncode == 7, answer.stderr
    word, pid, path = answer.stdout.split(" ")
    assert word == "begun"
    assert path.strip() == module_environment().get("PYTHONPATH", ""), "it has our environment"
    (line,) = answer.stderr.splitlines()
    (output,) = tmp_path.glob("nbspy-script-*.txt")
    assert re.fullmatch(
        rf"nbspy: the command ended with exit status 7; [\d,]+ samples in [\d.]+ s, written to {output.name}", line
    )
    assert ";spin (script.py:" in output.read_text()
    assert workers_of(int(pid)) == []


def test_given_a_command_that_ends_then_the_page_says_with_what_status(tmp_path: Path) -> None:
    answer = run(command(tmp_path, "0.8", "7", options=("-o", "x.html")), tmp_path)
    assert answer.returncode == 7, answer.stderr
    pid = answer.stdout.split(" ")[1]
    end = nbspy.load(tmp_path / "x.html").end
    assert end is not None
    assert end.exit_status == 7
    assert workers_of(int(pid)) == []


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["no-such-command"], 1, "no-such-command cannot be started: No such file or directory"),
        ([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], 137, ""),
        (["sh", "-c", "sleep 2.5; exit 4"], 4, "is not a Python process"),
    ],
    ids=["not-there", "killed", "no-python"],
)
def test_given_a_command_that_does_not_run_well_then_one_line_says_so(
    tmp_path: Path, words: list[str], status: int, said: str
) -> None:
    answer = run([*COMMAND, "record", "-o", str(tmp_path / "x.txt"), "--", *words], tmp_path)
    assert answer.returncode == status, answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert said in answer.stderr
    assert answer.stdout == ""


def test_given_a_shell_when_recorded_with_subprocesses_then_what_it_starts_is_sampled(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SPIN)
    line = f"'{sys.executable}' script.py 2 0; '{sys.executable}' script.py 2 0"
    arguments = [*COMMAND, "record", "-s", "-r", "100", "-o", "x.nbspy", "--", "sh", "-c", line]
    answer = run(arguments, tmp_path)
    assert answer.returncode == 0, answer.stderr
    pids = {int(words.split()[1]) for words in answer.stdout.splitlines()}
    profile = nbspy.load(tmp_path / "x.nbspy")
    assert {process.pid for process in profile.processes} == pids
    for pid in pids:
        assert "spin" in {row.name for row in profile.select(processes=pid).functions()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_given_a_signal_when_a_command_is_recorded_then_it_is_passed_on_and_the_file_is_written(
    tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "x.nbspy"
    arguments = command(tmp_path, *FOREVER, options=("-o", str(output)))
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=module_environment()
    ) as shell:
        pid = begun(shell)
        wait_until(lambda: bool(recordings.listing()) and recordings.listing()[0].size > 2000)
        shell.send_signal(number)
        _, complaint = shell.communicate(timeout=60)
    assert shell.returncode == 128 + number if number != signal.SIGINT else shell.returncode != 0
    assert "written to" in complaint
    assert has_ended(pid)
    assert "spin" in {row.name for row in nbspy.load(output).functions()}


def test_given_ctrl_c_at_the_terminal_then_the_command_has_it_once_and_all_is_written(tmp_path: Path) -> None:
    output = tmp_path / "x.txt"
    with Terminal(command(tmp_path, *FOREVER, options=("-o", str(output)))[len(COMMAND) :]) as shell:
        shell.read_until(r"begun \d+")
        wait_until(lambda: bool(recordings.listing()) and recordings.listing()[0].size > 2000)
        shell.type(b"\x03")
        shell.read_until("written to")
        assert shell.wait() == 128 + signal.SIGINT
    assert len(re.findall(r"^KeyboardInterrupt", shell.shown, re.MULTILINE)) == 1
    assert "spin" in output.read_text()


def test_given_the_death_of_who_records_then_the_command_runs_on_and_the_recording_is_whole(tmp_path: Path) -> None:
    arguments = command(tmp_path, *FOREVER)
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, text=True, env=module_environment(), cwd=tmp_path
    ) as shell:
        pid = begun(shell)
        try:
            wait_until(lambda: bool(recordings.listing()) and recordings.listing()[0].size > 2000)
            shell.kill()
            wait_until(lambda: recordings.listing()[0].state is recordings.State.WHOLE)
            assert not has_ended(pid)
        finally:
            os.kill(pid, signal.SIGKILL)
    assert "spin" in {row.name for row in nbspy.load(recordings.listing()[0].path).functions()}


def test_given_a_duration_that_is_over_then_the_file_is_written_and_the_command_runs_on(tmp_path: Path) -> None:
    output = tmp_path / "x.txt"
    arguments = command(tmp_path, "3", "5", options=("-d", "0.5", "-o", str(output)))
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=module_environment()
    ) as shell:
        assert shell.stderr is not None
        assert re.match(r"nbspy: the command runs on; [\d,]+ samples in 0\.5 s, written to", shell.stderr.readline())
        assert "spin" in output.read_text()
        assert shell.wait(60) == 5
