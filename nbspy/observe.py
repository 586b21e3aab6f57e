"""Looking once: the stacks of a process now, and which Python processes there are."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from nbspy.errors import NbspyError, SamplerFailed, StreamError, error_from_kind
from nbspy.host import host
from nbspy.options import DumpOptions, check_pid
from nbspy.sampler_process import let_trace, module_command, module_environment
from nbspy.stack_trace import Dump, Frame, StackTrace, dump_from_json

if TYPE_CHECKING:
    from nbspy.target.process_tree import PythonProcess

OWN_TIMEOUT_S: Final = 30.0
"""How long the child that reads this process may take."""


def dump(pid: int, *, locals: int = 0, nonblocking: bool = False) -> list[StackTrace]:
    """Return the stack of each thread of process ``pid``, frames leaf first.

    ``locals``: with 1 also each frame's local variables, their reprs cut to 128 characters; 2, 3, ... allow four times
    as many each. ``nonblocking``: never stop the process; a stack that cannot be proven consistent is an error then.
    Raises :class:`~nbspy.errors.NbspyError` of the kind that fits where the process cannot be read. This process itself
    is read by a child.
    """
    return list(snapshot(pid, DumpOptions(locals=locals, nonblocking=nonblocking)).traces)


def snapshot(pid: int, options: DumpOptions) -> Dump:
    """Return what the options ask for of process ``pid``; raises what :func:`dump` does."""
    check_pid(pid)
    found = _snapshot_own(options) if pid == os.getpid() else _dump_process(pid, options)
    return replace(found, traces=tuple(trace for trace in found.traces if _is_wanted(trace, options)))


def snapshots(pid: int, options: DumpOptions) -> list[Dump]:
    """Return the snapshot of ``pid`` and, where ``options`` ask for them, those of the processes below it.

    What runs no Python, is gone by now or cannot be read is passed over below ``pid``; raises what :func:`dump` does
    for ``pid`` itself.
    """
    found = [snapshot(pid, options)]
    if options.subprocesses:
        from nbspy.target.process_tree import descendants

        for child in descendants(pid):
            if child != os.getpid():
                with contextlib.suppress(NbspyError):
                    found.append(snapshot(child, options))
    return found


def source_lines() -> Callable[[int, Frame], str]:
    """Return what gives the line of source a frame of a process stands at; "" where its file cannot be read."""
    from nbspy.errors import ProcessNotFound
    from nbspy.target import open_target
    from nbspy.target.source_lines import SourceLines

    known: dict[int, SourceLines | None] = {}

    def line(pid: int, frame: Frame) -> str:
        if pid not in known:
            try:
                target = open_target(pid)
            except ProcessNotFound:  # it has ended since it was looked at
                known[pid] = None
            else:
                known[pid] = SourceLines(target.resolve_path)
                target.close()
        lines = known[pid]
        return "" if lines is None else lines.line(frame.filename, frame.line)

    return line


def _is_wanted(trace: StackTrace, options: DumpOptions) -> bool:
    """With --gil those that hold it, with --idle also those that do nothing; without --gil all."""
    return not options.gil or trace.owns_gil or (options.idle and not trace.active)


def _dump_process(pid: int, options: DumpOptions) -> Dump:
    from nbspy.sampling.snapshot import dump_process

    return dump_process(pid, options)


def processes() -> list[PythonProcess]:
    """Return the Python processes of this machine, as far as we may see them."""
    from nbspy.target.process_tree import python_processes

    return python_processes()


def _snapshot_own(options: DumpOptions) -> Dump:
    command = module_command("nbspy.observe", str(os.getpid()), json.dumps(asdict(options)))
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=module_environment(),
            **host.start_apart(),
        )
    except OSError as err:
        raise SamplerFailed(f"a process to read this one cannot be started: {err}") from err
    with child:
        try:
            let_trace(child.pid)
            output, complaint = child.communicate(b"go\n", timeout=OWN_TIMEOUT_S)
        except BaseException as err:
            child.kill()
            if isinstance(err, subprocess.TimeoutExpired):
                raise SamplerFailed(f"this process could not be read within {OWN_TIMEOUT_S:g} s") from err
            raise
    return _parse_answer(output, complaint)


def _parse_answer(output: bytes, complaint: bytes) -> Dump:
    try:
        answer: Any = json.loads(output)
    except ValueError as err:
        raise SamplerFailed(
            "the process that reads this one failed", complaint[-2000:].decode(errors="replace")
        ) from err
    if isinstance(answer, dict) and isinstance(answer.get("error"), list) and len(answer["error"]) == 3:
        raise error_from_kind(*map(str, answer["error"]))
    try:
        return dump_from_json(answer)
    except StreamError as err:
        raise SamplerFailed("the process that reads this one failed", err.message) from err


def _answer_parent(arguments: list[str]) -> int:
    """The child's side: wait for the line that says that reading is permitted, then write the traces as JSON."""
    sys.stdin.buffer.readline()
    answer: object
    try:
        answer = asdict(_dump_process(int(arguments[0]), DumpOptions(**json.loads(arguments[1]))))
    except NbspyError as err:
        answer = {"error": [err.kind, err.message, err.help]}
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(_answer_parent(sys.argv[1:]))
