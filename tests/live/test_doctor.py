"""The doctor against real refusals: other users, processes that protect themselves, filters, namespaces, tracers."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import nbspy
from nbspy import sampler_process
from nbspy.errors import PermissionRefused, ProcessNotFound
from nbspy.options import SamplingOptions
from nbspy.sampler_process import module_environment, running_samplers
from nbspy.session import attach
from nbspy.target.permissions import Diagnosis, from_json

from .interpreters import TARGETS, Interpreter, Target, start_target

NOBODY = 65534
WITH_SUDO = "run nbspy as root (sudo)"
"""The cure where there is a sudo that can work."""
CONDITIONS = str(TARGETS / "conditions.py")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user, to be refused: run as root")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the reasons are those of Linux")


def see(conditions: str, pid: int, *before: str) -> Diagnosis:
    """Return what a process under ``conditions`` (``tests/targets/conditions.py``) finds out about ``pid``."""
    command = [*before, sys.executable, CONDITIONS, conditions, "diagnose", str(pid)]
    environment = {name: value for name, value in module_environment().items() if "HUB" not in name}
    seen = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert seen.returncode == 0, seen.stderr
    return from_json(json.loads(seen.stdout))


def found(diagnosis: Diagnosis, what: str) -> str:
    (row,) = [check.found for check in diagnosis.checks if check.what == what]
    return row


Start = Callable[..., int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program that says a line when it is ready; return its pid. It ends with the test."""
    with ExitStack() as running:

        def started(code: str, *before: str, user: int | None = None) -> int:
            command = [*before, "/usr/bin/python3" if user or before else sys.executable, "-Sc"]
            command.append(f"import ctypes, os, sys\n{code}\nprint('ready', flush=True)\nsys.stdin.read()")
            process: subprocess.Popen[bytes] = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )
            running.callback(process.communicate)
            running.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            return process.pid

        yield started


needs_public_python = pytest.mark.skipif(
    not os.access("/usr/bin/python3", os.X_OK),
    reason="another user needs a Python it may run: install /usr/bin/python3",
)


def test_given_a_process_of_ours_then_it_can_be_sampled_and_runs_on(start: Start) -> None:
    pid = start("")
    diagnosis = nbspy.diagnose(pid)
    assert (diagnosis.ok, diagnosis.verdict) == (True, f"process {pid} can be sampled")
    assert (diagnosis.cause, diagnosis.cure, diagnosis.who) == ("", "", "")
    assert found(diagnosis, "stopping a thread") == "permitted"
    assert found(diagnosis, "Python").startswith("{}.{}.{}".format(*sys.version_info))
    status = Path(f"/proc/{pid}/status").read_text()
    assert "TracerPid:\t0\n" in status
    assert re.search(r"^State:\s+S", status, re.MULTILINE)


def test_given_a_process_without_a_python_then_it_is_said_though_it_may_be_read() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        assert cat.stdin is not None
        assert cat.stdout is not None
        cat.stdin.write(b"ready\n")
        cat.stdin.flush()
        assert cat.stdout.readline() == b"ready\n"
        diagnosis = nbspy.diagnose(cat.pid)
        cat.communicate()
    assert diagnosis.verdict == f"process {cat.pid} may be read, but cannot be sampled"
    assert (diagnosis.cause, diagnosis.who) == (f"process {cat.pid} is not a Python process", "you")
    assert "nbspy processes" in diagnosis.cure
    assert found(diagnosis, "reading memory") == "permitted"


def test_given_no_pid_then_this_process_is_looked_at_by_a_child() -> None:
    diagnosis = nbspy.diagnose()
    assert diagnosis.ok
    assert diagnosis.pid == os.getpid()


def test_given_a_process_that_ended_then_the_doctor_and_attach_say_so() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    diagnosis = nbspy.diagnose(gone.pid)
    assert (diagnosis.cause, diagnosis.who) == (f"there is no process {gone.pid}", "you")
    with pytest.raises(ProcessNotFound, match=re.escape(str(diagnosis.cause))):
        attach(gone.pid)


def test_given_a_zombie_then_it_is_said() -> None:
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    assert nbspy.diagnose(zombie.pid).cause == f"process {zombie.pid} has ended, and waits for its parent to notice"
    zombie.wait()


def test_given_a_thread_then_its_process_is_named(start: Start) -> None:
    pid = start("import threading; threading.Thread(target=sys.stdin.read, daemon=True).start()")
    (thread,) = {int(name) for name in os.listdir(f"/proc/{pid}/task")} - {pid}
    diagnosis = nbspy.diagnose(thread)
    assert (diagnosis.cause, diagnosis.cure) == (f"{thread} is a thread of process {pid}", f"pass the process: {pid}")


