"""Causes told apart by evidence: a machine laid out as files, and what its kernel is said to have answered."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from nbspy import doctor
from nbspy.errors import PermissionRefused, SamplerFailed, TargetEnded, UnsupportedPlatform, UsageError
from nbspy.target import Platform, permissions
from nbspy.target.permissions import Cause, Check, Diagnosis, Who, from_json

if sys.platform != "linux":
    pytest.skip("the reasons are those of Linux", allow_module_level=True)

from nbspy.target import linux as linux_target
from nbspy.target.permissions.attempts import Attempts, attempt
from nbspy.target.permissions.evidence import Evidence
from nbspy.target.permissions.linux import conclude, gather, why_refused
from nbspy.target.permissions.proc import Container, Proc, capability_names

PID = 4242
READER = 77
PERMITTED = Attempts(signal=0, own_memory=0, memory=0, memory_file=0, files=0, tracing=0)
REFUSED = replace(PERMITTED, memory=errno.EPERM, memory_file=errno.EACCES)
SYS_PTRACE = "0000000000080000"


class Machine:
    """A ``/proc`` in a folder. Its reader is the process 77."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.owner = os.geteuid()
        (root / "proc").mkdir()
        self.process(READER, parent=1)
        self.link("self", str(READER))
        self.namespaces(READER)
        self.process(PID, parent=1)

    def write(self, name: str, text: str) -> None:
        path = self.root / "proc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def link(self, name: str, to: str) -> None:
        path = self.root / "proc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(to)

    def namespaces(self, pid: int, user: str = "user:[4026531837]", pids: str = "pid:[4026531836]") -> None:
        self.link(f"{pid}/ns/user", user)
        self.link(f"{pid}/ns/pid", pids)

    def process(
        self,
        pid: int,
        *,
        parent: int,
        uid: str = "",
        gid: str = "5",
        caps: str = "0",
        command: str = "x",
        extra: str = "",
    ) -> None:
        uid = uid or str(self.owner)
        self.write(
            f"{pid}/status",
            f"Name:\tx\nState:\tS (sleeping)\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t{parent}\nTracerPid:\t0\n"
            f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{gid}\t{gid}\t{gid}\t{gid}\n"
            f"CapPrm:\t{caps}\nCapEff:\t{caps}\nNoNewPrivs:\t0\nSeccomp:\t0\n{extra}",
        )
        self.write(f"{pid}/cmdline", command.replace(" ", "\0") + "\0")

    def cause(self, attempts: Attempts = REFUSED) -> Cause:
        return why_refused(gather(PID, attempts, root=self.root))

    def diagnosis(self, attempts: Attempts = REFUSED) -> Diagnosis:
        return conclude(gather(PID, attempts, root=self.root))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(os, "getpid", lambda: READER)
    for name in list(os.environ):
        if name.startswith(("JUPYTERHUB_", "KUBERNETES_")):
            monkeypatch.delenv(name)
    return Machine(tmp_path)


def test_given_yama_1_then_allow_is_the_cure(machine: Machine) -> None:
    machine.write("sys/kernel/yama/ptrace_scope", "1\n")
    cause = machine.cause()
    assert cause.cause == f"the kernel lets only its ancestors read process {PID} (kernel.yama.ptrace_scope is 1)"
    assert cause.cure == "call nbspy.allow() in it, once, when it starts"
    assert cause.who is Who.YOU


def test_given_yama_1_and_an_ancestor_then_yama_is_not_the_cause(machine: Machine) -> None:
    machine.write("sys/kernel/yama/ptrace_scope", "1\n")
    machine.process(50, parent=READER)
    machine.process(PID, parent=50)
    assert "yama" not in machine.cause().cause
    assert machine.diagnosis(PERMITTED).ok


@pytest.mark.parametrize("caps", ["0", SYS_PTRACE])
def test_given_yama_3_then_nobody_can_and_only_a_restart_helps(machine: Machine, caps: str) -> None:
    machine.write("sys/kernel/yama/ptrace_scope", "3\n")
    machine.process(READER, parent=1, caps=caps)
    cause = machine.cause()
    assert "nobody" in cause.cause
    assert "restart" in cause.cure
    assert cause.who is Who.ADMIN


