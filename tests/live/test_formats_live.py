"""A real recording through the shell in every format: each file is there and has the target's function in it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbspy
from nbspy import exporters

from .interpreters import Interpreter, Target, start_target
from .test_shell import run


@pytest.fixture
def target(current_interpreter: Interpreter) -> Iterator[Target]:
    with start_target(current_interpreter.path, "shell_target.py") as started:
        yield started


def test_given_a_target_when_recorded_then_every_format_has_its_function(target: Target, tmp_path: Path) -> None:
    recorded = run("record", "-p", target.pid, "-d", 0.5, "-o", tmp_path / "run.nbspy")
    assert recorded.returncode == 0, recorded.stderr
    assert nbspy.load(tmp_path / "run.nbspy").hello.pid == target.pid
    for name in exporters.names():
        if name == "nbspy":
            continue
        answer = run("convert", tmp_path / "run.nbspy", "-f", name)
        assert answer.returncode == 0, answer.stderr
        path = tmp_path / f"run{exporters.get(name).suffix}"
        data = path.read_bytes()
        if name == "html":
            assert nbspy.load(path).top(1)[0].name == "spin"
        else:
            assert b"spin" in (gzip.decompress(data) if name == "pprof" else data)


def test_given_a_target_when_recorded_as_a_flame_graph_then_the_suffix_is_enough(
    target: Target, tmp_path: Path
) -> None:
    assert run("record", "-p", target.pid, "-d", 0.3, "-o", tmp_path / "x.svg").returncode == 0
    assert b"<title>spin (shell_target.py:" in (tmp_path / "x.svg").read_bytes()
