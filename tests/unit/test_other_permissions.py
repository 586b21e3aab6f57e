"""Why macOS and Windows refuse a process: one cause for each state of things, from evidence that is made up."""

from __future__ import annotations

import dataclasses
import os
import struct
from typing import Any

import pytest

from nbspy.errors import MemoryFault, PermissionRefused, ProcessNotFound
from nbspy.target import permissions, process_tree
from nbspy.target.macos import MacTarget
from nbspy.target.permissions import Check, Who, macos, windows
from nbspy.target.permissions.macos import MacEvidence, Signature
from nbspy.target.permissions.opening import diagnose_by_opening
from nbspy.target.permissions.windows import WindowsEvidence
from nbspy.target.process import StopOutcome
from nbspy.target.windows import WindowsTarget

from .fake_python import LAYOUTS, FakePython, FakeTarget

MAC = MacEvidence(7, "/opt/homebrew/bin/python3", 501, 501, Signature(0), entitled=False)


def mac(**changes: Any) -> MacEvidence:
    return dataclasses.replace(MAC, **changes)


@pytest.mark.parametrize(
    ("evidence", "words", "cure", "who"),
    [
        (mac(), "only root read process 7", "sudo", Who.YOU),
        (mac(executable="", signature=None, user=None), "only root read process 7", "sudo", Who.YOU),
        (mac(executable="/usr/bin/python3", own_user=0), "System Integrity Protection", "Homebrew", Who.YOU),
        (mac(signature=Signature.PLATFORM_BINARY), "System Integrity Protection", "Homebrew", Who.YOU),
        (mac(signature=Signature.RESTRICT), "System Integrity Protection", "Homebrew", Who.YOU),
        (mac(executable="/usr/local/bin/python3"), "only root", "sudo", Who.YOU),
        (mac(signature=Signature.RUNTIME, own_user=0), "get-task-allow", "not signed for distribution", Who.YOU),
        (mac(signature=Signature.RUNTIME | Signature.GET_TASK_ALLOW), "only root", "sudo", Who.YOU),
        (mac(user=502), "another user (uid 502, you are 501)", "sudo", Who.YOU),
        (mac(entitled=True), "although this Python is signed", "DevToolsSecurity", Who.ADMIN),
        (mac(own_user=0), "none of the usual reasons", "admin", Who.ADMIN),
    ],
)
def test_macos_has_one_cause_for_each_state_of_things(evidence: MacEvidence, words: str, cure: str, who: Who) -> None:
    cause = macos.why_refused(evidence)
    assert words in cause.cause
    assert cure in cause.cure
    assert ", or" not in cause.cure, "one cure, not a choice"
    assert cause.who is who
    assert {check.what for check in macos.checks(evidence)} >= {"its program", "its signature", "root"}


class CodeSigning:
    """``csops``: what code signatures say of the target, and of us."""

    def __init__(self, status: int | None, entitlements: bytes) -> None:
        self.status, self.entitlements = status, entitlements

    def csops(self, pid: Any, operation: Any, buffer: Any, size: Any) -> int:
        if operation.value == 0:
            if self.status is None:
                return -1
            assert size.value == 4
            buffer._obj.value = self.status
            return 0
        assert (operation.value, pid.value) == (7, os.getpid())
        blob = struct.pack(">II", 0xFADE7171, len(self.entitlements) + 8) + self.entitlements
        buffer[: len(blob)] = blob
        return 0


def test_macos_evidence_is_what_the_signatures_say() -> None:
    plist = b"<plist><dict><key>com.apple.security.cs.debugger</key><true/></dict></plist>"
    found = macos.gather(os.getpid(), CodeSigning(0x22010005, plist))
    assert found.signature == Signature.RUNTIME | Signature.GET_TASK_ALLOW
    assert found.entitled
    assert found.user == found.own_user == os.geteuid()
    assert "python" in found.executable
    found = macos.gather(os.getpid(), CodeSigning(None, b""))
    assert (found.signature, found.entitled) == (None, False)


WINDOWS = WindowsEvidence(7, 5, elevated=False, user="PC\\me", own_user="PC\\me")


def win(**changes: Any) -> WindowsEvidence:
    return dataclasses.replace(WINDOWS, **changes)


