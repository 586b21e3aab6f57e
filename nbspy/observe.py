"""Looking once: the stacks of a process now, and which Python processes there are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from nbspy.errors import NbspyError, SamplerFailed, StreamError, error_from_kind
from nbspy.options import check_pid
from nbspy.sampler_process import let_trace, module_command, module_environment
from nbspy.stack_trace import StackTrace, from_json, to_json

if TYPE_CHECKING:
    from nbspy.target.process_tree import PythonProcess

OWN_TIMEOUT_S: Final = 30.0
"""How long the child that reads this process may take."""


def dump(pid: int, *, nonblocking: bool = False) -> list[StackTrace]:
    """Return the stack of each thread of process ``pid``, frames leaf first.

    ``nonblocking``: never stop the process; a stack that cannot be proven consistent is an error then. Raises
    :class:`~nbspy.errors.NbspyError` of the kind that fits where the process cannot be read. This process itself
    is read by a child.
    """
    check_pid(pid)
    if pid == os.getpid():
        return _dump_own(nonblocking)
    from nbspy.sampling.snapshot import dump_process

    return dump_process(pid, nonblocking=nonblocking)


def processes() -> list[PythonProcess]:
    """Return the Python processes of this machine, as far as we may see them."""
    from nbspy.target.process_tree import python_processes

    return python_processes()


def _dump_own(nonblocking: bool) -> list[StackTrace]:
    command = module_command("nbspy.observe", str(os.getpid()), *(["--nonblocking"] if nonblocking else []))
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=module_environment(),
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


def _parse_answer(output: bytes, complaint: bytes) -> list[StackTrace]:
    try:
        answer: Any = json.loads(output)
    except ValueError as err:
        raise SamplerFailed(
            "the process that reads this one failed", complaint[-2000:].decode(errors="replace")
        ) from err
    if isinstance(answer, dict) and isinstance(answer.get("error"), list) and len(answer["error"]) == 3:
        raise error_from_kind(*map(str, answer["error"]))
    try:
        return from_json(answer)
    except StreamError as err:
        raise SamplerFailed("the process that reads this one failed", err.message) from err


def _answer_parent(arguments: list[str]) -> int:
    """The child's side: wait for the line that says that reading is permitted, then write the traces as JSON."""
    from nbspy.sampling.snapshot import dump_process

    sys.stdin.buffer.readline()
    answer: object
    try:
        answer = to_json(dump_process(int(arguments[0]), nonblocking="--nonblocking" in arguments))
    except NbspyError as err:
        answer = {"error": [err.kind, err.message, err.help]}
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(_answer_parent(sys.argv[1:]))
