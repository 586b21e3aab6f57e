"""Make .venv and install nbspy with one of its extras into it: ``python tools/make_venv.py test``.

Runs under any Python >= 3.11 with nothing installed. What is up to date is left alone, so that every target of
the Makefile may ask for what it needs.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
OLDEST = (3, 11)
TICK_S = 10.0


class SetupFailed(Exception):
    """The environment could not be made; the text says what is wrong and what to do."""


def say(text: str) -> None:
    print(f"nbspy: {text}", flush=True)


def run_with_progress(command: list[str], what: str) -> None:
    """Run ``command``; say now and then that it still runs, and show the end of its output where it fails."""
    say(what)
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            while True:
                try:
                    status = process.wait(TICK_S)
                    break
                except subprocess.TimeoutExpired:
                    say(f"  still at it ({time.monotonic() - begun:.0f} s)")
        except BaseException:
            process.kill()
            process.wait()
            raise
        if status != 0:
            output.seek(0)
            raise SetupFailed("".join(output.readlines()[-15:]).rstrip())


def make_venv() -> None:
    if PYTHON.exists():
        return
    version = sysconfig.get_python_version()
    try:
        run_with_progress([sys.executable, "-m", "venv", str(VENV)], f"making .venv with Python {version}")
    except SetupFailed as err:
        advice = f"is the venv module there? On Debian and Ubuntu: apt install python{version}-venv"
        raise SetupFailed(f"{err}\nnbspy: python -m venv failed; {advice}") from err


def stamp_text() -> str:
    """Return what the installation depends on: the dependencies and the interpreter."""
    content = (ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()
    return f"{hashlib.sha256(content).hexdigest()} {VENV.joinpath('pyvenv.cfg').read_text(encoding='utf-8')}"


def install(extras: list[str]) -> None:
    stamps = {extra: VENV / f".nbspy-{extra}" for extra in extras}
    missing = [
        extra
        for extra, stamp in stamps.items()
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != stamp_text()
    ]
    if not missing:
        return
    what = f".[{','.join(missing)}]"  # at once: what belongs together is looked for once
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    command.append("--no-compile")  # of thousands of modules few are ever imported; those are compiled then
    try:
        run_with_progress([*command, "-e", what], f"installing nbspy{what[1:]} into .venv (a minute or two)")
    except SetupFailed as err:
        advice = "pip needs to reach PyPI (or the index that pip is configured for)"
        raise SetupFailed(f"{err}\nnbspy: pip install failed; {advice}. Run the same command again to go on.") from err
    for extra in missing:
        stamps[extra].write_text(stamp_text(), encoding="utf-8")


def main() -> int:
    if sys.version_info < OLDEST:
        say(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]} ({sys.executable})")
        return 1
    try:
        make_venv()
        install(sys.argv[1:])
    except SetupFailed as err:
        print(err, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("interrupted; run the same command again to go on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
