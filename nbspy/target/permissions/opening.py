"""Trying to open a process, where that is how permission is asked for: on macOS and Windows."""

from __future__ import annotations

from collections.abc import Callable

from nbspy.errors import NbspyError, PermissionRefused, ProcessNotFound, TargetEnded
from nbspy.target.permissions.diagnosis import Cause, Check, Diagnosis, Who
from nbspy.target.process import StopOutcome, Target

GONE = "not there, or hidden"
_GO_ON = "go on with --nonblocking, which needs no stop"


def diagnose_by_opening(
    pid: int, opener: Callable[[int], Target], *, stop: bool, checks: tuple[Check, ...], who: Who
) -> Diagnosis:
    """Open process ``pid``, read a little of it, and stop a thread of it; say what was refused.

    ``checks``: what else was looked at. ``who`` must act where opening it is refused.
    """
    cause: Cause | None = None
    found = "permitted"
    stopped: str | None = None
    try:
        target = opener(pid)
        try:
            mappings = target.mappings()
            if mappings:
                target.memory.read(next((each.start for each in mappings if each.readable), mappings[0].start), 1)
            stopped = _stop(target) if stop else None
        finally:
            target.close()
    except (ProcessNotFound, TargetEnded) as err:
        cause, found = Cause(err.message, err.help, Who.YOU), GONE
    except (PermissionRefused, NbspyError) as err:
        cause, found = Cause(err.message, err.help, who), "refused"
    rows = (*checks, Check("reading memory", found, cause is None))
    if cause is not None:
        return Diagnosis(pid, f"process {pid} cannot be read", cause.cause, cause.cure, cause.who.value, rows)
    if stopped is None:
        return Diagnosis(pid, f"process {pid} can be read", "", "", "", rows)
    rows = (*rows, Check("stopping a thread", stopped or "permitted", not stopped))
    if stopped:
        verdict = f"process {pid} can be read, but not stopped"
        return Diagnosis(pid, verdict, stopped, _GO_ON, Who.YOU.value, rows)
    return Diagnosis(pid, f"process {pid} can be sampled", "", "", "", rows)


def _stop(target: Target) -> str:
    """Stop one thread for a moment; return why that could not be, or ""."""
    threads = target.thread_ids()
    if not threads:
        return "it has no threads"
    stopper = target.stopper()
    try:
        outcome = stopper.stop(threads[0])
        if outcome is StopOutcome.STOPPED:
            stopper.resume(threads[0])
        return stopper.refusal() if outcome is StopOutcome.REFUSED else ""
    finally:
        stopper.close()