@as_root
def test_given_another_users_process_then_the_users_are_told(start: Start) -> None:
    diagnosis = see(f"uid={NOBODY}", start(""))
    assert re.fullmatch(r"process \d+ belongs to another user \(uid 0, you are 65534\)", diagnosis.cause)
    assert re.search(r"run nbspy as that user \(uid 0\)|runAsUser: 0$", diagnosis.cure)
    assert found(diagnosis, "its user") == "uid 0 gid 0; ours: 65534, 65534"
    assert found(diagnosis, "reading memory") == os.strerror(errno.EPERM)


@as_root
@needs_public_python
def test_given_the_same_user_without_rights_then_it_can_be_sampled(start: Start) -> None:
    assert see(f"uid={NOBODY}", start("", user=NOBODY)).verdict.endswith("can be sampled")


@as_root
@needs_public_python
def test_given_another_group_then_it_is_told(start: Start) -> None:
    pid = start("os.setgid(os.getgid())", "setpriv", "--reuid=65534", "--regid=4242", "--clear-groups", "--")
    diagnosis = see(f"uid={NOBODY}", pid)
    assert diagnosis.cause == f"process {pid} runs with another group (gid 4242, yours is 65534)"


@as_root
@needs_public_python
def test_given_a_process_that_is_not_dumpable_then_it_is_told(start: Start) -> None:
    pid = start("ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)", user=NOBODY)
    diagnosis = see(f"uid={NOBODY}", pid)
    assert diagnosis.cause.startswith(f"process {pid} is ours but protected: it is not dumpable")
    assert diagnosis.cure in (WITH_SUDO, "have it call prctl(PR_SET_DUMPABLE, 1) after it changed its user")
    assert found(diagnosis, "dumpable") == "no: its files in /proc are root's"
    assert see("", pid).ok, "root may"


@as_root
@needs_public_python
def test_given_raised_capabilities_then_they_are_named(start: Start) -> None:
    identity = ("--reuid=65534", "--regid=65534", "--clear-groups")
    raised = ("--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service")
    pid = start("", "setpriv", *identity, *raised, "--")
    diagnosis = see(f"uid={NOBODY}", pid)
    assert diagnosis.cause == f"process {pid} is ours but has capabilities that we have not (CAP_NET_BIND_SERVICE)"
    assert diagnosis.cure in (WITH_SUDO, "start it without them")


@as_root
def test_given_no_new_privileges_or_a_hub_then_sudo_is_never_suggested(start: Start) -> None:
    for conditions in (f"uid={NOBODY},no-new-privileges", f"uid={NOBODY},environment=JUPYTERHUB_USER"):
        diagnosis = see(conditions, start(""))
        assert "belongs to another user" in diagnosis.cause
        assert "sudo" not in diagnosis.cure
    assert diagnosis.cure == "ask the hub's admin to start your server with the capability SYS_PTRACE"
    assert diagnosis.who == "the machine's admin"


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES])
def test_given_a_filter_that_refuses_then_what_to_add_is_told(start: Start, code: int) -> None:
    pid = start("")
    diagnosis = see(f"no-new-privileges,refuse=process_vm_readv:{code}", pid)
    assert re.match(r"a seccomp filter of this \w+ forbids the call process_vm_readv", diagnosis.cause)
    assert ("SYS_PTRACE" in diagnosis.cure) == ("container" in diagnosis.cause)
    assert found(diagnosis, "seccomp") == "a filter is set"
    kubernetes = f"no-new-privileges,environment=KUBERNETES_SERVICE_HOST,refuse=process_vm_readv:{code}"
    diagnosis = see(kubernetes, pid)
    assert "securityContext.capabilities.add" in diagnosis.cure
    assert diagnosis.who == "the image's author"


def test_given_a_filter_that_refuses_tracing_then_only_the_stop_is_missing(start: Start) -> None:
    diagnosis = see(f"no-new-privileges,refuse=ptrace:{errno.EPERM}", pid := start(""))
    assert diagnosis.verdict == f"process {pid} can be read, but not stopped"
    assert "forbids the call ptrace" in diagnosis.cause


def test_given_a_kernel_without_cross_memory_reads_then_the_other_way_is_told(start: Start) -> None:
    diagnosis = see(f"no-new-privileges,refuse=process_vm_readv:{errno.ENOSYS}", start(""))
    assert diagnosis.ok
    assert "/proc/PID/mem is read instead" in found(diagnosis, "reading memory")


TRACER = "ctypes.CDLL(None).ptrace(ctypes.c_long(0x4206), ctypes.c_int({pid}), None, None)"


