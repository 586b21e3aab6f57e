"""The shell's commands on files."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

import nbspy
from nbspy import cli
from tests.unit.streams import Run, profile_of

SMALL = Path(__file__).parents[1] / "data" / "small.nbspy"
Shell = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def shell(capsysbinary: pytest.CaptureFixture[bytes]) -> Shell:
    def run(*arguments: object) -> tuple[int, str, list[str]]:
        status = cli.main([str(argument) for argument in arguments])
        out, err = capsysbinary.readouterr()
        return status, out.decode(), err.decode().splitlines()

    return run


def test_given_a_format_when_converted_then_the_file_lies_beside(shell: Shell, tmp_path: Path) -> None:
    source = tmp_path / "run.nbspy"
    source.write_bytes(SMALL.read_bytes())
    status, out, err = shell("convert", source, "-f", "speedscope", "-i")
    assert (status, out) == (0, "")
    assert err == [f"nbspy: 20 samples of 2 threads, written to {tmp_path / 'run.speedscope.json'}"]
    assert shell("convert", tmp_path / "run.speedscope.json", "-o", tmp_path / "again.pb.gz", "-i")[0] == 0
    assert nbspy.load(tmp_path / "again.pb.gz").thread_sample_count == 20


def test_given_a_dash_when_converted_then_it_goes_to_standard_output(shell: Shell) -> None:
    status, out, err = shell("convert", SMALL, "-f", "raw", "-o", "-", "--function")
    assert (status, err) == (0, [])
    assert "Thread.run (threading.py:1);work (data.py:1) 2" in out.splitlines()


def test_given_a_recording_that_is_cut_then_it_is_converted_and_said(shell: Shell, tmp_path: Path) -> None:
    source = tmp_path / "cut.nbspy"
    source.write_bytes(SMALL.read_bytes()[:-5])
    status, _, (warning, outcome) = shell("convert", source, "-f", "pstats")
    assert status == 0
    assert warning.startswith(f"nbspy: {source}: This recording is cut short")
    assert outcome.endswith("cut.pstats")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["convert", SMALL], 2, "no format is given: give --format, one of nbspy, collapsed"),
        (["convert", SMALL, "-o", "x.json"], 2, "does not tell the format"),
        (["convert", SMALL, "-f", "jpeg"], 2, "no format is called 'jpeg'"),
        (["convert", SMALL, "-f", "nbspy"], 2, "would be written over itself"),
        (["convert", "missing.nbspy", "-f", "html"], 1, "cannot read missing.nbspy: No such file"),
        (["convert", __file__, "-f", "html"], 1, "the file is in no format that is known here"),
        (["convert", SMALL, "-o", "no/folder/x.svg"], 1, "cannot write no/folder/x.svg: No such file"),
        (["compare", SMALL], 2, "AFTER"),
        (["compare", SMALL, SMALL, "-n", "0"], 2, "--limit 0"),
        (["view", "missing"], 1, "cannot read missing"),
    ],
    ids=str,
)
def test_given_what_cannot_be_done_then_one_line_says_why(
    shell: Shell, arguments: list[object], status: int, words: str
) -> None:
    answer = shell(*arguments)
    assert (answer[0], answer[1], len(answer[2])) == (status, "", 1)
    assert words in answer[2][0]


def test_given_two_recordings_when_compared_then_the_table_is_plain_in_a_pipe(shell: Shell, tmp_path: Path) -> None:
    before, after = tmp_path / "a.nbspy", tmp_path / "b.nbspy"
    profile_of(Run("main;slow", count=300), Run("main;rest", count=100)).save(before)
    profile_of(Run("main;rest", count=100)).save(after)
    status, out, err = shell("compare", before, after, "-n", 2)
    assert (status, err) == (0, [])
    lines = out.splitlines()
    assert lines[0].startswith("before: python demo.py")
    assert "2 changed clearly: *, 1 more are not shown" in out
    assert [line.split()[-2] for line in lines if line.endswith("demo.py:1")] == ["rest", "slow"]
    assert "\x1b" not in out


def test_given_a_file_when_viewed_then_a_page_is_written_and_opened(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: bool(opened.append(url)) or True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert shell("view", SMALL)[0] == 0
    (page,) = tmp_path.glob("nbspy-*/small.html")
    assert opened == [page.as_uri()]
    assert nbspy.load(page).thread_sample_count == 20
    status, _, err = shell("view", SMALL, "--no-browser", "-o", tmp_path / "x.html")
    assert (status, err) == (0, [f"nbspy: written to {tmp_path / 'x.html'}"])
    assert len(opened) == 1
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    assert "no browser was found; open" in shell("view", SMALL)[2][0]
