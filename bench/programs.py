"""Starting targets, and leaving none of them, nor of the contestants, behind."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from bench.case import NotMeasured

TARGETS: Final = Path(__file__).parent / "targets"
_PR_SET_PDEATHSIG: Final = 1
_READY_S: Final = 60.0
_LOOKS: Final = 5
_LOOK_S: Final = 0.05
_libc: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """In a child about to exec: ask the kernel to kill it when this process dies, however that happens."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Program:
    """A running target."""

    pid: int
    info: dict[str, Any]
    """What it announced."""


@contextmanager
def target(script: str, *arguments: object, python: str) -> Iterator[Program]:
    """Run a program of ``bench/targets`` while the block runs; the block is entered when it has announced itself."""
    process = subprocess.Popen(
        [python, "-E", str(TARGETS / script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        preexec_fn=die_with_parent,
        process_group=0,  # a Ctrl-C in the terminal is for the benchmark, which ends what it started
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        if not select.select([process.stdout], [], [], _READY_S)[0]:
            raise NotMeasured(f"{script} did not announce itself")
        line = process.stdout.readline()
        if not line:
            raise NotMeasured(f"{script} ended with {process.wait()}")
        yield Program(process.pid, json.loads(line))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


def launch(command: Sequence[str], output: BinaryIO) -> subprocess.Popen[bytes]:
    """Start a contestant, which writes all that it says to ``output``."""
    return subprocess.Popen(
        command,
        stdout=output,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
        process_group=0,  # a Ctrl-C in the terminal is for the benchmark, which ends what it started
    )


def tree(pid: int) -> list[int]:
    """Return ``pid`` and its descendants, as far as they can be seen."""
    found = [pid]
    for process in found:
        with suppress(OSError):
            for thread in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{thread}/children") as file:
                    found += map(int, file.read().split())
    return found


def end_tree(pid: int) -> None:
    """Kill ``pid`` and its descendants, where they still run."""
    for process in tree(pid):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def is_stopped(pid: int) -> bool:
    """True where a thread of ``pid`` stands for good, by a signal or a tracer; it is then sent on."""
    for _ in range(_LOOKS):
        if not _stands(pid):
            return False
        time.sleep(_LOOK_S)  # the kernel lets go of what a dead tracer held, but not in no time
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    return True


def _stands(pid: int) -> bool:
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] in "Tt":
                    return True
    except (FileNotFoundError, ProcessLookupError):
        return False
    return False
