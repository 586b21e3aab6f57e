"""Puts itself under conditions in which processes are refused, then looks at one or becomes another command.

``conditions.py CONDITIONS diagnose PID`` writes the diagnosis as JSON; ``conditions.py CONDITIONS exec COMMAND...``
becomes the command, which inherits what a process inherits. CONDITIONS are words with commas between: ``uid=N``,
``no-new-privileges``, ``refuse=CALL:ERRNO`` and ``kill=CALL`` (a seccomp filter), ``environment=NAME``.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys

CALLS = {"process_vm_readv": {"x86_64": 310, "aarch64": 270}, "ptrace": {"x86_64": 101, "aarch64": 117}}
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
LIBC = ctypes.CDLL(None, use_errno=True)


def filter_call(call: str, verdict: int) -> None:
    """Answer ``call`` with ``verdict`` from now on, in this process and its children (linux/filter.h)."""
    number = CALLS[call][os.uname().machine]
    program = struct.pack("HBBI", 0x20, 0, 0, 0)  # load the call's number
    program += struct.pack("HBBI", 0x15, 0, 1, number)  # another one: skip the next
    program += struct.pack("HBBI", 0x06, 0, 0, verdict) + struct.pack("HBBI", 0x06, 0, 0, ALLOW)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    if LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no seccomp filter can be set")


def apply(condition: str) -> None:
    name, _, value = condition.partition("=")
    if name == "uid":
        os.setgroups([])
        os.setresgid(int(value), int(value), int(value))
        os.setresuid(int(value), int(value), int(value))
    elif name == "no-new-privileges":
        LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    elif name == "refuse":
        call, _, code = value.partition(":")
        filter_call(call, ERRNO | int(code))
    elif name == "kill":
        filter_call(value, KILL)
    elif name == "environment":
        os.environ[value] = "x"
    else:
        raise SystemExit(f"no condition {condition}")


def main() -> None:
    conditions, what, *rest = sys.argv[1:]
    if what == "exec":
        for condition in filter(None, conditions.split(",")):
            apply(condition)
        os.execv(rest[0], rest)
    from nbspy.target import permissions

    permissions.diagnose(os.getpid(), stop=True)  # all is imported before files can no longer be read
    for condition in filter(None, conditions.split(",")):
        apply(condition)
    print(json.dumps(permissions.diagnose(int(rest[0]), stop=True).to_json()))


main()
