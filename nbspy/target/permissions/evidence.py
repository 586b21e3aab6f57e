"""All that a cause on Linux is concluded from, collected once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nbspy.target.permissions.attempts import Attempts
from nbspy.target.permissions.proc import SYS_PTRACE, Container, MachineFacts, Proc, ProcessFacts


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a cause is concluded from."""

    pid: int
    target: ProcessFacts
    target_command: str
    reader: ProcessFacts
    machine: MachineFacts
    attempts: Attempts
    ancestor: bool
    """True where the reader is among the target's ancestors."""
    tracer_command: str

    @property
    def may_trace_all(self) -> bool:
        return bool(self.reader.effective & SYS_PTRACE)

    @property
    def same_user(self) -> bool:
        """All of its user ids are our real one, as the kernel wants it."""
        return set(self.target.uids) == set(self.reader.uids[:1])

    @property
    def same_group(self) -> bool:
        return set(self.target.gids) == set(self.reader.gids[:1])

    @property
    def dumpable(self) -> bool:
        """True also where that cannot be known."""
        return self.target.files_owner is None or (self.target.files_owner,) == self.target.uids[1:2]

    @property
    def sudo_can_work(self) -> bool:
        """A container has no sudo worth naming, and "no new privileges" makes it fail wherever it is."""
        plain = self.machine.sudo and self.machine.container is Container.NONE and not self.machine.hub
        return plain and not self.reader.no_new_privileges and self.reader.uids[:1] != (0,)


def gather(pid: int, attempts: Attempts, *, root: Path = Path("/")) -> Evidence:
    """Collect the evidence about process ``pid``; ``root`` is where ``/proc`` is looked for."""
    proc = Proc(root)
    target = proc.process(pid)
    reader = proc.process("self")
    return Evidence(
        pid=pid,
        target=target,
        target_command=proc.command_line(pid),
        reader=reader,
        machine=proc.machine(os.environ),
        attempts=attempts,
        ancestor=reader.pid in proc.ancestors(pid),
        tracer_command=proc.command_line(target.tracer) if target.tracer else "",
    )
