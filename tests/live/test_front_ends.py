"""Front ends without a notebook: IPython in a terminal, a script, marimo. Each shows text, the whole slice works."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbspy.sampler_process import module_environment
from tests.live.interpreters import Interpreter, Target, start_target

if TYPE_CHECKING:
    import pexpect

PATIENCE_S = 60


@pytest.fixture(scope="module")
def target(current_interpreter: Interpreter) -> Iterator[Target]:
    with start_target(current_interpreter.path, "shell_target.py") as started:
        yield started


# --- IPython in a terminal --------------------------------------------------------------------------------------------


class Terminal:
    """IPython on a terminal of its own."""

    def __init__(self, child: pexpect.spawn[str]) -> None:
        self._child = child
        self._wait()

    def _wait(self) -> str:
        self._child.expect(r"In \[\d+\]: ")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._child.before or "")

    def run(self, *lines: str) -> str:
        """Type a cell, and end one of several lines with two blank ones; return what is shown until the next prompt."""
        typed = [*lines, "", ""] if len(lines) > 1 else lines
        for number, line in enumerate(typed, 1):
            self._child.sendline(line)
            if number < len(typed):
                self._child.expect(r"\.\.\.: ")
        return self._wait()


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    if sys.platform == "win32":
        pytest.skip("a pseudo terminal is one of Unix: try it by hand in a console")
    import pexpect  # comes with IPython

    state = tmp_path_factory.mktemp("ipython")
    environment = module_environment() | {"IPYTHONDIR": str(state), "TERM": "xterm", "COLUMNS": "200"}
    command = ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=NoColor"]
    child = pexpect.spawn(
        sys.executable, command, env=environment, encoding="utf-8", timeout=PATIENCE_S, dimensions=(60, 200), echo=False
    )
    shell = Terminal(child)
    assert "Error" not in shell.run("%load_ext nbspy")
    yield shell
    child.sendline("exit()")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_cell_profiles_and_prints_the_summary(terminal: Terminal, target: Target) -> None:
    shown = terminal.run(f"%%profile_remote {target.pid} --rate 200", "import time; time.sleep(1)")
    assert "spin" in shown
    assert "Traceback" not in shown
    assert "\x1b" not in shown
    assert "Profile" in terminal.run("type(_profile)")


def test_a_dump_is_a_table_of_text(terminal: Terminal, target: Target) -> None:
    shown = terminal.run(f"%dump_remote {target.pid}")
    assert "spin" in shown
    assert "MainThread" in shown


def test_a_session_in_the_background_is_told_and_stopped(terminal: Terminal, target: Target) -> None:
    terminal.run(f"session = %profile_remote {target.pid}")
    assert "running" in terminal.run("session")
    assert "spin" in terminal.run("%nbspy stop")


def test_a_refusal_is_one_line(terminal: Terminal) -> None:
    shown = terminal.run("%dump_remote 999999999")
    assert "no process" in shown
    assert "Traceback" not in shown


# --- a script ---------------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
for absent in ("IPython", "ipywidgets", "anywidget", "traitlets", "rich"):
    sys.modules[absent] = None  # a script has no need of them
import nbspy
pid = int(sys.argv[1])
with nbspy.attach(pid, rate=200, duration=1) as session:
    profile = session.wait()
print(profile.summary())
print([frame.name for frame in nbspy.dump(pid)[0].frames])
with nbspy.profile(rate=200) as session:
    while session.sample_count < 3:
        sum(range(100_000))
assert session.error is None, session.error
print("own:", *sorted({row.name for row in session.profile.functions()}))
"""


def test_a_script_profiles_another_process_and_itself(target: Target) -> None:
    command = [sys.executable, "-P", "-c", SCRIPT, str(target.pid)]
    ran = subprocess.run(
        command, env=module_environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "spin" in ran.stdout
    assert "own: <module>" in ran.stdout


# --- marimo -----------------------------------------------------------------------------------------------------------

MARIMO = """
import marimo
app = marimo.App()

@app.cell
def profiled():
    import nbspy
    session = nbspy.attach({pid}, rate=200, duration=1)
    profile = session.wait()
    profile
    return nbspy, profile

@app.cell
def dumped(nbspy):
    nbspy.dump({pid})
    return

@app.cell
def table(profile):
    profile.top(5)
    return

if __name__ == "__main__":
    app.run()
"""


@pytest.mark.skipif(
    importlib.util.find_spec("marimo") is None, reason="marimo is not installed: pip install nbspy[marimo]"
)
def test_marimo_shows_profiles_and_dumps(target: Target, tmp_path: Path) -> None:
    notebook, page = tmp_path / "notebook.py", tmp_path / "page.html"
    notebook.write_text(MARIMO.format(pid=target.pid))
    state: dict[str, Any] = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "marimo", "export", "html", "--no-sandbox", str(notebook), "-o", str(page)]
    ran = subprocess.run(
        command,
        env=module_environment() | {**state, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    shown = page.read_text()
    assert shown.count("spin") >= 2
    assert "Traceback" not in shown
