"""The source that goes along with a session: which lines, how much, and from where."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

import nbspy
from nbspy.model.builder import profile_from_stream
from nbspy.model.encoding import stream_of
from nbspy.model.profile import Profile
from nbspy.source_texts import MAX_LETTERS, SessionSources, SourceTexts, function_lines
from tests.notebook.synthetic import GIL, Function, StreamBuilder

LINES = textwrap.dedent(
    """\
    import os

    @cached
    def first(
        argument,
    ):
        for one in argument:

            use(one)
        return 1

    def second():
        pass
    """
).splitlines()


@pytest.mark.parametrize(
    ("first_line", "seen", "lines"),
    [
        (3, [9], range(3, 11)),
        (4, [7], range(4, 11)),
        (12, [13], range(12, 14)),
        (7, [9], range(7, 10)),
        (12, [99], range(12, 14)),
        (0, [3], range(0)),
        (40, [41], range(0)),
    ],
)
def test_given_a_function_then_its_lines_are_all_of_it_and_no_more(
    first_line: int, seen: list[int], lines: range
) -> None:
    if first_line == 3:
        # A decorator stands as far out as what it decorates: the last line seen is the least.
        assert set(function_lines(LINES, first_line, seen)) >= set(range(3, 10))
    else:
        assert function_lines(LINES, first_line, seen) == lines


def profile_of(*functions: tuple[Function, int]) -> Profile:
    builder = StreamBuilder()
    stream = builder.hello() + builder.threads(["MainThread"])
    for i, (function, line) in enumerate(functions):
        builder.run(0, [function.at(line)], GIL, i * 10, 10)
    return profile_from_stream(stream + builder.flush())


FIRST = Function("first", "/srv/a.py", 4)
SECOND = Function("second", "/srv/a.py", 12)


def test_given_a_profile_that_grows_then_each_line_is_sent_once() -> None:
    asked: list[str] = []

    def lines_of(file: str) -> list[str]:
        asked.append(file)
        return LINES

    texts = SourceTexts(lines_of)
    assert texts.collect(profile_of((FIRST, 7))) == [("/srv/a.py", 4, "\n".join(LINES[3:10]))]
    assert texts.collect(profile_of((FIRST, 7), (FIRST, 9), (SECOND, 13))) == [
        ("/srv/a.py", 12, "def second():\n    pass")
    ]
    assert asked == ["/srv/a.py"]


def test_given_more_source_than_is_sent_then_it_ends_at_the_bound() -> None:
    texts = SourceTexts(lambda file: ["def f():"] + ["    " + "x" * 390] * 399)
    functions = [(Function("f", f"/srv/{i}.py", 1), 2) for i in range(10)]
    rows = texts.collect(profile_of(*functions))
    assert 1 <= len(rows) < 10
    assert sum(len(text) for _, _, text in rows) <= MAX_LETTERS


def test_given_sources_then_a_profile_keeps_them_and_its_stream_has_them_again() -> None:
    from nbspy import wire

    builder = StreamBuilder()
    stream = builder.hello() + builder.threads(["MainThread"])
    builder.run(0, [FIRST.at(7)], GIL, 0, 10)
    rows = [("/srv/a.py", 4, "def first(\n    argument"), ("/srv/a.py", 9, "\n")]
    profile = profile_from_stream(stream + builder.flush() + wire.encode(wire.Sources(0, rows)))
    assert profile.sources == {"/srv/a.py": {4: "def first(", 5: "    argument", 9: "", 10: ""}}
    assert profile_from_stream(stream_of(profile)).sources == profile.sources
    assert profile.select(states="gil").sources == profile.sources


@pytest.mark.live
def test_given_this_process_then_the_source_of_what_it_runs_is_sent(tmp_path: Path) -> None:
    with nbspy.profile(recording=False) as session:
        while session.sample_count < 5:
            sum(range(1000))
        sources = SessionSources(session)
        assert sources.step() == b""
    assert "while session.sample_count < 5:" in "\n".join(session.profile.sources[os.path.realpath(__file__)].values())
