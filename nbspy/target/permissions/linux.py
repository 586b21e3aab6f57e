"""Which of Linux's many reasons refused a process: told apart by evidence, one cause, one cure.

Mirrors the order of ``__ptrace_may_access`` (kernel/ptrace.c): user and group, then whether the process is dumpable,
then the security modules (capabilities, Yama, AppArmor or SELinux). What comes before it (is there such a process, does
a seccomp filter let the call through) is asked first.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Final

from nbspy.plain_text import printable
from nbspy.target.permissions.attempts import Attempts, attempt
from nbspy.target.permissions.diagnosis import Cause, Check, Diagnosis, Who
from nbspy.target.permissions.evidence import Evidence as Evidence
from nbspy.target.permissions.evidence import gather as gather
from nbspy.target.permissions.proc import Container, capability_names

INITIAL_USER_NAMESPACE: Final = "user:[4026531837]"
"""``PROC_USER_INIT_INO`` in include/linux/proc_ns.h."""
_SHOWN: Final = 80
_SCOPES: Final = {
    0: "0: any process of the same user",
    1: "1: descendants, and those that permit it",
    2: "2: only with CAP_SYS_PTRACE",
    3: "3: none at all",
}


def diagnose(pid: int, *, stop: bool) -> Diagnosis:
    """Look at process ``pid`` from this very process; ``stop``: also whether its threads may be stopped."""
    return conclude(gather(pid, attempt(pid, stop=stop)))


# --- the one cause -------------------------------------------------------------------------------


def _no_such_process(e: Evidence) -> Cause | None:
    if not e.machine.proc_shows_us:
        return Cause(
            f"/proc here shows the processes of another pid namespace, where {e.pid} is not what it is here",
            "mount a /proc of its own for this namespace (unshare --mount-proc; containers do it by themselves)",
            Who.AUTHOR if e.machine.container is not Container.NONE else Who.YOU,
        )
    if e.target.state and e.target.thread_group not in (0, e.pid):
        return Cause(
            f"{e.pid} is a thread of process {e.target.thread_group}",
            f"pass the process: {e.target.thread_group}",
            Who.YOU,
        )
    if e.target.state:
        return None
    if e.attempts.signal == errno.ESRCH and e.machine.own_pid_namespace:
        return Cause(
            f"there is no process {e.pid} in this container, which sees only its own processes",
            "run nbspy where the process runs (docker exec, kubectl exec), with the pid that it has there",
            Who.YOU,
        )
    if e.attempts.signal == errno.ESRCH:
        return Cause(
            f"there is no process {e.pid}",
            "'nbspy processes' or %python_processes lists the Python processes",
            Who.YOU,
        )
    return Cause(
        f"process {e.pid} is another user's, and /proc hides it (mounted with hidepid)",
        "run nbspy as its user",
        Who.YOU,
    )


def _ended(e: Evidence) -> Cause | None:
    if e.target.state not in ("Z", "X"):
        return None
    return Cause(f"process {e.pid} has ended, and waits for its parent to notice", "there is nothing to read", Who.YOU)


def _seccomp(e: Evidence) -> Cause | None:
    if e.attempts.own_memory not in (errno.EPERM, errno.EACCES):
        return None
    return filtered(e.machine.container, "process_vm_readv")


def filtered(container: Container, call: str) -> Cause:
    """Return the cause that a seccomp filter is, and what has to be added where it comes from."""
    if container is Container.NONE:
        return Cause(
            f"a seccomp filter of this process forbids the call {call}",
            f"whoever set the filter up permits it (systemd: SystemCallFilter={call} ptrace)",
            Who.ADMIN,
        )
    cure = _add_capability(container)
    return Cause(f"a seccomp filter of this container forbids the call {call}", f"whoever starts it {cure}", Who.AUTHOR)


def _add_capability(container: Container) -> str:
    if container is Container.KUBERNETES:
        return 'adds "SYS_PTRACE" to securityContext.capabilities.add of this container'
    return "adds the capability SYS_PTRACE (docker run --cap-add SYS_PTRACE; compose: cap_add: [SYS_PTRACE])"


def _user_namespace(e: Evidence) -> Cause | None:
    """Capabilities count only in the user namespace they are of, and in those made from it."""
    ours, theirs = e.reader.user_namespace, e.target.user_namespace
    if ours in ("", INITIAL_USER_NAMESPACE) or ours == theirs:
        return None
    unmapped = e.target.uids[:1] == (e.machine.overflow_uid,) and e.reader.uids[:1] != (e.machine.overflow_uid,)
    if not (theirs or unmapped or e.may_trace_all or (e.same_user and e.dumpable)):
        return None
    return Cause(
        f"process {e.pid} belongs to another user namespace than this one, and nothing granted here reaches it",
        "run nbspy where the process was started: outside of this sandbox or container",
        Who.YOU,
    )


def _other_user(e: Evidence) -> Cause | None:
    if e.may_trace_all or not e.target.uids or not e.reader.uids:
        return None
    if not e.same_user:
        theirs = "/".join(map(str, dict.fromkeys(e.target.uids)))
        root = e.reader.uids[0] == 0
        we = f"{e.reader.uids[0]}" + (", root without CAP_SYS_PTRACE" if root else "")
        cause = f"process {e.pid} belongs to another user (uid {theirs}, you are {we})"
        one = len(set(e.target.uids)) == 1 and not root
        return Cause(cause, *(_as(e, "user", e.target.uids[0]) if one else _more_rights(e)))
    if not e.same_group:
        theirs = "/".join(map(str, dict.fromkeys(e.target.gids)))
        cause = f"process {e.pid} runs with another group (gid {theirs}, yours is {e.reader.gids[0]})"
        return Cause(cause, *(_as(e, "group", e.target.gids[0]) if len(set(e.target.gids)) == 1 else _more_rights(e)))
    return None


def _as(e: Evidence, what: str, number: int) -> tuple[str, Who]:
    """How one becomes the user, or gets the group, that a process has, and who sees to it."""
    if e.machine.hub:
        return _more_rights(e)
    run = f"run nbspy as that user (uid {number})" if what == "user" else f"run nbspy with that group (gid {number})"
    if e.machine.container is Container.KUBERNETES:
        return f"whoever starts this container sets securityContext.runAs{what.capitalize()}: {number}", Who.AUTHOR
    if e.machine.container is Container.DOCKER:
        user = number if what == "user" else f"{e.reader.uids[0]}:{number}"
        return f"{run}: docker exec --user {user}", Who.YOU
    if e.sudo_can_work:
        return f"{run}: sudo -{what[0]} '#{number}'", Who.YOU
    return f"ask the machine's admin to {run}", Who.ADMIN


def _more_rights(e: Evidence) -> tuple[str, Who]:
    """How one gets rights over a process that is protected from us, and who gives them: one way in each place."""
    if e.machine.hub:
        return "ask the hub's admin to start your server with the capability SYS_PTRACE", Who.ADMIN
    if e.machine.container is not Container.NONE:
        user = "" if e.reader.uids[:1] == (0,) else ", and runs nbspy in it as root"
        return f"whoever starts this container {_add_capability(e.machine.container)}{user}", Who.AUTHOR
    if e.sudo_can_work:
        return "run nbspy as root (sudo)", Who.YOU
    return "ask the machine's admin to run nbspy with CAP_SYS_PTRACE", Who.ADMIN


def _not_dumpable(e: Evidence) -> Cause | None:
    if e.may_trace_all or e.target.files_owner is None or e.dumpable:
        return None
    return Cause(
        f"process {e.pid} is ours but protected: it is not dumpable, because it changed its user, its program file may "
        "not be read, or it asked for this itself",
        *_for_ours(e, "have it call prctl(PR_SET_DUMPABLE, 1) after it changed its user"),
    )


def _capabilities(e: Evidence) -> Cause | None:
    raised = e.target.permitted & ~e.reader.permitted
    if e.may_trace_all or not raised:
        return None
    names = ", ".join(capability_names(raised)[:4])
    return Cause(
        f"process {e.pid} is ours but has capabilities that we have not ({names})",
        *_for_ours(e, "start it without them"),
    )


def _for_ours(e: Evidence, change: str) -> tuple[str, Who]:
    """What helps with a process that is ours: more rights at once where they are to be had, else to change it."""
    return _more_rights(e) if e.sudo_can_work else (change, Who.YOU)


def _yama(e: Evidence) -> Cause | None:
    scope = e.machine.yama_scope
    if scope == 3:
        return Cause(
            "this kernel lets nobody read another process (kernel.yama.ptrace_scope is 3)",
            "it cannot be changed until the machine restarts: ask its admin to start it with a lower scope",
            Who.ADMIN,
        )
    if e.may_trace_all:
        return None
    if scope == 2:
        here = e.sudo_can_work or e.machine.hub or e.machine.container is not Container.NONE
        return Cause(
            "this kernel lets only administrators read other processes (kernel.yama.ptrace_scope is 2)",
            *(
                _more_rights(e)
                if here
                else ("ask the machine's admin to run 'sysctl kernel.yama.ptrace_scope=1'", Who.ADMIN)
            ),
        )
    if scope == 1 and not e.ancestor:
        return Cause(
            f"the kernel lets only its ancestors read process {e.pid} (kernel.yama.ptrace_scope is 1)",
            "call nbspy.allow() in it, once, when it starts",
            Who.YOU,
        )
    return None


def _security_module(e: Evidence) -> Cause | None:
    label = e.reader.security_label
    if not label or label.startswith("unconfined"):
        return None
    return Cause(
        f"a security module (AppArmor or SELinux; the label here is {printable(label, _SHOWN)!r}) forbids to read "
        f"process {e.pid}",
        "its profile must permit ptrace between the two labels",
        Who.ADMIN,
    )


def _unknown(e: Evidence) -> Cause:
    code = e.attempts.memory or e.attempts.files
    if not code:
        return Cause(f"process {e.pid} was refused, and would be permitted now", "try again", Who.YOU)
    return Cause(
        f"the system refused to read process {e.pid} ({os.strerror(code)}), and none of the usual reasons is there",
        "ask the machine's admin which security module forbids it",
        Who.ADMIN,
    )


REASONS: Final[tuple[Callable[[Evidence], Cause | None], ...]] = (
    _no_such_process,
    _ended,
    _seccomp,
    _user_namespace,
    _other_user,
    _not_dumpable,
    _capabilities,
    _yama,
    _security_module,
)
"""In the order in which the kernel asks; the first that gives a cause is the one."""


def why_refused(e: Evidence) -> Cause:
    """Return the one cause of a refusal that has happened."""
    return next((cause for reason in REASONS if (cause := reason(e)) is not None), None) or _unknown(e)


def why_gone(e: Evidence) -> Cause | None:
    """Return why there is nothing to read; None where the process is there."""
    return _no_such_process(e) or _ended(e)


def why_not_stopped(e: Evidence) -> Cause | None:
    """Return why the process can be read but not stopped; None where it can, or where that was not tried."""
    if not e.attempts.stop:
        return None
    if e.target.tracer:
        return Cause(
            f"process {e.target.tracer} ({printable(e.tracer_command, _SHOWN)}) already traces it",
            "go on with --nonblocking, which needs no stop",
            Who.YOU,
        )
    if e.attempts.tracing:
        return filtered(e.machine.container, "ptrace")
    return Cause(e.attempts.stop, "go on with --nonblocking, which needs no stop", Who.YOU)


# --- the whole -----------------------------------------------------------------------------------


def conclude(e: Evidence) -> Diagnosis:
    """Return what the evidence says."""
    gone = why_gone(e)
    refused = gone or (why_refused(e) if e.attempts.refused else None)
    cause = refused or why_not_stopped(e)
    if refused is not None:
        verdict = f"process {e.pid} cannot be read"
    elif cause is not None:
        verdict = f"process {e.pid} can be read, but not stopped"
    else:
        verdict = f"process {e.pid} can be sampled" if e.attempts.stop is not None else f"process {e.pid} can be read"
    return Diagnosis(
        pid=e.pid,
        verdict=verdict,
        cause=cause.cause if cause else "",
        cure=cause.cure if cause else "",
        who=cause.who.value if cause else "",
        checks=_process_checks(e, gone=gone is not None) + _machine_checks(e),
    )


def _process_checks(e: Evidence, *, gone: bool) -> tuple[Check, ...]:
    if gone and not e.target.state:
        return (Check(f"process {e.pid}", "not there, or hidden", False),)
    command = printable(e.target_command, _SHOWN)
    checks = [
        Check(f"process {e.pid}", f"{command} (state {e.target.state})", not gone),
        Check(
            "its user",
            f"uid {_ids(e.target.uids)} gid {_ids(e.target.gids)}; ours: {_ids(e.reader.uids)}, {_ids(e.reader.gids)}",
            e.may_trace_all or (e.same_user and e.same_group),
        ),
    ]
    if e.target.uids[1:2] not in ((), (0,)):
        found = "yes" if e.dumpable else "no: its files in /proc are root's"
        checks.append(Check("dumpable", found, e.may_trace_all or e.dumpable))
    raised = capability_names(e.target.permitted & ~e.reader.permitted)
    checks.append(
        Check("its capabilities", f"{len(raised)} that we have not" if raised else "none above ours", not raised)
    )
    return tuple(checks)


def _ids(ids: tuple[int, ...]) -> str:
    return "/".join(map(str, dict.fromkeys(ids)))


def _machine_checks(e: Evidence) -> tuple[Check, ...]:
    scope, attempts = e.machine.yama_scope, e.attempts
    inside = {Container.NONE: "none", Container.DOCKER: "Docker or alike", Container.KUBERNETES: "Kubernetes"}
    filters = "a filter is set" if e.reader.seccomp else "no filter"
    return (
        Check(
            "kernel.yama.ptrace_scope",
            "this kernel has no Yama" if scope is None else _SCOPES.get(scope, str(scope)),
            scope in (None, 0)
            or (scope != 3 and e.may_trace_all)
            or (scope == 1 and (e.ancestor or not attempts.memory)),
        ),
        Check("seccomp", filters, None if e.reader.seccomp and not attempts.own_memory else not attempts.own_memory),
        Check("CAP_SYS_PTRACE", "ours" if e.may_trace_all else "not ours", e.may_trace_all or None),
        Check("no new privileges", "set: sudo cannot work" if e.reader.no_new_privileges else "not set", None),
        Check("container", inside[e.machine.container] + (", started by a hub" if e.machine.hub else ""), None),
        Check("pid namespace", "one of its own" if e.machine.own_pid_namespace else "the machine's", None),
        Check("reading memory", _memory_found(attempts), not attempts.refused),
        *_stop_checks(attempts),
    )


def _memory_found(attempts: Attempts) -> str:
    if attempts.memory == errno.ENOSYS and not attempts.memory_file:
        return "this kernel has no process_vm_readv: /proc/PID/mem is read instead"
    code = attempts.memory or attempts.files
    return os.strerror(code) if code else "permitted"


def _stop_checks(attempts: Attempts) -> tuple[Check, ...]:
    if attempts.stop is None:
        return ()
    return (Check("stopping a thread", attempts.stop or "permitted", not attempts.stop),)
