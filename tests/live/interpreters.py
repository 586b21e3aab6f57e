"""The interpreters that live tests run over, and small programs started in them.

Found on PATH, under pyenv (``~/.pyenv`` and PYENV_ROOT) and in NBSPY_TEST_PYTHONS: a folder, or several with the
path separator between, that holds ``python3.12`` and the like in itself or in ``bin``.
"""

from __future__ import annotations

import functools
import json
import os
import re
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TARGETS = Path(__file__).parent.parent / "targets"
READY_TIMEOUT_S = 30.0

_EXECUTABLE_NAME = re.compile(r"python(2|3|2\.7|3\.\d{1,2}t?)?")

_PROBE = """
import json, os, sys, sysconfig
print(json.dumps({
    "version": list(sys.version_info)[:3],
    "level": sys.version_info[3],
    "serial": sys.version_info[4],
    "executable": os.path.realpath(sys.executable),
    "implementation": getattr(getattr(sys, "implementation", None), "name", "cpython"),
    # What is loaded, not how it was configured: Debian's executable is static beside a shared library.
    "shared": "libpython" in open("/proc/self/maps").read(),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "debug": hasattr(sys, "gettotalrefcount"),
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One CPython installation."""

    version: tuple[int, int, int]
    path: str
    id: str
    """Version and build in one word: ``3.12.1-shared``, ``3.14.0-static-freethreaded``."""
    free_threaded: bool = False

    def run(self, code: str, *args: str, timeout_s: float = 60.0) -> str:
        """Run ``code`` to its end in this interpreter and return what it printed."""
        command = [self.path, "-I" if self.version >= (3, 4) else "-E", "-c", code, *args]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        assert finished.returncode == 0, finished.stderr[-2000:]
        return finished.stdout


def find_interpreters(oldest: tuple[int, int] = (2, 7), newest: tuple[int, int] = (3, 15)) -> list[Interpreter]:
    """Return the CPythons of this machine from version ``oldest`` to ``newest``, by version and then path.

    3.0 to 3.5 are not read, and not among them.
    """
    found = (interpreter for interpreter in _all_interpreters() if oldest <= interpreter.version[:2] <= newest)
    return [interpreter for interpreter in found if not (3, 0) <= interpreter.version[:2] <= (3, 5)]


@functools.cache
def _all_interpreters() -> tuple[Interpreter, ...]:
    seen: set[tuple[int, int]] = set()
    found: dict[str, Interpreter] = {}
    for candidate in _candidates():
        # python3.13 and python3.13t may be links to one file.
        status = os.stat(candidate)
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        interpreter = _probe(candidate)
        if interpreter is not None:
            found.setdefault(interpreter.path, interpreter)
    return tuple(sorted(found.values(), key=lambda interpreter: (interpreter.version, interpreter.path)))


def _candidates() -> Iterator[str]:
    for folder in _folders():
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            path = os.path.join(folder, name)
            if _EXECUTABLE_NAME.fullmatch(name) and os.path.isfile(path) and os.access(path, os.X_OK):
                yield path


def _folders() -> Iterator[str]:
    for folder in filter(None, os.environ.get("NBSPY_TEST_PYTHONS", "").split(os.pathsep)):
        yield folder
        yield os.path.join(folder, "bin")
    for root in {os.environ.get("PYENV_ROOT", ""), os.path.expanduser("~/.pyenv")} - {""}:
        for version in sorted(Path(root, "versions").glob("*/bin")):
            yield str(version)
    # pyenv's shims start a shell that starts what was found above.
    yield from (folder for folder in os.get_exec_path() if Path(folder).name != "shims")


