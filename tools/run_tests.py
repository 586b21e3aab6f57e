"""``make test``: every test of the project, and a word on each that could not run.

Runs in .venv. Python tests (unit, live, the notebook protocol, and the browser's where there is one) under
pytest; the js tests under vitest where node is there. With CI=true whatever is missing is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.find_browser import find_browser  # noqa: E402  # run as a script, its folder is not a package

JS = ROOT / "js"
READERS = ROOT / "tests" / "readers"
"""Readers of the formats that nbspy writes, as packages of npm."""
OLDEST_NODE = 20
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")


@dataclass
class Outcome:
    """What ran, and what did not."""

    failed: list[str] = field(default_factory=list)
    not_run: list[tuple[str, str]] = field(default_factory=list)
    """(tests, how to get them)"""


def run(name: str, command: list[str], folder: Path, outcome: Outcome) -> None:
    print(f"\n== {name}", flush=True)
    begun = time.monotonic()
    status = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False).returncode
    print(f"== {name}: {'ok' if status == 0 else 'FAILED'} in {time.monotonic() - begun:.0f} s", flush=True)
    if status != 0:
        outcome.failed.append(name)


def node_version() -> int | None:
    """Return node's major version, or None where node and npm are not both there."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    text = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = text.strip().lstrip("v").partition(".")[0]
    return int(major) if major.isdigit() else None


def js_tests(outcome: Outcome) -> None:
    version = node_version()
    if version is None or version < OLDEST_NODE:
        found = "not found" if version is None else f"found: {version}"
        outcome.not_run.append(("js tests (vitest)", f"node {OLDEST_NODE} or newer with npm: nodejs.org ({found})"))
        return
    for folder in (JS, READERS):
        install_packages(folder, outcome)
    run("js tests (vitest)", ["npm", "test"], JS, outcome)


def install_packages(folder: Path, outcome: Outcome) -> None:
    installed, lock = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        name = f"packages of {folder.relative_to(ROOT)} (npm ci)"
        run(name, ["npm", "ci", "--no-audit", "--no-fund"], folder, outcome)


def python_tests(outcome: Outcome) -> None:
    # Live targets and a real browser share a noisy machine: what fails is run once more, and listed as a rerun. Two
    # files at a time: most tests wait for another process, and more would take the processors from busy targets.
    command = [sys.executable, "-m", "pytest", "--reruns", "1", "-n", "2", "--dist", "loadfile"]
    # In the order in which they lie: short files of unit tests come last, so that no worker waits for another.
    command += ["--no-loadscope-reorder", *sys.argv[1:]]
    if find_browser() is None:
        command += ["-m", "not browser"]
        how = "Chromium: apt install chromium, brew install chromium"
        outcome.not_run.append(("notebook tests in a real browser", how))
    run("Python tests (pytest)", command, ROOT, outcome)


def main() -> int:
    outcome = Outcome()
    js_tests(outcome)
    python_tests(outcome)  # last, so that its summary is what one sees
    print()
    for tests, how in outcome.not_run:
        print(f"nbspy: NOT RUN: {tests}. To get them: {how}")
    if outcome.failed:
        print(f"nbspy: FAILED: {', '.join(outcome.failed)}")
    if outcome.not_run and IN_CI:
        print("nbspy: CI is set, so tests that did not run are a failure")
    ok = not outcome.failed and not (outcome.not_run and IN_CI)
    print("nbspy: all tests that ran passed" if ok else "nbspy: not ok")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