@pytest.mark.parametrize(
    ("evidence", "words", "who"),
    [
        (win(), "is yours and runs with more rights", Who.YOU),
        (win(user=""), "another user's, or runs as administrator", Who.YOU),
        (win(user="PC\\you"), r"another user (PC\you, you are PC\me)", Who.YOU),
        (win(elevated=True), "protected process", Who.ADMIN),
        (win(code=87), "there is no process 7", Who.YOU),
        (win(code=299), "64-bit", Who.YOU),
        (win(code=6), "error 6", Who.YOU),
    ],
)
def test_windows_has_one_cause_for_each_state_of_things(evidence: WindowsEvidence, words: str, who: Who) -> None:
    cause = windows.why_refused(evidence)
    assert words in cause.cause
    assert cause.cure
    assert ", or" not in cause.cure, "one cure, not a choice"
    assert cause.who is who
    assert {check.what for check in windows.checks(evidence)} == {"its user", "administrator"}


class Shell32:
    def IsUserAnAdmin(self) -> int:
        return 1


def test_windows_evidence_names_both_users() -> None:
    found = windows.gather(os.getpid(), 5, Shell32())
    assert found.user == found.own_user != ""
    assert (found.code, found.elevated) == (5, True)


# --- the diagnosis by trying ------------------------------------------------------------------------------------------


def diagnose(target: FakeTarget | Exception, *, stop: bool = True) -> permissions.Diagnosis:
    def opener(pid: int) -> Any:
        if isinstance(target, Exception):
            raise target
        return target

    looked_at = (Check("root", "no", None),)
    return diagnose_by_opening(7, opener, stop=stop, checks=looked_at, who=Who.ADMIN)


@pytest.fixture
def target() -> FakeTarget:
    python = FakePython(LAYOUTS["3.13.0"])
    python.add_thread()
    return FakeTarget(python)


def test_process_that_is_read_and_stopped_can_be_sampled(target: FakeTarget) -> None:
    diagnosis = diagnose(target)
    assert (diagnosis.verdict, diagnosis.ok) == ("process 7 can be sampled", True)
    assert [check.what for check in diagnosis.checks] == ["root", "reading memory", "stopping a thread"]
    assert diagnose(target, stop=False).verdict == "process 7 can be read"


def test_process_that_is_not_to_be_stopped_can_be_read(target: FakeTarget) -> None:
    target.the_stopper.outcomes = [StopOutcome.REFUSED]
    diagnosis = diagnose(target)
    assert diagnosis.verdict == "process 7 can be read, but not stopped"
    assert "--nonblocking" in diagnosis.cure


def test_refusal_has_its_own_words_and_who_must_act() -> None:
    diagnosis = diagnose(PermissionRefused("the cause", "the cure"))
    assert (diagnosis.cause, diagnosis.cure, diagnosis.who) == ("the cause", "the cure", "the machine's admin")
    assert diagnosis.verdict == "process 7 cannot be read"
    assert diagnose(ProcessNotFound("there is none")).who == "you"
    assert diagnose(MemoryFault(1, 2)).verdict == "process 7 cannot be read"


# --- what an attach says ----------------------------------------------------------------------------------------------


def test_attach_on_macos_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from nbspy.target.mach import MachError

    class Refusing:
        def task_for_pid(self, pid: int) -> int:
            raise MachError("task_for_pid", 5)

    monkeypatch.setattr(macos, "gather", lambda pid: mac(pid=pid, user=502))
    with pytest.raises(PermissionRefused, match=r"another user \(uid 502, you are 501\): run nbspy as root"):
        MacTarget(os.getpid(), Refusing())
    monkeypatch.setattr(process_tree, "exists", lambda pid: False)
    with pytest.raises(ProcessNotFound):
        MacTarget(os.getpid(), Refusing())


def test_attach_on_windows_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from nbspy.target.winapi import WinError

    class Refusing:
        def open_process(self, pid: int, access: int) -> int:
            raise WinError("OpenProcess", 5)

    monkeypatch.setattr(windows, "gather", lambda pid, code: win(pid=pid, code=code))
    with pytest.raises(PermissionRefused, match=r"is yours and runs with more rights"):
        WindowsTarget(os.getpid(), Refusing())


def test_windows_10_is_not_asked_to_stop_a_thread() -> None:
    if permissions.PLATFORM is not permissions.Platform.LINUX:
        pytest.skip("the played kernel needs Linux")
    from tests.played.windows_kernel import WindowsKernel

    target = WindowsTarget(os.getpid(), WindowsKernel(windows_10=True).api())
    stopper = target.stopper()
    assert stopper.stop(1) is StopOutcome.REFUSED
    assert "before Windows 11" in stopper.refusal()
    target.close()
