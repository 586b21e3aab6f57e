"""Processes in a container: namespaces of their own for pids, mounts, host name and IPC, and another root folder.

What Docker makes of these is the same to a reader; its seccomp filter and its capabilities are in ``test_doctor.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

import nbspy
from nbspy.sampler_process import module_environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containers are Linux's")

UNSHARE = ("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--propagation", "private")
PROGRAM = """
import json, os, sys, threading
def spin():
    while True: pass
def wait():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=wait, name="waiter", daemon=True).start()
print(json.dumps({"pid": os.getpid(), "thread": threading.get_native_id()}), flush=True)
spin()
"""
ENTER = """set -e
mount --rbind / "$0"
mount -t tmpfs none "$0/mnt"
cp "$1" "$0/mnt/service.py"
mount -t proc proc "$0/proc"
exec chroot "$0" "$2" /mnt/service.py
"""


@dataclass
class Container:
    """A Python process that only its container knows by the path of its program, and by its pid."""

    pid: int
    """As it is known out here."""
    pid_inside: int
    thread_inside: int


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "service.py").write_text(PROGRAM)
    command = [*UNSHARE, "sh", "-c", ENTER, str(root), str(tmp_path / "service.py"), os.path.realpath(sys.executable)]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine makes no such namespaces: it takes unshare (util-linux), and root")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as outer:
        try:
            assert outer.stdout is not None
            said = json.loads(outer.stdout.readline())
            [inner] = psutil.Process(outer.pid).children(recursive=True)
            yield Container(inner.pid, said["pid"], said["thread"])
        finally:
            outer.kill()


def test_it_is_dumped_from_outside_with_its_own_files_and_our_thread_ids(container: Container) -> None:
    assert container.pid_inside == 1 != container.pid
    traces = nbspy.dump(container.pid)
    by_name = {trace.thread_name: trace for trace in traces}
    assert [frame.name for frame in by_name["MainThread"].frames] == ["spin", "<module>"]
    assert by_name["MainThread"].frames[0].filename == "/mnt/service.py"
    assert by_name["MainThread"].os_thread_id == container.thread_inside
    assert by_name["MainThread"].owns_gil
    assert by_name["waiter"].frames[-1].name.endswith("_bootstrap")
    assert not Path("/mnt/service.py").exists()


def test_it_is_sampled_from_outside(container: Container) -> None:
    with nbspy.attach(container.pid, rate=200) as session:
        while session.sample_count < 20:
            assert session.running, session.error
            session.stream.wait_beyond(session.stream.size, timeout=10)
        profile = session.stop()
    assert session.error is None
    assert "spin" in {row.name for row in profile.functions()}
    assert "TracerPid:\t0\n" in Path(f"/proc/{container.pid}/status").read_text()


def test_inside_one_samples_the_other_and_itself() -> None:
    code = (
        "import os, subprocess, sys, nbspy\n"
        "from subprocess import PIPE\n"
        f"other = subprocess.Popen([sys.executable, '-c', {PROGRAM!r}], stdin=PIPE, stdout=PIPE)\n"
        "other.stdout.readline()\n"
        "assert os.getpid() == 1 and os.readlink('/proc/self') == '1'\n"
        "assert nbspy.diagnose(other.pid).ok\n"
        "with nbspy.attach(other.pid, rate=200, duration=0.5) as session: profile = session.wait()\n"
        "assert 'spin' in {row.name for row in profile.functions()}, profile.summary()\n"
        "with nbspy.profile(rate=200) as session:\n"
        "    while session.sample_count < 3: sum(range(10**5))\n"
        "assert session.error is None, session.error\n"
        "other.kill(); other.wait(); print('all is well')\n"
    )
    if (
        shutil.which("unshare") is None
        or subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine makes no such namespaces: it takes unshare (util-linux), and root")
    command = [*UNSHARE, "--mount-proc", sys.executable, "-P", "-c", code]
    ran = subprocess.run(
        command,
        env=module_environment(),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert (ran.returncode, ran.stdout) == (0, "all is well\n"), ran.stderr
