"""Starting the command that is to be sampled; the sampler does it, not who asked for it.

Where Yama restricts tracing (``kernel.yama.ptrace_scope`` 1, the default of Ubuntu), a process may read those below it:
so the command, and all that it starts, must be below the sampler. Between the two stands a process that only waits.
The sampler traces threads of the command, and the end of a child of its own would get lost among what it hears of
those.

The command gets the terminal, the environment and the signals of who asked, not the sampler's; POSIX only.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import asdict, dataclass
from typing import Final, NoReturn

from nbspy.errors import NbspyError

_NOT_STARTED: Final = 127
_MAX_ANSWER: Final = 4096


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """What is to be started, and with what. Travels as JSON in a file that the sampler inherits."""

    command: list[str]
    environment: dict[str, str]
    stdio: tuple[int, int, int]
    """Descriptors, inherited too, that become its standard input, output and error."""
    report: int
    """Descriptor of a pipe to tell ``pid N``, then ``exit STATUS`` as of waitpid(2)."""

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_file(cls, descriptor: int) -> LaunchPlan:
        """Read the plan from the inherited file, and close that."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        with open(descriptor, "rb") as file:
            values = json.load(file)
        return cls(**{**values, "stdio": tuple(values["stdio"])})


def launch(plan: LaunchPlan) -> int:
    """Start the command and return its pid; raises :class:`NbspyError` where it cannot be started.

    This process must have one thread only.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
        # We share the terminal with the command. What ends us is the end of our standard input.
        signal.signal(number, signal.SIG_IGN)
    answer, told = os.pipe()
    if os.fork() == 0:
        _stand_between(plan, told)
    os.close(told)
    for descriptor in {*plan.stdio, plan.report}:
        os.close(descriptor)
    with open(answer, "rb") as pipe:
        text = pipe.read(_MAX_ANSWER).decode()
    if not text.isdigit():
        raise NbspyError(f"{plan.command[0]} cannot be started: {text or 'who was to start it has ended'}")
    return int(text)


def _stand_between(plan: LaunchPlan, told: int) -> NoReturn:
    """Start the command, tell who it is, wait for it, tell how it ended."""
    try:
        report = os.dup(plan.report)
        os.set_inheritable(report, False)
        failed, failure = os.pipe()  # closed by the exec that succeeds
        child = os.fork()
        if child == 0:
            _become(plan, failure)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):  # the sampler's pipes must end with the sampler, and the command's with it
            os.dup2(nowhere, descriptor)
        kept = {report, told, failed}
        os.close(failure)
        for name in os.listdir("/dev/fd"):
            if int(name) > 2 and int(name) not in kept:
                with contextlib.suppress(OSError):
                    os.close(int(name))
        problem = os.read(failed, _MAX_ANSWER)
        if not problem:
            os.write(report, b"pid %d\n" % child)
        os.write(told, problem or str(child).encode())
        os.close(told)
        _, status = os.waitpid(child, 0)
        if not problem:
            os.write(report, b"exit %d\n" % status)
    finally:
        os._exit(0)


def _become(plan: LaunchPlan, failure: int) -> NoReturn:
    """Become the command, as if who asked for it had started it."""
    try:
        # Above the three: none of them may be in the way of another.
        copies = [os.dup(descriptor) for descriptor in plan.stdio]
        for number, descriptor in enumerate(copies):
            os.dup2(descriptor, number)
        for name in os.listdir("/dev/fd"):
            if int(name) > 2:
                with contextlib.suppress(OSError):
                    os.set_inheritable(int(name), False)
        for signal_number in signal.valid_signals():
            with contextlib.suppress(OSError, ValueError):
                signal.signal(signal_number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execvpe(plan.command[0], plan.command, plan.environment)
    except OSError as err:
        os.write(failure, (err.strerror or str(err)).encode())
    finally:
        os._exit(_NOT_STARTED)