def test_given_a_tracer_then_it_is_named_with_its_command_line(start: Start) -> None:
    pid = start("")
    tracer = start(TRACER.format(pid=pid))
    diagnosis = nbspy.diagnose(pid)
    assert diagnosis.verdict == f"process {pid} can be read, but not stopped"
    assert re.match(rf"process {tracer} \(.*python.* -Sc[ …].*\) already traces it$", diagnosis.cause)
    assert "--nonblocking" in diagnosis.cure


NAMESPACE = (
    pytest.param(("unshare", "--pid", "--fork"), "/proc here shows the processes of another pid namespace", id="pid"),
    pytest.param(("unshare", "--pid", "--fork", "--mount-proc"), r"there is no process \d+ in this", id="pid-and-proc"),
    pytest.param(("unshare", "--user"), r"process \d+ belongs to another user namespace", id="user"),
    pytest.param(("unshare", "--user", "--map-root-user"), "belongs to another user namespace", id="user-root"),
)


@as_root
@pytest.mark.parametrize(("before", "cause"), NAMESPACE)
def test_given_another_namespace_then_it_is_told(before: tuple[str, ...], cause: str) -> None:
    if (
        shutil.which("unshare") is None
        or subprocess.run([*before, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine makes no such namespace: unshare (util-linux) and the right to")
    outside = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        diagnosis = see("", outside.pid, *before)
        assert re.search(cause, diagnosis.cause), diagnosis
        assert not diagnosis.ok
        command = [*before, sys.executable, "-m", "nbspy", "dump", "-p", str(outside.pid)]
        dumped = subprocess.run(command, env=module_environment(), capture_output=True, text=True, check=False)
        assert (dumped.returncode, dumped.stderr) == (1, f"nbspy: {diagnosis.cause}: {diagnosis.cure}\n")
    finally:
        outside.communicate()


# --- the sampler under the same conditions: the same words, and nothing left behind -----------------------------------


@pytest.fixture
def target(current_interpreter: Interpreter) -> Iterator[Target]:
    with start_target(current_interpreter.path, "shell_target.py") as started:
        yield started
    assert running_samplers() == []


def attach_under(conditions: str, pid: int) -> nbspy.Session:
    sampler = sampler_process.sampler_command(pid, SamplingOptions(rate=200), 0)
    return attach(pid, rate=200, _command=[sys.executable, CONDITIONS, conditions, "exec", *sampler])


@pytest.mark.parametrize("condition", [f"refuse=process_vm_readv:{errno.EPERM}", "kill=process_vm_readv"])
def test_given_a_filter_when_attaching_then_the_refusal_has_the_doctors_words(target: Target, condition: str) -> None:
    with pytest.raises(PermissionRefused, match=r"a seccomp filter of this .* forbids the call process_vm_readv"):
        attach_under(f"no-new-privileges,{condition}", target.pid)
    assert target.process.poll() is None


def test_given_no_cross_memory_reads_when_attaching_then_the_file_is_read_instead(target: Target) -> None:
    session = attach_under(f"no-new-privileges,refuse=process_vm_readv:{errno.ENOSYS}", target.pid)
    with session:
        while session.sample_count < 20:
            assert session.stream.wait_beyond(session.stream.size, timeout=30)
    assert session.error is None
    assert {"spin", "work"} <= {row.name for row in session.profile.functions()}


def test_given_no_tracing_when_attaching_then_it_goes_on_without_and_says_so(target: Target) -> None:
    with attach_under(f"no-new-privileges,refuse=ptrace:{errno.EPERM}", target.pid) as session:
        while not session.profile.notices:
            assert session.stream.wait_beyond(session.stream.size, timeout=30)
    assert "the system refused it" in session.profile.notices[0].text
    assert session.error is None


@as_root
def test_given_another_user_when_attaching_then_error_and_doctor_agree(target: Target) -> None:
    code = (
        "import json, os, sys; from nbspy import errors, observe; from nbspy.target import permissions\n"
        "pid = int(sys.argv[1]); observe.dump(pid); permissions.diagnose(pid, stop=True)\n"
        "os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)\n"
        "try: observe.dump(pid)\n"
        "except errors.PermissionRefused as err: said = [err.message, err.help]\n"
        "seen = permissions.diagnose(pid, stop=True)\n"
        "print(json.dumps([said, [seen.cause, seen.cure]]))\n"
    )
    command = [sys.executable, "-c", code, str(target.pid)]
    answer = subprocess.run(command, env=module_environment(), capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    said, seen = json.loads(answer.stdout)
    assert said == seen
