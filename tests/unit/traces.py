"""Stack traces as they come from a target, one of them hostile."""

from __future__ import annotations

from nbspy.stack_trace import Frame, ProcessInfo, StackTrace

HOSTILE = "<b>\x1b]0;owned\x07[red]&\u202e\n"


def trace(name: str | None = "MainThread", *, active: bool = True, owns_gil: bool = True) -> StackTrace:
    frames = (
        Frame("Worker.run", "/src/pkg/app.py", "pkg.app", "pkg/app.py", 12),
        Frame("<module>", "/src/main.py", "main", "main.py", 0),
        Frame("shim", "", None, None, 0),
    )
    info = ProcessInfo(42, "python main.py", ProcessInfo(1, "init"))
    return StackTrace(42, 0xF00, name, 4242, active, owns_gil, frames, info)
