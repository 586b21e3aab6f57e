"""What ``/proc`` tells of processes and of this machine. Nothing is concluded here.

Everything is read below a ``root``, so that a test can lay out a machine as files. What cannot be read is None or
empty: a doctor must not fall ill itself.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SUDO: Final = ("usr/bin/sudo", "usr/local/bin/sudo", "run/wrappers/bin/sudo")
"""Where it lies; the last: on NixOS."""

MAX_ANCESTORS = 64
INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""``PROC_PID_INIT_INO`` in include/linux/proc_ns.h."""
SYS_PTRACE = 1 << 19
"""``CAP_SYS_PTRACE`` in include/uapi/linux/capability.h, whose order the names below have."""
_CAPABILITY_NAMES = (
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service "
    "net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin "
    "sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override "
    "mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"
)
_STATUS_LINE = re.compile(r"^(\w+):[ \t]*(.*)$", re.MULTILINE)


def capability_names(mask: int) -> list[str]:
    """Return the capabilities in ``mask``: ``["CAP_NET_RAW"]``."""
    names = _CAPABILITY_NAMES.split()
    return ["CAP_" + (names[bit].upper() if bit < len(names) else str(bit)) for bit in range(64) if mask >> bit & 1]


class Container(enum.Enum):
    """What this process runs in, by the marks that the runtimes leave."""

    NONE = enum.auto()
    DOCKER = enum.auto()
    """Docker, Podman, and what else reads their options."""
    KUBERNETES = enum.auto()


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One process, by ``/proc/PID/status`` and its neighbours."""

    pid: int
    state: str
    """The letter of ``State``; "" where the file could not be read."""
    thread_group: int
    uids: tuple[int, ...]
    """Real, effective, saved, as this user namespace numbers them."""
    gids: tuple[int, ...]
    permitted: int
    """Capabilities, as bits."""
    effective: int
    no_new_privileges: bool
    seccomp: int
    """0 none, 1 strict, 2 filter."""
    tracer: int
    files_owner: int | None
    """Owner of ``/proc/PID/status``: root where the process is not dumpable (task_dump_owner in fs/proc/base.c)."""
    user_namespace: str
    """``user:[N]``; "" where it may not be known."""
    security_label: str
    """Its AppArmor or SELinux label; "" for none."""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What this process can know of the machine and of what it runs in."""

    yama_scope: int | None
    """``kernel.yama.ptrace_scope``; None without Yama."""
    container: Container
    hub: bool
    """A server that JupyterHub started."""
    own_pid_namespace: bool
    """True where this process does not see all processes of the machine."""
    proc_shows_us: bool
    """False where ``/proc`` is that of another pid namespace: its pids are not ours."""
    overflow_uid: int
    """How a uid looks that this user namespace has no number for."""
    sudo: bool
    """The program is there."""


class Proc:
    """The files of ``/proc`` below ``root``."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._proc = root / "proc"

    def text(self, *parts: str | int) -> str | None:
        """Return a file's text; None where it is not there or may not be read."""
        try:
            return self._proc.joinpath(*map(str, parts)).read_text(errors="replace")
        except (OSError, ValueError):
            return None

    def link(self, *parts: str | int) -> str:
        """Return where a link points to; "" where that may not be known."""
        try:
            return os.readlink(self._proc.joinpath(*map(str, parts)))
        except OSError:
            return ""

    def exists(self, pid: int) -> bool:
        return (self._proc / str(pid)).exists()

    def process(self, pid: int | str) -> ProcessFacts:
        """Return the facts of process ``pid`` ("self": this one); those of one that is gone are empty."""
        fields = dict(_STATUS_LINE.findall(self.text(pid, "status") or ""))

        def numbers(name: str, base: int = 10) -> tuple[int, ...]:
            try:
                return tuple(int(word, base) for word in fields.get(name, "").split())
            except ValueError:
                return ()

        def number(name: str, base: int = 10) -> int:
            return next(iter(numbers(name, base)), 0)

        try:
            owner = (self._proc / str(pid) / "status").stat().st_uid
        except OSError:
            owner = None
        return ProcessFacts(
            pid=pid if isinstance(pid, int) else number("Pid"),
            state=fields.get("State", "")[:1],
            thread_group=number("Tgid"),
            uids=numbers("Uid")[:3],
            gids=numbers("Gid")[:3],
            permitted=number("CapPrm", 16),
            effective=number("CapEff", 16),
            no_new_privileges=number("NoNewPrivs") == 1,
            seccomp=number("Seccomp"),
            tracer=number("TracerPid"),
            files_owner=owner,
            user_namespace=self.link(pid, "ns/user"),
            security_label=(self.text(pid, "attr/current") or "").strip("\0\n "),
        )

    def ancestors(self, pid: int) -> list[int]:
        """Return the parent of ``pid``, its parent, and so on."""
        found: list[int] = []
        while len(found) < MAX_ANCESTORS:
            match = re.search(r"^PPid:\s*(\d+)$", self.text(pid, "status") or "", re.MULTILINE)
            if match is None or int(match[1]) in (0, *found):
                break
            pid = int(match[1])
            found.append(pid)
        return found

    def command_line(self, pid: int) -> str:
        """Return the command line, or the short name where there is none; "" where neither may be known."""
        words = (self.text(pid, "cmdline") or "").strip("\0").replace("\0", " ")
        return words or (self.text(pid, "comm") or "").strip()

    def machine(self, environment: Mapping[str, str]) -> MachineFacts:
        """Return the facts of the machine; ``environment`` is that of this process."""
        try:
            scope = int(self.text("sys/kernel/yama/ptrace_scope") or "")
        except ValueError:
            scope = None
        try:
            overflow = int(self.text("sys/kernel/overflowuid") or "")
        except ValueError:
            overflow = 65534
        namespace = self.link("self", "ns/pid")
        return MachineFacts(
            yama_scope=scope,
            container=self._container(environment),
            hub=any(name.startswith("JUPYTERHUB_") for name in environment),
            own_pid_namespace=namespace not in ("", INITIAL_PID_NAMESPACE),
            proc_shows_us=self.link("self") == str(os.getpid()),
            overflow_uid=overflow,
            sudo=any((self._root / place).exists() for place in SUDO),
        )

    def _container(self, environment: Mapping[str, str]) -> Container:
        if "KUBERNETES_SERVICE_HOST" in environment:
            return Container.KUBERNETES
        marks = (".dockerenv", "run/.containerenv")
        return Container.DOCKER if any((self._root / mark).exists() for mark in marks) else Container.NONE
