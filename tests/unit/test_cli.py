"""The command line in this process, with a sampler that misbehaves on request. Real targets: tests/live."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from nbspy import cli, cli_record, doctor, observe, session
from nbspy.errors import PermissionRefused, ProcessNotFound
from nbspy.options import DumpOptions, LineMode
from nbspy.sampler_process import module_environment, running_samplers
from nbspy.stack_trace import Dump, from_json
from nbspy.target.permissions import Check, Diagnosis
from tests.unit.streams import Run, StreamWriter, status
from tests.unit.test_session import FAKE
from tests.unit.test_tables import Process
from tests.unit.traces import HOSTILE, trace

Use = Callable[[str], None]


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Make the command line attach with a fake sampler of a mode."""
    writer = StreamWriter().add([Run("main@app.py:3;work@lib.py:9", count=5)])
    counters = status(
        samples=5, thread_samples=5, time_ns=2 * 10**9, cpu_ns=7, stop_count=5, stop_p99_ns=9, attach_ns=3
    )
    writer.records.append(counters)
    (tmp_path / "stream").write_bytes(writer.stream())

    def choose(mode: str) -> None:
        command = [sys.executable, str(FAKE), mode, str(tmp_path / "stream")]
        monkeypatch.setattr(
            cli_record, "attach", lambda pid, **options: session.attach(pid, **options, _command=command)
        )

    return choose


@dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: list[str]


@pytest.fixture
def nbspy(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    def run(*arguments: object) -> Answer:
        code = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Answer(code, out, err.splitlines())

    return run


Nbspy = Callable[..., Answer]


def test_given_a_duration_when_recorded_then_file_and_figures_are_written(
    use: Use, nbspy: Nbspy, tmp_path: Path
) -> None:
    use("duration")
    output, stats = tmp_path / "out.txt", tmp_path / "stats.json"
    answer = nbspy("record", "-p", 1, "-r", 100, "-d", 2, "-f", "collapsed", "-o", output, "--stats", stats)
    assert (answer.status, answer.out) == (0, "")
    assert answer.err == [f"nbspy: 5 samples in 2.0 s, written to {output}"]
    assert output.read_text() == "main (app.py:3);work (lib.py:9) 5\n"
    assert json.loads(stats.read_text()) == {
        "wall_ns": 2 * 10**9,
        "samples": 5,
        "thread_samples": 5,
        "late": 0,
        "retried": 0,
        "discarded": 0,
        "attach_ns": 3,
        "cpu_ns": 7,
        "stop_ns": {"count": 5, "median": 0, "p99": 9, "total": 0},
    }


def test_given_no_output_name_then_one_is_made_and_told(
    use: Use, nbspy: Nbspy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("duration")
    monkeypatch.chdir(tmp_path)
    answer = nbspy("record", "-p", "0x1", "-t")
    (made,) = tmp_path.glob("nbspy-1-*.txt")
    assert answer.err == [f"nbspy: 5 samples in 2.0 s, written to {made.name}"]
    assert made.read_text().startswith("thread (1000): MainThread;main")


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("target-ends", "process 1 ended while it was sampled"),
        ("is-killed", "was killed by SIGKILL"),
        ("garbage-later", "no stream"),
    ],
)
def test_given_an_early_end_when_recorded_then_what_was_seen_is_written(
    use: Use, nbspy: Nbspy, tmp_path: Path, mode: str, words: str
) -> None:
    use(mode)
    answer = nbspy("record", "-p", 1, "-o", tmp_path / "out.txt")
    assert answer.status == 1
    assert len(answer.err) == 1
    assert words in answer.err[0]
    assert str(tmp_path / "out.txt") in answer.err[0]
    assert (tmp_path / "out.txt").read_text().endswith(" 5\n")


def test_given_ctrl_c_when_recording_then_it_ends_in_order(
    use: Use, nbspy: Nbspy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("until-stopped")

    def interrupt(self: session.Session, timeout: float | None = None) -> None:
        assert self.stream.wait_beyond((tmp_path / "stream").stat().st_size - 1, 30)
        raise KeyboardInterrupt

    monkeypatch.setattr(session.Session, "wait", interrupt)
    answer = nbspy("record", "-p", 1, "-o", tmp_path / "out.txt")
    assert answer.status == 0
    assert (tmp_path / "out.txt").read_text().endswith(" 5\n")
    assert running_samplers() == []


def test_given_a_refusal_then_it_is_one_line_with_what_to_do(use: Use, nbspy: Nbspy, tmp_path: Path) -> None:
    use("refuses")
    answer = nbspy("record", "-p", 1, "-o", tmp_path / "out.txt")
    assert answer.status == 1
    assert answer.err == ["nbspy: process 42 is no Python: look at another"]
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["record", "-p", "1", "-r", "0"], "--rate 0 is out of range"),
        (["record", "-p", "1", "-r", "x"], "-r/--rate"),
        (["record", "-p", "1", "-r", "nan"], "-r/--rate"),
        (["record", "-p", "1", "-d", "-3"], "--duration -3 is out of range"),
        (["record", "-p", "1", "-f", "jpeg"], "--format"),
        (["record", "-p", "1", "--sudo"], "--sudo"),
        (["record", "-p", "one"], "-p/--pid"),
        (["record"], "-p/--pid"),
        (["record", "-p", "1", "--", "python"], "-p/--pid and a command are given"),
        (["record", "--"], "there is no command after --"),
        (["dump", "-p", "1", "--", "python"], "dump takes no command"),
        (["top", "-p", "1", "--delay", "0"], "--delay 0 is out of range"),
        (["top"], "-p/--pid"),
        (["dump"], "-p/--pid"),
        (["dump", "--pidd", "3"], "--pidd"),
        (["dump", "-p", "-4"], "-p/--pid"),
        (["fly"], "fly"),
        ([], "COMMAND"),
    ],
    ids=str,
)
def test_given_wrong_usage_then_one_line_names_the_option(nbspy: Nbspy, arguments: list[str], named: str) -> None:
    answer = nbspy(*arguments)
    assert answer.status == 2
    assert answer.out == ""
    (line,) = answer.err
    assert line.startswith("nbspy: ")
    assert named in line


