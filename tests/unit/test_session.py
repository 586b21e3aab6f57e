"""The session against a sampler that can be made to misbehave. The real sampler is tested under tests/live."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import nbspy
from nbspy import sampler_process, session, wire
from nbspy.errors import NotPython, SamplerFailed, TargetEnded, UsageError
from nbspy.model.builder import profile_from_stream
from nbspy.sampler_process import module_environment, running_samplers
from nbspy.sampling import start, worker
from nbspy.session import Session, attach
from tests.unit.streams import Run, StreamWriter

FAKE = Path(__file__).parents[1] / "targets" / "fake_sampler.py"
Attach = Callable[[str], Session]


@pytest.fixture
def stream(tmp_path: Path) -> bytes:
    data = StreamWriter().add([Run("main;work", count=5), Run("main;rest", start_us=50_000, count=3)]).stream()
    (tmp_path / "stream").write_bytes(data)
    return data


@pytest.fixture
def fake(tmp_path: Path, stream: bytes) -> Attach:
    return lambda mode: attach(1, _command=[sys.executable, str(FAKE), mode, str(tmp_path / "stream")])


def open_files() -> set[str]:
    return {f"{fd}->{os.readlink(f'/proc/self/fd/{fd}')}" for fd in os.listdir("/proc/self/fd") if _is_open(fd)}


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


def children() -> set[str]:
    tasks = Path("/proc/self/task").glob("*/children")
    return {pid for task in tasks for pid in task.read_text().split()}


def test_given_a_sampler_when_stopped_then_the_profile_is_whole(fake: Attach, stream: bytes) -> None:
    running = fake("until-stopped")
    assert running.running
    assert "running" in repr(running)
    assert running.stream.wait_beyond(len(stream) - 1, timeout=10)
    assert running.profile.thread_sample_count == 8
    profile = running.stop()
    assert (profile.thread_sample_count, profile.end and profile.end.reason) == (8, "stopped")
    assert not running.running
    assert running.error is None
    assert running.stop() is profile, "stopping again gives the same"
    assert profile_from_stream(running.stream.read()).functions() == profile.functions()


def test_given_several_sessions_when_ended_then_nothing_is_left(fake: Attach) -> None:
    fake("duration").wait()
    files, threads = open_files(), threading.active_count()
    for _ in range(3):
        fake("until-stopped").stop()
        fake("target-ends").wait()
        fake("dies").wait()
        with pytest.raises(NotPython):
            fake("refuses")
    assert open_files() == files
    assert threading.active_count() == threads
    assert children() == set()
    assert running_samplers() == []


def test_given_a_refusal_when_attaching_then_its_kind_and_help_are_raised(fake: Attach) -> None:
    with pytest.raises(NotPython) as caught:
        fake("refuses")
    assert (caught.value.message, caught.value.help) == ("process 42 is no Python", "look at another")


def test_given_death_before_the_hello_when_attaching_then_its_last_words_are_raised(fake: Attach) -> None:
    with pytest.raises(SamplerFailed, match=r"exit code 1.*Traceback: boom"):
        fake("dies-before-hello")


@pytest.mark.parametrize("mode", ["dies", "is-killed"])
def test_given_death_without_an_end_when_waiting_then_what_was_seen_is_kept(fake: Attach, mode: str) -> None:
    ended = fake(mode)
    profile = ended.wait()
    assert isinstance(ended.error, SamplerFailed)
    assert ("exit code 1" if mode == "dies" else "SIGKILL") in str(ended.error)
    assert profile.end is None
    assert profile.thread_sample_count == (0 if mode == "dies" else 8), "the record that was cut is not in it"
    profile_from_stream(ended.stream.read())


def test_given_no_stream_when_attaching_then_it_is_refused(fake: Attach) -> None:
    with pytest.raises(SamplerFailed, match="no stream"):
        fake("garbage")
    assert children() == set()


def test_given_garbage_later_when_waiting_then_what_was_seen_is_kept(fake: Attach, stream: bytes) -> None:
    ended = fake("garbage-later")
    assert ended.wait().thread_sample_count == 8
    assert isinstance(ended.error, SamplerFailed)
    assert ended.stream.read() == stream, "the log holds whole records only"


def test_given_no_beginning_when_attaching_then_it_is_given_up(fake: Attach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HELLO_TIMEOUT_S", 0.2)
    with pytest.raises(SamplerFailed, match="did not begin"):
        fake("never-begins")
    assert children() == set()


def test_given_a_deaf_sampler_when_stopped_then_it_is_killed_and_the_profile_kept(fake: Attach) -> None:
    running = fake("never-ends")
    assert running.stop(timeout=0.2).thread_sample_count == 8
    assert isinstance(running.error, SamplerFailed)
    assert "did not stop" in running.error.message
    assert children() == set()


def test_given_a_sampler_that_lingers_then_it_is_killed(fake: Attach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler_process, "LINGER_S", 0.2)
    running = fake("lingers")
    assert running.wait().thread_sample_count == 8
    assert children() == set()


def test_given_the_targets_end_when_waiting_then_the_error_says_so(fake: Attach) -> None:
    ended = fake("target-ends")
    assert ended.wait(timeout=30).thread_sample_count == 8
    assert isinstance(ended.error, TargetEnded)


def test_given_no_end_when_waiting_with_a_timeout_then_the_session_goes_on(fake: Attach) -> None:
    with fake("until-stopped") as running:
        running.wait(timeout=0.01)
        assert running.running
    assert not running.running


def test_given_an_interrupt_when_waiting_then_it_passes_and_the_session_goes_on(fake: Attach) -> None:
    with fake("until-stopped") as running:
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            running.wait()
        timer.join()
        assert running.running
        assert os.getsid(running._sampler.pid) != os.getsid(0), "the terminal's interrupt is not for the sampler"


def test_given_labels_when_added_then_profile_and_stream_have_them(fake: Attach) -> None:
    with fake("until-stopped") as running:
        running.add_labels({"/src/demo.py": "In[3]"})
    running.add_labels({"/src/late.py": "In[4]"})
    assert running.profile.labels == {"/src/demo.py": "In[3]", "/src/late.py": "In[4]"}
    assert profile_from_stream(running.stream.read()).labels == {"/src/demo.py": "In[3]"}
    assert {row.short_file for row in running.profile.functions()} == {"In[3]"}


def test_given_a_session_nobody_holds_then_its_sampler_stops(fake: Attach) -> None:
    running = fake("until-stopped")
    sampler = running._sampler
    del running
    gc.collect()
    assert sampler.wait(timeout=30)
    assert sampler.builder.end is not None
    assert sampler.builder.end.reason == "stopped"


HOLDER = """
import json, os, signal, sys
from nbspy.session import attach
session = attach(1, _command=json.loads(sys.argv[1]))
child = os.fork() if sys.argv[2] == "fork" else 0
if sys.argv[2] == "fork" and not child:
    assert not session.running and session.stop() is not None
    os.write(1, b"child %d\\n" % session._sampler.pid)
    signal.pause()
