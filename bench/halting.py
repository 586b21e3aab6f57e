"""Letting a command sample only in some phases: its processes are halted by SIGSTOP, and let on by SIGCONT.

Only who does not make up for what was missed can be measured so; nbspy does not, below 10 kHz. Halted while it keeps
a thread of the target standing, it would keep it standing for all of the phase: so whoever traces a thread when it is
halted is let on at once, and halted again a moment later.

A halted process takes note of nothing, the end of this one included. A warden lets it on then: a child that waits for
the end of its input.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from bench.case import NotMeasured
from bench.phases import Order, Phase
from bench.programs import end_tree, is_stopped, launch, tree
from bench.recording import PATIENCE_S, check_end

_TRIES: Final = 200
_MOMENT_S: Final = 0.0005
"""Longer than a stop of one thread takes."""
_LOOKS: Final = 5000
_LOOK_S: Final = 0.0002
"""Between looks whether a process is halted; one in a system call takes as long as that does."""
ATTACH_S: Final = 1.0
"""What a command is given to attach to its target after its last process was started; nbspy takes 0.15."""
_LATE: Final = 1.5
"""A phase so many times as long as it should be is one in which the benchmark itself stood."""
_WARDEN: Final = 'cat >/dev/null; kill -CONT "$@" 2>/dev/null'
_SLICE_S: Final = 0.05


class Haltable:
    """A running command that can be halted; ``halt`` and ``let_on`` return when it is so."""

    def __init__(self, process: subprocess.Popen[bytes], target: int) -> None:
        self.process = process
        self._target = target
        self._pids = tree(process.pid)
        self._warden = subprocess.Popen(
            ["/bin/sh", "-c", _WARDEN, "sh", *map(str, self._pids)], stdin=subprocess.PIPE, process_group=0
        )

    def halt(self) -> None:
        """Halt all processes of the command, while none of them traces a thread of the target."""
        for _ in range(_TRIES):
            self._await_halt()
            if not traces(self._pids, self._target):
                return
            self._signal(signal.SIGCONT)
            time.sleep(_MOMENT_S)
        raise NotMeasured("it kept a thread of the target standing whenever it was to be halted")

    def let_on(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Let the command on for good."""
        self.let_on()
        assert self._warden.stdin is not None
        self._warden.stdin.close()
        self._warden.wait()

    def _signal(self, number: int) -> None:
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _await_halt(self) -> None:
        # Not a time: this process itself may be halted meanwhile, or somebody else let them on.
        for _ in range(_LOOKS):
            self._signal(signal.SIGSTOP)
            if self.is_halted():
                return
            time.sleep(_LOOK_S)
        raise NotMeasured("it could not be halted")

    def is_halted(self) -> bool:
        return all(map(_is_halted, self._pids))


def traces(pids: Sequence[int], target: int) -> bool:
    """True where one of ``pids`` traces a thread of ``target``, which may stand by now, or is about to."""
    own = {b"%d" % pid for pid in pids}
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{target}/task"):
            with (
                suppress(FileNotFoundError, ProcessLookupError),
                open(f"/proc/{target}/task/{thread}/status", "rb") as file,
            ):
                if file.read().partition(b"\nTracerPid:\t")[2].split(maxsplit=1)[0] in own:
                    return True
    return False


def _is_halted(pid: int) -> bool:
    """True where no thread of ``pid`` does anything any more."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/task/{thread}/stat", "rb") as file:
                if file.read().rpartition(b")")[2].split()[0] not in (b"T", b"Z", b"X"):
                    return False
    return True


@contextmanager
def haltable(command: Sequence[str], target: int, processes: int, attach_s: float = ATTACH_S) -> Iterator[Haltable]:
    """Run ``command``, which samples ``target`` with so many ``processes``; at the block's end it is asked to end.

    The block is entered when it had ``attach_s`` to attach.

    Raises NotMeasured where it fails, or leaves the target standing.
    """
    found: Haltable | None = None
    with tempfile.TemporaryFile() as output:
        process = launch(command, output)
        try:
            _await_start(process, processes, attach_s)
            if process.poll() is None:
                found = Haltable(process, target)
                try:
                    yield found
                finally:
                    found.close()
                process.send_signal(signal.SIGINT)
                process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired as err:
            raise NotMeasured(f"it did not end within {PATIENCE_S:g} s") from err
        finally:
            if process.poll() is None:
                end_tree(process.pid)
                process.wait()
            left_stopped = is_stopped(target)
            output.seek(0)
            text = output.read().decode("utf-8", "replace")
    if left_stopped:
        raise NotMeasured("it left the target stopped")
    check_end(process.returncode, text)
    if found is None:
        raise NotMeasured("it ended at once")


def alternate(one: Haltable, orders: Iterable[Order], phase_s: float) -> list[Phase]:
    """Let the command sample in the phases that are on in ``orders``, and in none of the others; it is left on."""
    phases: list[Phase] = []
    is_on = True
    for on in itertools.chain.from_iterable(orders):
        if on is not is_on:
            (one.let_on if on else one.halt)()
            is_on = on
        begin_ns = time.monotonic_ns()
        time.sleep(phase_s)
        end_ns = time.monotonic_ns()
        sound = (on or one.is_halted()) and end_ns - begin_ns < phase_s * _LATE * 1e9
        phases.append(Phase(begin_ns, end_ns, on, sound))
    one.let_on()
    return phases


def _await_start(process: subprocess.Popen[bytes], processes: int, attach_s: float) -> None:
    """Wait until it has all of its processes, and then for the time to attach; or for its end, which is told later."""
    deadline = time.monotonic() + PATIENCE_S
    attached = float("inf")
    while (now := time.monotonic()) < min(deadline, attached) and process.poll() is None:
        if attached > deadline and len(tree(process.pid)) >= processes:
            attached = now + attach_s
        time.sleep(_SLICE_S)
