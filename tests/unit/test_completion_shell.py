"""The completion scripts, run by the shells themselves where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from nbspy import cli, exporters, observe
from nbspy.cli_completion import SHELLS

from .test_tables import Process


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    scripts = {}
    for shell in SHELLS:
        assert cli.main(["completion", shell]) == 0
        scripts[shell] = capsys.readouterr().out
    return scripts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose ``nbspy`` knows two processes."""
    command = tmp_path / "bin" / "nbspy"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\nprintf '4242\\tpython app: py\\n4310\\tpython other.py\\n17\\tpython x\\n'\n")
    command.chmod(0o755)
    return tmp_path


def complete_in_bash(script: str, folder: Path, *words: str) -> list[str]:
    """Return what bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in ("nbspy", *words))
    code = f'COMP_WORDS=({line}); COMP_CWORD={len(words)}; _nbspy; printf "%s\\n" "${{COMPREPLY[@]}}"'
    (folder / "script").write_text(script + code)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    answer = subprocess.run(
        ["bash", "--norc", "script"],
        cwd=folder,
        env={"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    return answer.stdout.split("\n")[:-1]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_given_bash_then_commands_options_formats_pids_and_files_complete(
    printed: dict[str, str], folder: Path
) -> None:
    def offered(*words: str) -> list[str]:
        return complete_in_bash(printed["bash"], folder, *words)

    assert offered("rec") == ["record", "recordings"]
    assert offered("record", "--f") == ["--function", "--full-filenames", "--format"]
    assert "--locals" in offered("dump", "--")
    assert offered("record", "-f", "") == exporters.names()
    assert offered("record", "--pid", "42") == ["4242"], "alone, only the pid is inserted"
    assert offered("top", "-p", "4") == ["4242  python app: py", "4310  python other.py"]
    assert offered("doctor", "17") == ["17"]
    assert offered("completion", "") == list(SHELLS)
    assert offered("view", "bi") == ["bin"]
    assert offered("record", "--rate", "x") == [""]
    assert "bash" in offered("record", "--", "bas")


def test_given_each_shell_then_its_script_has_every_command_and_option(printed: dict[str, str]) -> None:
    from nbspy import options

    for shell, script in printed.items():
        for option in (*options.RECORD, *options.TOP, *options.DUMP):
            for flag in option.flags:
                written = flag if shell != "fish" else f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                assert written in script, (shell, flag)
        for name in ("record", "top", "dump", "convert", "compare", "view", "processes", "doctor", "completion"):
            assert name in script
        assert "nbspy completion --pids" in script


@pytest.mark.parametrize("shell", SHELLS)
def test_given_a_shell_when_it_reads_its_script_then_it_has_no_complaint(
    printed: dict[str, str], tmp_path: Path, shell: str
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: apt-get install {shell}")
    path = tmp_path / "script"
    path.write_text(printed[shell])
    answer = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_given_processes_then_pids_are_printed_with_what_they_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observe, "processes", lambda: [Process()])
    assert cli.main(["completion", "--pids"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    pid, _, command = line.partition("\t")
    assert (int(pid), command[:6]) == (Process().pid, Process().command_line[:6])
    assert cli.main(["completion", "tcsh"]) == 2
    assert "there are scripts for bash, zsh, fish" in capsys.readouterr().err
    assert cli.main(["completion"]) == 2