def test_given_an_output_that_cannot_be_written_then_nothing_is_started(
    nbspy: Nbspy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_record, "attach", lambda *_, **__: pytest.fail("it attached"))
    for output, words in ((tmp_path / "no" / "x", "there is no folder"), (tmp_path, "it is a folder")):
        for option in ("-o", "--stats"):
            answer = nbspy("record", "-p", 1, option, output)
            assert (answer.status, len(answer.err)) == (1, 1)
            assert words in answer.err[0]


def test_given_a_dump_then_it_is_text_or_json(nbspy: Nbspy, monkeypatch: pytest.MonkeyPatch) -> None:
    traces = [trace(), trace(HOSTILE)]
    monkeypatch.setattr(observe, "snapshot", lambda pid, options: Dump(tuple(traces), pid, "python main.py", "3.13.0"))
    text = nbspy("dump", "-p", 42)
    assert text.out.startswith("Process 42: python main.py\n")
    assert "    Worker.run (pkg/app.py:12)\n" in text.out
    assert "\x1b" not in text.out
    assert from_json(json.loads(nbspy("dump", "-p", 42, "--json").out)) == traces
    assert "(/src/pkg/app.py:12)" in nbspy("dump", "-p", 42, "--full-filenames").out


def test_given_options_of_a_dump_then_they_are_what_is_asked_for(nbspy: Nbspy, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[DumpOptions] = []

    def snapshots(pid: int, options: DumpOptions) -> list[Dump]:
        asked.append(options)
        return []

    monkeypatch.setattr(observe, "snapshots", snapshots)
    nbspy("dump", "-p", 42)
    nbspy("dump", "-p", 42, "-ll", "--gil", "--idle", "--function", "--source", "--subprocesses", "--nonblocking")
    nbspy("dump", "-p", 42, "--locals", "--nolineno")
    assert asked[0] == DumpOptions()
    assert asked[1] == DumpOptions(
        locals=2, gil=True, idle=True, function=True, source=True, subprocesses=True, nonblocking=True
    )
    assert [(one.max_chars, one.lines) for one in asked] == [
        (None, LineMode.CURRENT),
        (512, LineMode.FIRST),
        (128, LineMode.NONE),
    ]


@pytest.mark.parametrize(
    "error", [ProcessNotFound("there is no process 9", "list them"), PermissionRefused("no\x1b", "ask")]
)
def test_given_a_dump_that_is_refused_then_it_is_one_line(
    nbspy: Nbspy, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(pid: int, options: DumpOptions) -> Dump:
        raise error

    monkeypatch.setattr(observe, "snapshot", refuse)
    answer = nbspy("dump", "-p", 9, "--json")
    assert (answer.status, answer.out, len(answer.err)) == (1, "", 1)
    assert "\x1b" not in answer.err[0]


def test_given_ctrl_c_elsewhere_then_it_ends_quietly(nbspy: Nbspy, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> list[object]:
        raise KeyboardInterrupt

    monkeypatch.setattr(observe, "processes", interrupt)
    assert nbspy("processes") == Answer(130, "", [])


def test_given_processes_then_they_are_listed(nbspy: Nbspy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "processes", lambda: [Process()])
    assert "python <x>" in nbspy("processes").out


def test_the_module_is_the_same_program() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "nbspy", "--version"],
        env=module_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith("nbspy ")


def test_given_a_reader_that_left_then_there_is_no_traceback() -> None:
    code = (
        "import sys; from nbspy import cli, observe; observe.processes = lambda: []; sys.exit(cli.main(['processes']))"
    )
    reading, writing = os.pipe()
    os.close(reading)
    shown = subprocess.run(
        [sys.executable, "-c", code], env=module_environment(), stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (shown.returncode, shown.stderr) == (1, b"")


def test_given_a_session_then_its_progress_is_one_line(use: Use) -> None:
    use("duration")
    with cli_record.attach(1) as running:
        running.wait()
        assert cli_record.progress(running) == "process 1 · 2.0 s · 5 samples · 2/s · Ctrl-C ends"


def test_given_a_signal_before_the_first_look_when_recording_then_the_file_is_written(
    use: Use, nbspy: Nbspy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("until-stopped")
    monkeypatch.setattr(cli_record, "_collecting_source", lambda _: signal.raise_signal(signal.SIGTERM))
    answer = nbspy("record", "-p", 1, "-o", tmp_path / "x.nbspy")
    assert answer.status == 128 + signal.SIGTERM
    assert "written to" in answer.err[-1]
    assert (tmp_path / "x.nbspy").exists()
    assert running_samplers() == []


def test_given_a_diagnosis_then_its_text_and_status_tell(nbspy: Nbspy, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []

    def diagnose(pid: int | None) -> Diagnosis:
        asked.append(pid)
        cause = ("why\x1b", "what", "you") if pid else ("", "", "")
        return Diagnosis(7, "process 7", *cause, (Check("its user", "uid 0", True),))

    monkeypatch.setattr(doctor, "diagnose", diagnose)
    assert nbspy("doctor").status == 0
    answer = nbspy("doctor", "0x10")
    assert (answer.status, answer.err) == (1, [])
    assert "cause:        why\\x1b" in answer.out
    assert asked == [None, 16]
    assert nbspy("doctor", "one").status == 2