def test_given_yama_2_then_the_admin_must_act_unless_the_right_is_there(machine: Machine) -> None:
    machine.write("sys/kernel/yama/ptrace_scope", "2\n")
    cause = machine.cause()
    assert "ptrace_scope is 2" in cause.cause
    assert (cause.who, "ptrace_scope=1" in cause.cure) == (Who.ADMIN, True)
    machine.process(READER, parent=1, caps=SYS_PTRACE)
    assert "yama" not in machine.cause().cause


CURES = {
    "user": {
        "plain": ("run nbspy as that user (uid 1001): sudo -u '#1001'", Who.YOU),
        "no sudo": ("ask the machine's admin to run nbspy as that user (uid 1001)", Who.ADMIN),
        "docker": ("run nbspy as that user (uid 1001): docker exec --user 1001", Who.YOU),
        "kubernetes": ("whoever starts this container sets securityContext.runAsUser: 1001", Who.AUTHOR),
    },
    "users": {  # of a program with another effective user, which only more rights reach
        "plain": ("run nbspy as root (sudo)", Who.YOU),
        "no sudo": ("ask the machine's admin to run nbspy with CAP_SYS_PTRACE", Who.ADMIN),
        "docker": ("whoever starts this container adds the capability SYS_PTRACE", Who.AUTHOR),
        "kubernetes": ('whoever starts this container adds "SYS_PTRACE" to securityContext', Who.AUTHOR),
    },
    "group": {
        "plain": ("run nbspy with that group (gid 6): sudo -g '#6'", Who.YOU),
        "no sudo": ("ask the machine's admin to run nbspy with that group (gid 6)", Who.ADMIN),
        "docker": ("run nbspy with that group (gid 6): docker exec --user 1000:6", Who.YOU),
        "kubernetes": ("whoever starts this container sets securityContext.runAsGroup: 6", Who.AUTHOR),
    },
    "dumpable": {"plain": ("run nbspy as root (sudo)", Who.YOU), "": ("have it call prctl(PR_SET_DUMPABLE", Who.YOU)},
    "caps": {"plain": ("run nbspy as root (sudo)", Who.YOU), "": ("start it without them", Who.YOU)},
    "yama1": {"": ("call nbspy.allow() in it", Who.YOU)},
    "yama2": {
        "plain": ("run nbspy as root (sudo)", Who.YOU),
        "no sudo": ("ask the machine's admin to run 'sysctl kernel.yama.ptrace_scope=1'", Who.ADMIN),
        "docker": ("whoever starts this container adds the capability SYS_PTRACE", Who.AUTHOR),
        "kubernetes": ('whoever starts this container adds "SYS_PTRACE" to securityContext', Who.AUTHOR),
    },
    "seccomp": {
        "docker": ("whoever starts it adds the capability SYS_PTRACE", Who.AUTHOR),
        "kubernetes": ('whoever starts it adds "SYS_PTRACE" to securityContext.capabilities', Who.AUTHOR),
        "": ("whoever set the filter up permits it", Who.ADMIN),
    },
    "unknown": {"": ("ask the machine's admin which security module forbids it", Who.ADMIN)},
}
"""The one cure of each cause, and who must apply it, by where one is; "": anywhere else."""
AS_WITHOUT_SUDO = ("no new privileges",)
HUB = ("ask the hub's admin to start your server with the capability SYS_PTRACE", Who.ADMIN)


