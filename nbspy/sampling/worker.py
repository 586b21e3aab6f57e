"""The sampler process: what :mod:`nbspy.sampling.start` runs, and ``python -m nbspy.sampling.worker`` does too.

Its standard output is the stream, and nothing else. It begins when a line ``go`` comes on its standard input (the
parent may first have to permit it to read), and stops at any byte or the end of the input after that; so it also ends
when its parent is gone. Its exit status is 0 whenever it could write the stream's end record, which says what happened.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

from nbspy.sampling.quick_start import quick_start

if __name__ == "__main__":
    gc.disable()  # until _be_punctual() has put aside what is imported: to look through it all takes 4 ms

with quick_start():
    import msgspec

    from nbspy import wire
    from nbspy.errors import NbspyError
    from nbspy.host import host
    from nbspy.sampling.process_sampler import shown_command_line
    from nbspy.sampling.recording import RecordingFile
    from nbspy.sampling.sampler import Sampler, SamplerOptions
    from nbspy.sampling.stream_writer import StreamWriter
    from nbspy.sampling.tree import Opened, attached_alone, attached_tree

_DRAIN_S: Final = 5.0
"""How long the last records may take to be read before the process ends without them."""
_LOOK_NS: Final = 50_000_000
"""The standard input is looked at this often, and in longer waits: select() costs more than a sample does."""


class ParentInput:
    """The standard input as a switch: waiting for it is how the sampler sleeps."""

    def __init__(self, descriptor: int) -> None:
        self._switch = host.switch(descriptor)
        self._looked_ns = 0

    def wait_for_go(self) -> bool:
        """Wait for the line that begins; False where the parent is gone instead."""
        return self._switch.wait_for_line()

    def wait_until(self, deadline_ns: int) -> bool:
        """Sleep until ``deadline_ns`` of the monotonic clock; True when asked to stop."""
        while True:
            now = time.monotonic_ns()
            left = deadline_ns - now
            if deadline_ns - self._looked_ns < _LOOK_NS:
                if left > 0:
                    time.sleep(left / 1e9)
                return False
            self._looked_ns = now
            timeout = min(max(left, 0) / 1e9, 1.0)
            if self._switch.wait_for_more(timeout):
                return True
            if timeout < 1.0:
                return False


class Request(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What the sampler is asked to do; each field is an option of the command line (``--requested-ns 7``).

    Who asks is a program. argparse, for people, would take longer to import than all of this to be read.
    """

    pid: int = 0
    launch: int | None = None
    """Inherited descriptor of the plan of what to start; ``pid`` is 0 then."""
    rate: float
    """Samples a second."""
    duration: float | None = None
    """Seconds; None: until stopped."""
    nonblocking: bool = False
    subprocesses: bool = False
    """Sample what the process starts too."""
    requested_ns: int | None = None
    """Monotonic clock when the attach was asked for."""
    recording: str | None = None
    """File to write the stream to as well; there must be none yet."""
    recording_bytes: int = 0
    """How large that may become."""

    def __post_init__(self) -> None:
        if bool(self.pid) == (self.launch is not None):
            raise ValueError("one of --pid and --launch is needed")


_SWITCHES: Final = ("--nonblocking", "--subprocesses")
"""Options without a value."""


def read_request(words: Sequence[str]) -> Request:
    """Return what the command line asks for; raises ValueError where it is none of ours."""
    values: dict[str, str | bool] = {}
    rest = iter(words)
    for name in rest:
        if not name.startswith("--"):
            raise ValueError(f"{name!r} is no option")
        values[name[2:]] = True if name in _SWITCHES else next(rest, "")
    return msgspec.convert(values, Request, strict=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sampler process; returns its exit status."""
    try:
        options = read_request(sys.argv[1:] if argv is None else argv)
    except ValueError as err:
        print(f"nbspy.sampling.worker: {err}", file=sys.stderr)
        return 2
    requested_ns = time.monotonic_ns() if options.requested_ns is None else options.requested_ns
    output = _own_output()
    parent = ParentInput(sys.stdin.fileno())
    if not parent.wait_for_go():
        return 0
    _be_punctual()
    writer = StreamWriter(output)
    recording = RecordingFile(options.recording, options.recording_bytes) if options.recording else None
    try:
        with _opened(options) as opened:
            target, runtime, subprocesses = opened
            if recording is not None:
                writer.record_to(recording)
            sampler = Sampler(
                target,
                runtime,
                SamplerOptions(
                    interval_ns=max(1, round(1e9 / options.rate)),
                    duration_ns=None if options.duration is None else round(options.duration * 1e9),
                    requested_ns=requested_ns,
                ),
                writer,
                blocking=not options.nonblocking,
                command_line=shown_command_line(target),
                subprocesses=subprocesses,
            )
            sampler.run(parent.wait_until)
    except NbspyError as err:
        writer.put(wire.End(writer.next_sequence(), 0, "error", err.kind, err.message, err.help))
    _drain(writer)
    if recording is not None:
        recording.close()
    return 0


def _opened(options: Request) -> AbstractContextManager[Opened]:
    """Begin with what is asked for; a command is started, and must be before this process has a second thread."""
    launched = options.launch is not None
    pid = options.pid
    if options.launch is not None:
        from nbspy.sampling.launch import LaunchPlan, launch
        from nbspy.target.binaries import prepare

        prepare()
        pid = launch(LaunchPlan.from_file(options.launch))
    return (attached_tree if options.subprocesses else attached_alone)(pid, launched=launched)


def _own_output() -> int:
    """Take standard output for the stream, and let nothing else write to it."""
    output = os.dup(1)
    os.dup2(2, 1)
    # The parent ends this process through its input; what a terminal sends is for the parent.
    host.ignore_terminal()
    return output


def _be_punctual() -> None:
    """Sleep to the microsecond, and collect garbage seldom: there is next to none."""
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()
    host.sleep_exactly()


def _drain(writer: StreamWriter) -> None:
    """Wait, for a bounded time, until the last records are taken."""
    deadline = time.monotonic() + _DRAIN_S
    while not writer.flush() and time.monotonic() < deadline:
        writer.output.wait(0.1)
    writer.output.finish(max(0.0, deadline - time.monotonic()))


if __name__ == "__main__":
    sys.exit(main())
