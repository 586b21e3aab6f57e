"""What a process on Linux is asked through files that stay open."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from nbspy.target.process import Activity

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc")


def test_files_of_threads_stay_open_until_they_are_forgotten() -> None:
    from nbspy.target.linux import LinuxTarget

    event = threading.Event()
    waiting = threading.Thread(target=event.wait)
    waiting.start()
    target = LinuxTarget(os.getpid())
    try:
        thread = waiting.native_id
        assert thread is not None
        before = _open_files()
        for _ in range(3):
            target.activity(thread)
        assert _open_files() == before + 1
        event.set()
        waiting.join()
        while os.path.exists(f"/proc/self/task/{thread}"):
            pass
        assert target.activity(thread) == (Activity.GONE, 0)
        target.forget_threads({thread})
        assert _open_files() == before
    finally:
        event.set()
        target.close()


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