def _probe(path: str) -> Interpreter | None:
    """Ask the interpreter at ``path`` what it is; None where it does not run or is no CPython."""
    try:
        finished = subprocess.run([path, "-E", "-c", _PROBE], capture_output=True, timeout=20, check=False)
        facts = json.loads(finished.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    if facts["implementation"] != "cpython":
        return None
    major, minor, micro = facts["version"]
    words = [f"{major}.{minor}.{micro}" + _pre_release(facts["level"], facts["serial"])]
    words.append("shared" if facts["shared"] else "static")
    words += ["freethreaded"] if facts["free_threaded"] else []
    words += ["debug"] if facts["debug"] else []
    return Interpreter((major, minor, micro), facts["executable"], "-".join(words), facts["free_threaded"])


def _pre_release(level: str, serial: int) -> str:
    return {"alpha": "a", "beta": "b", "candidate": "rc"}.get(level, "") + (str(serial) if level != "final" else "")


class Target:
    """A running program that speaks JSON lines: it announces itself on stdout and hears commands on stdin."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.pid = process.pid
        self.info: dict[str, Any] = {}
        """What the program announced with its ready line."""
        self._pending = b""

    def read_json(self, timeout_s: float = READY_TIMEOUT_S) -> Any:
        """Return the value of the next JSON line on the program's stdout; other lines are passed over."""
        deadline = time.monotonic() + timeout_s
        while True:
            line, newline, rest = self._pending.partition(b"\n")
            if newline:
                self._pending = rest
                if line.startswith((b"{", b"[")):
                    return json.loads(line)
                continue
            self._pending += self._read_some(deadline)

    def send(self, line: str) -> None:
        """Write ``line`` to the program's stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, line: str) -> Any:
        """Send ``line`` and return the JSON line that answers it."""
        self.send(line)
        return self.read_json()

    def has_spoken(self) -> bool:
        """True where there is something to read."""
        assert self.process.stdout is not None
        return bool(self._pending) or bool(select.select([self.process.stdout], [], [], 0)[0])

    def wait_until_blocked(self, *threads: int) -> None:
        """Wait until these threads, or all there are, wait in the kernel for something without a limit of time.

        To announce that it will wait is the last thing that a thread does before it waits, not the first thing after.
        One that waits for the GIL looks every 5 ms: the kernel counts how often a thread gave up its processor.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        before: dict[str, list[str]] = {}
        while True:
            tasks = Path(f"/proc/{self.pid}/task")
            texts = {name: (tasks / name / "status").read_text() for name in map(str, threads or os.listdir(tasks))}
            now = {
                name: re.findall(r"^(?:State|\w+_ctxt_switches):\s*(\w+)", text, re.M) for name, text in texts.items()
            }
            if now == before and all(state == "S" for state, *_ in now.values()):
                return
            assert time.monotonic() < deadline, f"{self.process.args!r}: {now}"
            before = now
            time.sleep(0.03)

    def _read_some(self, deadline: float) -> bytes:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            raise TimeoutError(f"{self.process.args!r} said nothing in time; so far: {self._pending[-500:]!r}")
        data = os.read(self.process.stdout.fileno(), 1 << 16)
        if not data:
            raise EOFError(f"{self.process.args!r} ended with {self.process.wait()}; it said {self._pending[-500:]!r}")
        return data


@contextmanager
def start_target(
    interpreter_path: str | os.PathLike[str],
    script: str | os.PathLike[str],
    *args: str,
    options: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
) -> Iterator[Target]:
    """Run ``script`` (a path, or a name in ``tests/targets``) until the block ends; it is killed then.

    The block is entered when the program has printed a JSON object with a true ``ready``. Its stdin is a pipe that
    closes with this process, so that a program which waits on stdin never outlives its test. ``options`` go to the
    interpreter, ``env`` is added to the environment.
    """
    path = Path(script)
    if not path.exists():
        path = TARGETS / path
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = subprocess.Popen(
        [os.fspath(interpreter_path), *options, os.fspath(path), *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment | {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
    )
    try:
        target = Target(process)
        while not target.info.get("ready"):
            announced = target.read_json()
            target.info = announced if isinstance(announced, dict) else {}
        yield target
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                _close_quietly(pipe)


def _close_quietly(pipe: Any) -> None:
    """Close ``pipe``; what was still to be flushed to a killed program is of no interest."""
    try:
        pipe.close()
    except BrokenPipeError:
        return
