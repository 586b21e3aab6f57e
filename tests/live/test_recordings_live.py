"""What is left on disk when something dies: read back, whole or up to the last record."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbspy
from nbspy import recordings, sampler_process
from nbspy.errors import NotPython
from nbspy.options import SamplingOptions
from nbspy.recordings import State
from nbspy.sampler_process import module_environment
from nbspy.session import attach

from .interpreters import Interpreter, Target, start_target

KERNEL = """
import os, signal, sys, nbspy
pid = int(sys.argv[1]) or os.getpid()
session = nbspy.attach(pid, rate=200)
session.add_labels({"/src/cell.py": "In[7]"})
def wait_for_samples():
    while session.sample_count < 20:
        session.stream.wait_beyond(session.stream.size)
wait_for_samples()
os.write(1, b"%d\\n" % session._sampler.pid)
signal.pause()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "nbspy" / "recordings"


@pytest.fixture
def target(current_interpreter: Interpreter) -> Iterator[Target]:
    with start_target(current_interpreter.path, "shell_target.py") as started:
        yield started


def kill_kernel(pid: int) -> None:
    """Start a kernel that profiles ``pid`` (0: itself), kill it in the middle, and wait for its sampler's end."""
    command = [sys.executable, "-c", KERNEL, str(pid)]
    kernel = subprocess.Popen(command, stdout=subprocess.PIPE, env=module_environment(), start_new_session=True)
    assert kernel.stdout is not None
    try:
        sampler = os.pidfd_open(int(kernel.stdout.readline()))
        (recording,) = recordings.listing()
        assert recording.state is State.RUNNING
        kernel.kill()
        kernel.wait()
        assert select.select([sampler], [], [], 30)[0], "the sampler outlives the kernel"
        os.close(sampler)
    finally:
        kernel.kill()
        kernel.communicate()


def test_given_a_kernel_that_is_killed_then_its_recording_is_whole_and_loads(target: Target) -> None:
    kill_kernel(target.pid)
    (recording,) = recordings.listing()
    assert (recording.state, recording.pid) == (State.WHOLE, target.pid)
    assert "shell_target.py" in recording.command_line
    assert recording.duration_ns > 50_000_000
    profile = nbspy.load(recording.path)
    assert profile.sample_count >= 20
    assert profile.end is not None
    assert profile.end.reason == "stopped"
    assert {"spin", "work"} <= {row.name for row in profile.functions()}
    assert profile.labels == {"/src/cell.py": "In[7]"}
    assert target.process.poll() is None
    shown = subprocess.run(
        [sys.executable, "-m", "nbspy", "recordings"],
        env=module_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert recording.path.name in shown.stdout


def test_given_a_kernel_that_is_killed_while_it_profiles_itself_then_what_it_did_is_there() -> None:
    kill_kernel(0)
    (recording,) = recordings.listing()
    assert recording.state is State.WHOLE
    profile = nbspy.load(recording.path)
    assert profile.sample_count >= 20
    assert "wait_for_samples" in {row.name for row in profile.functions()}


def test_given_a_sampler_that_is_killed_then_all_up_to_the_last_record_loads(target: Target) -> None:
    with attach(target.pid, rate=200) as session:
        while session.sample_count < 20:
            assert session.stream.wait_beyond(session.stream.size, timeout=30)
        os.kill(session._sampler.pid, signal.SIGKILL)
        kept = session.wait(timeout=30)
    (recording,) = recordings.listing()
    assert (recording.state, recording.path) == (State.CUT, session.recording)
    assert nbspy.load(recording.path).thread_sample_count >= kept.thread_sample_count
    assert target.process.poll() is None


def test_given_a_session_that_ends_in_order_then_file_and_session_say_the_same(target: Target) -> None:
    with attach(target.pid, rate=200) as session:
        while session.sample_count < 20:
            assert session.stream.wait_beyond(session.stream.size, timeout=30)
    assert session.recording is not None
    assert session.recording.read_bytes() == session.stream.read()


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit (util-linux) limits the size of files")
def test_given_a_disk_that_is_full_then_sampling_goes_on_and_says_so(target: Target, place: Path) -> None:
    path = recordings.new_path(target.pid)
    sampler = sampler_process.sampler_command(target.pid, SamplingOptions(rate=200), 0, path)
    with attach(target.pid, rate=200, _command=["prlimit", "--fsize=1500", *sampler]) as session:
        while not session.profile.notices:
            assert session.stream.wait_beyond(session.stream.size, timeout=30)
        seen = session.sample_count
        while session.sample_count < seen + 20:
            assert session.stream.wait_beyond(session.stream.size, timeout=30)
    assert "Nothing more is recorded to disk: File too large" in session.profile.notices[0].text
    assert session.error is None
    (recording,) = recordings.listing()
    assert recording.size <= 1500
    assert recording.state is State.CUT
    assert 0 < nbspy.load(path).thread_sample_count < session.profile.thread_sample_count


def test_given_an_attach_that_is_refused_then_no_file_is_left(place: Path) -> None:
    other = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    with pytest.raises(NotPython):
        attach(other.pid)
    other.communicate()
    assert list(place.iterdir()) == []


def test_given_the_option_then_nothing_is_recorded(target: Target, tmp_path: Path, place: Path) -> None:
    arguments = ["record", "-p", str(target.pid), "-d", "0.2", "--no-recording", "-o", str(tmp_path / "x.txt")]
    subprocess.run(
        [sys.executable, "-m", "nbspy", *arguments], env=module_environment(), capture_output=True, check=True
    )
    assert not place.exists()
