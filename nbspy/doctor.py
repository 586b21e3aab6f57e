"""The doctor: may nbspy read this process, and if not, why, what helps, and who must do it.

A child process is asked, because a child process is what samples: it is where permissions are missing, and where a
seccomp filter may kill whoever makes the wrong call.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Final

from msgspec.structs import replace

from nbspy.errors import NbspyError, SamplerFailed, error_from_kind
from nbspy.host import host
from nbspy.options import check_pid
from nbspy.sampler_process import let_trace, module_command, module_environment
from nbspy.target import allow_any_tracer, permissions
from nbspy.target.permissions import Check
from nbspy.target.permissions import Diagnosis as Diagnosis

TIMEOUT_S: Final = 30.0


def allow() -> None:
    """Let this process be profiled by any process of the same user, until it ends.

    Linux with ``kernel.yama.ptrace_scope`` 1 (Ubuntu's default) lets only ancestors read a process, unless it says
    otherwise: a service that wants to be profiled calls this once, at its start and again in each worker it forks.
    Elsewhere nothing needs to be said, and nothing happens.
    """
    allow_any_tracer()


def diagnose(pid: int | None = None) -> Diagnosis:
    """Say whether process ``pid`` (default: this one) can be sampled from here; else the one cause and its cure.

    Its main thread is stopped once, for microseconds, as sampling does. Raises :class:`UsageError` for what is no pid,
    :class:`SamplerFailed` where no child can be started, and :class:`UnsupportedPlatform`.
    """
    own = pid is None or pid == os.getpid()
    target = os.getpid() if pid is None else check_pid(pid)
    try:
        child = subprocess.Popen(
            module_command("nbspy.doctor", str(target)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=module_environment(),
            **host.start_apart(),
        )
    except OSError as err:
        raise SamplerFailed(f"a process to look with cannot be started: {err}") from err
    with child:
        try:
            if own:
                let_trace(child.pid)
            output, complaint = child.communicate(b"go\n", timeout=TIMEOUT_S)
        except BaseException as err:
            child.kill()
            if isinstance(err, subprocess.TimeoutExpired):
                raise SamplerFailed(f"there was no diagnosis within {TIMEOUT_S:g} s") from err
            raise
    if host.was_filtered(child.returncode):
        return _killed(target)
    return _parse_answer(output, complaint)


def _killed(pid: int) -> Diagnosis:
    found = permissions.killed_by_filter()
    checks = (Check("seccomp", "a filter killed the process that looked", False),)
    return Diagnosis(pid, f"process {pid} cannot be read", found.cause, found.cure, found.who.value, checks)


def _parse_answer(output: bytes, complaint: bytes) -> Diagnosis:
    try:
        answer = json.loads(output)
        error = answer.get("error")
        if error is None:
            return permissions.from_json(answer)
    except (ValueError, TypeError, AttributeError) as err:
        raise SamplerFailed("the process that looks failed", complaint[-2000:].decode(errors="replace")) from err
    raise error_from_kind(*error)


def _answer_parent(pid: int) -> int:
    """The child's side: wait for the line that says that reading is permitted, then write the diagnosis as JSON."""
    sys.stdin.buffer.readline()
    answer: object
    try:
        answer = _with_its_python(permissions.diagnose(pid, stop=True)).to_json()
    except NbspyError as err:
        answer = {"error": [err.kind, err.message, err.help]}
    sys.stdout.write(json.dumps(answer))
    return 0


def _with_its_python(found: Diagnosis) -> Diagnosis:
    """Add which Python the process runs, where it may be read; that it runs none is the cause then."""
    from nbspy.sampling.attach import Starting, attach_now

    if not found.ok:
        return found
    try:
        target, runtime = attach_now(found.pid)
    except Starting:
        return replace(found, checks=(*found.checks, Check("Python", "it has only just begun", None)))
    except NbspyError as err:
        return replace(
            found,
            verdict=f"process {found.pid} may be read, but cannot be sampled",
            cause=err.message,
            cure=err.help,
            who=permissions.Who.YOU.value,
            checks=(*found.checks, Check("Python", "none that can be read", False)),
        )
    target.close()
    return replace(found, checks=(*found.checks, Check("Python", runtime.version_text, True)))


if __name__ == "__main__":
    sys.exit(_answer_parent(int(sys.argv[1])))
