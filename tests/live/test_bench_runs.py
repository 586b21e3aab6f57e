"""The benchmark as a command: what was measured is kept, and nothing is left behind, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import itself, results
from bench.case import NotMeasured, Row
from bench.halting import haltable, traces
from bench.peers import Nbspy, Sampled
from bench.programs import die_with_parent, end_tree, target, tree
from bench.recording import record
from tests.live.interpreters import READY_TIMEOUT_S

pytestmark = pytest.mark.live
CASE = "cpu: 10 frames, 1 thread"


def rows_in(file: Path) -> list[Row]:
    return [row for row in results.read(file) if row.value is not None] if file.exists() else []


def runs(pid: int) -> bool:
    """True where ``pid`` is a process that has not ended; one that nobody has taken note of yet has."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_given_a_run_that_is_ended_part_way_then_rows_are_kept_and_no_process_is_left(
    end: signal.Signals, tmp_path: Path
) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "bench", CASE, "--repeat", "50", "--who", "nbspy", "--into", str(file)]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, preexec_fn=die_with_parent)
    try:
        deadline = time.monotonic() + READY_TIMEOUT_S
        # The second recording goes on: there are a target, a contestant and its sampler.
        while not rows_in(file) or len(started := tree(process.pid)[1:]) < 3:
            assert process.poll() is None, (tmp_path / "output").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(end)
        status = process.wait(READY_TIMEOUT_S)
        # Who is killed ends nothing itself: its children end by themselves, soon but not at once.
        while end is signal.SIGINT and (left := list(filter(runs, started))):
            assert time.monotonic() < deadline + READY_TIMEOUT_S, left
            time.sleep(0.05)
    finally:
        end_tree(process.pid)
        process.wait()

    assert status == (130 if end is signal.SIGINT else -end)
    assert rows_in(file)[0].figure == "CPU per sample: 10 frames, 1 thread"


def state(pid: int) -> str:
    """Return the letter that the system has for what ``pid`` does; "" where there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_given_a_run_that_is_killed_while_it_has_halted_a_sampler_then_no_process_is_left(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "harm: 1 kHz, alone", "--who", "nbspy", "--into", str(tmp_path / "into")]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, preexec_fn=die_with_parent)
    try:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while sum(state(pid) == "T" for pid in tree(process.pid)) < 2:
            assert process.poll() is None, (tmp_path / "output").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        started = tree(process.pid)[1:]
    finally:
        process.kill()
        process.wait()

    while left := list(filter(runs, started)):
        assert time.monotonic() < deadline + READY_TIMEOUT_S, left
        time.sleep(0.05)


def test_given_a_sampler_that_is_halted_in_a_stop_then_it_lets_the_thread_go_first(tmp_path: Path) -> None:
    def ran_ns(pid: int) -> int:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])

    one = Nbspy("nbspy", True)
    # A new stack at every sample, so that every sample stops it.
    with target("wander.py", tmp_path / "gaps", python=sys.executable) as program:
        with haltable(one.command(program.pid, 5000, 600, tmp_path), program.pid, processes=2) as sampler:
            begun = time.monotonic()
            for _ in range(30):
                sampler.halt()
                before = ran_ns(program.pid)
                deadline = time.monotonic() + READY_TIMEOUT_S
                while ran_ns(program.pid) - before < 10_000_000:
                    assert time.monotonic() < deadline, "the target does not run on"
                assert sampler.is_halted()
                assert not traces(tree(sampler.process.pid), program.pid)
                sampler.let_on()
                time.sleep(0.01)
            half_off_s = time.monotonic() - begun
        sampled = one.outcome("", tmp_path, 1, 600)

    assert sampled.stops
    assert sampled.samples < 5000 * (sampled.seconds - half_off_s / 4)


def test_given_a_command_that_ends_at_once_then_its_words_are_told() -> None:
    with target("depth.py", 10, 1, 1, python=sys.executable) as program:
        command = [sys.executable, "-c", "import sys; sys.exit('no permission')"]
        with pytest.raises(NotMeasured, match="no permission"), haltable(command, program.pid, processes=1):
            pytest.fail("it had ended")


@dataclass(frozen=True)
class Broken:
    """A contestant that does something else than to sample."""

    code: str
    name: str = "broken"
    blocking: bool = False
    newest: None = None
    says: tuple[str, str] = ("", "")
    child_samples: bool = False

    def version(self) -> str:
        return "0"

    def command(self, pid: int, rate: float, seconds: int, folder: Path) -> list[str]:
        return [sys.executable, "-c", self.code, str(pid)]

    def outcome(self, output: str, folder: Path, threads: int, seconds: int) -> Sampled:
        return Sampled(100, 1.0)

    def stacks(self, folder: Path) -> Iterator[tuple[list[tuple[str, int]], int]]:
        return iter(())


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import sys; sys.exit('no permission')", "it ended with 1: no permission"),
        ("import os, signal, sys; os.kill(int(sys.argv[1]), signal.SIGSTOP)", "it left the target stopped"),
        ("import time; time.sleep(600)", "did not end within"),
        ("pass", "too little of the recording"),
    ],
    ids=["fails", "leaves it stopped", "does not end", "does nothing"],
)
def test_given_a_contestant_that_goes_wrong_then_it_is_told_and_the_target_runs_on(
    code: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.recording.PATIENCE_S", 0.5)
    with target("depth.py", 10, 1, 1, python=sys.executable) as program:
        with pytest.raises(NotMeasured, match=why):
            record(Broken(code), program.pid, rate=100, seconds=1).window()
        assert runs(program.pid)
        assert tree(os.getpid())[1:].count(program.pid) == 1


def test_given_150_busy_threads_then_the_target_is_soon_ready() -> None:
    # Started while the others are busy already, each would wait for its turn at the GIL: it took two minutes.
    begun = time.monotonic()
    with target("depth.py", 10, 150, 150, python=sys.executable) as program:
        assert len(os.listdir(f"/proc/{program.pid}/task")) == 150
    assert time.monotonic() - begun < 30


def test_given_a_sampler_then_it_is_seen_awake_in_its_own_modules() -> None:
    watched = itself.watch(nonblocking=True, seconds=2)
    seen = itself.parts(watched.stacks)

    assert 1 < watched.cpu_us < watched.period_us
    assert seen[itself.SLEEPING]
    assert any(part.startswith("nbspy/cpython/") for part in seen)