@pytest.mark.parametrize("scene", CURES)
@pytest.mark.parametrize("where", ["plain", "no sudo", "no new privileges", "hub", "docker", "kubernetes"])
def test_each_cause_has_the_one_cure_that_can_work_there(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, scene: str, where: str
) -> None:
    if where != "no sudo":
        (machine.root / "usr/bin").mkdir(parents=True)
        (machine.root / "usr/bin/sudo").touch()
    extra = "NoNewPrivs:\t1\n" if where == "no new privileges" else ""
    machine.process(READER, parent=1, uid="1000", extra=extra)
    machine.process(PID, parent=1, uid="1001" if scene == "user" else "1000", gid="6" if scene == "group" else "5")
    if scene == "users":
        machine.process(PID, parent=1, uid="1000\t1001")
    attempts = REFUSED
    if scene in ("caps", "yama1", "yama2", "seccomp", "unknown"):
        monkeypatch.setattr(Evidence, "dumpable", True)
    if scene == "caps":
        machine.process(PID, parent=1, uid="1000", caps="2000")
    if scene.startswith("yama"):
        machine.write("sys/kernel/yama/ptrace_scope", scene[-1])
    if scene == "seccomp":
        attempts = replace(REFUSED, own_memory=errno.EPERM)
    if where == "hub":
        monkeypatch.setenv("JUPYTERHUB_USER", "anna")
    if where == "docker":
        (machine.root / ".dockerenv").touch()
    if where == "kubernetes":
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    cause = machine.cause(attempts)
    words = {"user": "another user", "users": "uid 1000/1001", "group": "another group", "caps": "CAP_NET_RAW"}
    words |= {"dumpable": "not dumpable", "unknown": "usual reasons"}
    assert words.get(scene, scene[:4]) in cause.cause

    by_place = CURES[scene]
    if where == "hub" and "no sudo" in by_place:
        cure, who = HUB
    else:
        place = "no sudo" if where in AS_WITHOUT_SUDO else where
        cure, who = by_place.get(place) or by_place[""]
    assert cause.cure.startswith(cure)
    assert cause.who is who
    assert not re.search(r"\bor\b", cause.cure), "one cure, not a choice"


def test_given_root_without_the_capability_then_it_is_not_taken_for_all_powerful(machine: Machine) -> None:
    machine.process(READER, parent=1, uid="0")
    machine.process(PID, parent=1, uid="1000")
    (machine.root / ".dockerenv").touch()
    cause = machine.cause()
    assert cause.cause.endswith("(uid 1000, you are 0, root without CAP_SYS_PTRACE)")
    assert "docker run --cap-add SYS_PTRACE" in cause.cure


def test_given_a_filter_outside_of_a_container_then_who_set_it_up_must_act(machine: Machine) -> None:
    cause = machine.cause(replace(REFUSED, own_memory=errno.EPERM))
    assert "this process" in cause.cause
    assert "SystemCallFilter" in cause.cure
    assert cause.who is Who.ADMIN


def test_given_a_hidden_process_then_it_is_not_said_to_be_gone(machine: Machine) -> None:
    (machine.root / "proc" / str(PID) / "status").unlink()
    hidden = machine.diagnosis(replace(REFUSED, signal=errno.EPERM, files=errno.ENOENT))
    assert "hidepid" in hidden.cause
    gone = machine.diagnosis(replace(REFUSED, signal=errno.ESRCH, memory=errno.ESRCH, files=errno.ENOENT))
    assert gone.cause == f"there is no process {PID}"
    assert gone.checks[0] == Check(f"process {PID}", "not there, or hidden", False)


def test_given_a_container_then_a_missing_pid_may_be_one_of_another_namespace(machine: Machine) -> None:
    (machine.root / "proc" / str(PID) / "status").unlink()
    machine.namespaces(READER, pids="pid:[4026532000]")
    cause = machine.cause(replace(REFUSED, signal=errno.ESRCH))
    assert "sees only its own processes" in cause.cause
    assert cause.cure.startswith("run nbspy where the process runs")


def test_given_a_foreign_user_namespace_then_capabilities_of_ours_do_not_count(machine: Machine) -> None:
    machine.namespaces(READER, user="user:[4026532001]")
    machine.process(READER, parent=1, uid="0", caps=SYS_PTRACE)
    machine.process(PID, parent=1, uid="65534")
    assert "another user namespace" in machine.cause().cause
    machine.namespaces(PID, user="user:[4026532001]")
    assert "another user namespace" not in machine.cause().cause


def test_given_a_security_module_then_its_label_is_told(machine: Machine) -> None:
    machine.write(f"{READER}/attr/current", "docker-default (enforce)\n")
    cause = machine.cause()
    assert "docker-default (enforce)" in cause.cause
    machine.write(f"{READER}/attr/current", "unconfined\n")
    assert "usual reasons" in machine.cause().cause