if not child:
    os.write(1, b"ready %d\\n" % session._sampler.pid)
if sys.argv[2] != "exit":
    signal.pause()
"""


@pytest.mark.parametrize("way", ["killed", "fork", "exit"])
def test_given_the_kernels_end_then_the_sampler_ends(tmp_path: Path, stream: bytes, way: str) -> None:
    command = json.dumps([sys.executable, str(FAKE), "until-stopped", str(tmp_path / "stream")])
    kernel = subprocess.Popen(
        [sys.executable, "-c", HOLDER, command, way],
        stdout=subprocess.PIPE,
        env=module_environment(),
        start_new_session=True,
    )
    assert kernel.stdout is not None
    try:
        word, pid = kernel.stdout.readline().split()
        assert word == (b"child" if way == "fork" else b"ready")
        sampler = os.pidfd_open(int(pid)) if Path(f"/proc/{int(pid)}").exists() else None
        if way != "exit":
            kernel.kill()
        kernel.wait()
        if sampler is not None:
            assert select.select([sampler], [], [], 30)[0], "the sampler outlives the kernel"
            os.close(sampler)
    finally:
        kernel.stdout.close()
        os.killpg(kernel.pid, signal.SIGKILL) if way == "fork" else None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"rate": 0}, "--rate"),
        ({"rate": 30_000}, "--rate"),
        ({"rate": float("nan")}, "--rate"),
        ({"rate": "fast"}, "--rate"),
        ({"duration": 0}, "--duration"),
        ({"duration": -1}, "--duration"),
        ({"duration": float("inf")}, "--duration"),
    ],
)
def test_given_a_bad_option_when_attaching_then_it_is_named(options: dict[str, float], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        nbspy.attach(1, **options)


@pytest.mark.parametrize("pid", [0, -1, 2**40, True, "1"])
def test_given_no_pid_when_attaching_then_it_is_refused(pid: int) -> None:
    with pytest.raises(UsageError, match="no pid"):
        nbspy.attach(pid)


def test_the_samplers_command_is_what_the_worker_takes() -> None:
    options = session.SamplingOptions(200, 2.5, True)
    command = sampler_process.sampler_command(42, options, 7)
    assert command == [
        *(sys.executable, "-P", "-S", start.__file__, "--pid", "42", "--rate", "200.0"),
        *("--duration", "2.5", "--nonblocking", "--requested-ns", "7"),
    ]
    assert worker.read_request(command[4:]) == worker.Request(
        pid=42, rate=200, duration=2.5, nonblocking=True, requested_ns=7
    )


@pytest.mark.parametrize("words", ["", "--pid 1", "--rate 2", "--pid 1 --rate x", "--pid 1 --rate 2 --launch 3", "1"])
def test_given_words_that_are_no_request_then_the_worker_says_so(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert worker.main(words.split()) == 2
    assert capsys.readouterr().err.startswith("nbspy.sampling.worker: ")


def test_given_modules_of_the_same_name_in_the_folder_then_the_child_does_not_import_them(tmp_path: Path) -> None:
    for name in ("nbspy", "msgspec", "signal"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    command = sampler_process.module_command("nbspy.sampling.worker")
    command[2:] = ["-c", "import nbspy, msgspec, signal; print(nbspy.__file__)"]
    shown = subprocess.run(command, cwd=tmp_path, env=module_environment(), capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == nbspy.__file__


def test_given_modules_of_the_same_name_in_the_folder_or_beside_ours_then_the_sampler_does_not_import_them(
    tmp_path: Path,
) -> None:
    beside = tmp_path / "site-packages"
    beside.mkdir()
    for folder, names in ((tmp_path, ("nbspy", "msgspec", "signal")), (beside, ("signal", "typing", "enum"))):
        for name in names:
            (folder / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    environment = sampler_process.sampler_environment()
    environment[start.FOLDERS] = os.pathsep.join([str(beside), environment[start.FOLDERS]])
    command = sampler_process.sampler_command(os.getpid(), session.SamplingOptions(100), 7)
    ended = subprocess.run(command, cwd=tmp_path, env=environment, input=b"", capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_given_that_nbspy_is_in_an_archive_then_the_sampler_is_run_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "__file__", "/there/is/an/archive.zip/nbspy/sampling/start.py")
    command = sampler_process.sampler_command(42, session.SamplingOptions(200), 7)
    assert command[1:4] == ["-P", "-m", "nbspy.sampling.worker"]


def test_given_a_log_when_read_in_parts_then_nothing_is_lost() -> None:
    log = session.ByteLog()
    assert not log.wait_beyond(0, timeout=0)
    log.append(wire.MAGIC)
    assert log.wait_beyond(7)
    assert (log.size, log.read(0, 3), log.read(3)) == (8, wire.MAGIC[:3], wire.MAGIC[3:])
    log.close()
    assert not log.wait_beyond(8)
    assert not log.append(b"more")
    assert log.closed