def test_given_a_refusal_that_is_over_then_it_says_try_again(machine: Machine) -> None:
    assert machine.cause(PERMITTED).cure == "try again"


def test_given_no_cross_memory_reads_then_the_files_permission_decides(machine: Machine) -> None:
    missing = replace(PERMITTED, own_memory=errno.ENOSYS, memory=errno.ENOSYS)
    assert machine.diagnosis(missing).ok
    assert not machine.diagnosis(replace(missing, memory_file=errno.EACCES)).ok


def test_given_a_stop_that_fails_then_reading_still_counts(machine: Machine) -> None:
    diagnosis = machine.diagnosis(replace(PERMITTED, stop="its main thread did not stop in time"))
    assert diagnosis.verdict == f"process {PID} can be read, but not stopped"
    assert "--nonblocking" in diagnosis.cure
    assert machine.diagnosis(replace(PERMITTED, stop="")).verdict == f"process {PID} can be sampled"
    assert machine.diagnosis(PERMITTED).verdict == f"process {PID} can be read"


def test_given_nothing_readable_then_there_is_a_diagnosis_all_the_same(tmp_path: Path) -> None:
    diagnosis = conclude(gather(PID, REFUSED, root=tmp_path / "nowhere"))
    assert not diagnosis.ok


@pytest.mark.parametrize("text", ["", "Uid:\n", "Uid:\tx y z\nCapPrm:\tzz\n", "\0\xff" * 50, "State:\tS\nUid:\t1\n"])
def test_given_status_files_of_other_forms_then_the_doctor_does_not_fall_ill(machine: Machine, text: str) -> None:
    for pid in (READER, PID):
        machine.write(f"{pid}/status", text)
    assert machine.diagnosis().verdict


def test_given_a_hostile_command_line_then_it_is_text(machine: Machine) -> None:
    machine.process(PID, parent=1, command="<b>\x1b[31m\u202eevil\n" * 500)
    machine.process(9, parent=1, command="gdb\x1b]0;x\x07<i>")
    status = machine.root / "proc" / str(PID) / "status"
    status.write_text(status.read_text().replace("TracerPid:\t0", "TracerPid:\t9"))
    diagnosis = machine.diagnosis(replace(PERMITTED, stop="process 9 already traces it"))
    assert diagnosis.cause.startswith("process 9 (gdb")
    shown = diagnosis.text() + diagnosis._repr_html_()
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert "<b>\\x1b" not in diagnosis._repr_html_()
    assert "<i>" not in diagnosis._repr_html_()
    assert max(map(len, diagnosis.text().splitlines())) < 400


def test_a_diagnosis_renders_and_travels() -> None:
    checks = (Check("a", "b", True), Check("c", "d", False), Check("e", "f", None))
    diagnosis = Diagnosis(7, "process 7 cannot be read", "why", "what", "you", checks)
    assert from_json(diagnosis.to_json()) == diagnosis
    text = diagnosis.text()
    assert text.splitlines()[0] == "process 7 cannot be read"
    assert text.endswith("cause:        why\ncure:         what\nwho must act: you")
    assert str(diagnosis) == text
    assert "<p><b>cure</b>: what</p>" in diagnosis._repr_html_()
    import rich.console

    console = rich.console.Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(diagnosis)
    assert "who must act: you" in captured.get()
    assert "cause" not in msgspec.structs.replace(diagnosis, cause="", cure="", who="").text()


def test_the_capabilities_have_their_names() -> None:
    assert capability_names(1 << 19 | 1 << 40 | 1 << 50) == ["CAP_SYS_PTRACE", "CAP_CHECKPOINT_RESTORE", "CAP_50"]


def test_ancestors_that_go_in_circles_end(machine: Machine) -> None:
    machine.process(PID, parent=50)
    machine.process(50, parent=PID)
    assert Proc(machine.root).ancestors(PID) == [50, PID]


def test_container_marks(machine: Machine) -> None:
    proc = Proc(machine.root)
    assert proc.machine({}).container is Container.NONE
    (machine.root / "run").mkdir()
    (machine.root / "run" / ".containerenv").touch()
    assert proc.machine({}).container is Container.DOCKER
    assert proc.machine({"KUBERNETES_SERVICE_HOST": "x"}).container is Container.KUBERNETES


def test_attempts_on_ourselves_are_permitted() -> None:
    attempts = attempt(os.getpid(), stop=False)
    assert not attempts.refused
    assert attempts == replace(PERMITTED, stop=None)


def test_given_an_end_meanwhile_then_the_refusal_is_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    assert isinstance(permissions.refusal(child), TargetEnded)
    assert isinstance(permissions.refusal(os.getpid()), PermissionRefused)


# --- nbspy.allow ----------------------------------------------------------------------------------


@pytest.fixture
def prctl(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    calls: list[tuple[int, int]] = []

    class Library:
        @staticmethod
        def prctl(option: int, who: object, *_: object) -> int:
            calls.append((option, who.value if hasattr(who, "value") else int(str(who))))
            return 0

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library)
    monkeypatch.setattr(linux_target, "_permitted_to_all", False)
    return calls


def test_given_allow_then_everyone_may_and_no_sampler_takes_it_back(prctl: list[tuple[int, int]]) -> None:
    linux_target.allow_tracer(5)
    assert prctl == [(0x59616D61, 5)]
    doctor.allow()
    assert prctl[1:] == [(0x59616D61, 2**64 - 1)]
    linux_target.allow_tracer(6)
    assert len(prctl) == 2, "the kernel keeps one permission: a narrower one would replace it"


def test_given_a_fork_then_the_child_has_said_nothing_yet(prctl: list[tuple[int, int]]) -> None:
    doctor.allow()
    child = os.fork()
    if not child:
        os._exit(0 if linux_target._permitted_to_all is False else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# --- other platforms, and the doctor's own troubles ------------------------------------------------


def test_given_another_platform_then_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permissions, "PLATFORM", Platform.OTHER)
    with pytest.raises(UnsupportedPlatform, match="reads no processes"):
        permissions.diagnose(1, stop=False)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('no JSON')", "the process that looks failed"),
        ("print('[]')", "the process that looks failed"),
        ("print('{}')", "the process that looks failed"),
        ("import sys; sys.exit('boom')", "the process that looks failed: boom"),
        ("import time; time.sleep(60)", "no diagnosis within 0.2 s"),
    ],
)
def test_given_a_child_that_fails_then_it_is_said(monkeypatch: pytest.MonkeyPatch, code: str, words: str) -> None:
    monkeypatch.setattr(doctor, "module_command", lambda *_: [sys.executable, "-c", code])
    if "sleep" in code:
        monkeypatch.setattr(doctor, "TIMEOUT_S", 0.2)
    with pytest.raises(SamplerFailed, match=words):
        doctor.diagnose(7)


def test_given_a_refusal_of_the_child_then_it_is_raised_here(monkeypatch: pytest.MonkeyPatch) -> None:
    code = """print('{"error": ["unsupported-platform", "no", "help"]}')"""
    monkeypatch.setattr(doctor, "module_command", lambda *_: [sys.executable, "-c", code])
    with pytest.raises(UnsupportedPlatform, match="no: help"):
        doctor.diagnose(7)


def test_given_no_program_to_start_then_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "module_command", lambda *_: ["/nonexistent/python"])
    with pytest.raises(SamplerFailed, match="cannot be started"):
        doctor.diagnose(7)


def test_given_a_filter_that_kills_then_it_is_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSYS)"
    monkeypatch.setattr(doctor, "module_command", lambda *_: [sys.executable, "-c", code])
    diagnosis = doctor.diagnose(7)
    assert diagnosis.cause.startswith("a seccomp filter of this")
    assert diagnosis.checks == (Check("seccomp", "a filter killed the process that looked", False),)


def test_given_no_pid_then_the_doctor_refuses() -> None:
    with pytest.raises(UsageError, match="no pid"):
        doctor.diagnose(-1)
