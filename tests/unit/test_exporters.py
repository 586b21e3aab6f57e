"""The formats: what is written is compared with what should be, readable as it stands."""

from __future__ import annotations

import io

import pytest

from nbspy import exporters
from nbspy.errors import UsageError
from nbspy.model.profile import Profile
from nbspy.options import ContentOptions
from nbspy.wire import State
from tests.unit.streams import Run, profile_of

ACTIVE, GIL, IDLE = int(State.ACTIVE), int(State.ACTIVE | State.GIL), 0

PROFILE_RUNS = (
    Run("main@app.py:3;Worker.run@lib.py:9", count=2, state=GIL),
    Run("main@app.py:3;Worker.run@lib.py:12", count=3, state=ACTIVE),
    Run("main@app.py:4;wait@lib.py:30", count=5, state=IDLE),
    Run("main@app.py:3;Worker.run@lib.py:9", count=7, thread=1, state=GIL),
    Run("", count=4, thread=1),
)


def written(profile: Profile, name: str = "collapsed", **options: bool) -> list[str]:
    stream = io.BytesIO()
    exporters.get(name).write(profile, stream, ContentOptions(**options))
    text = stream.getvalue().decode("utf-8")
    assert text.endswith("\n") or not text
    return text.splitlines()


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({}, ["main (app.py:3);Worker.run (lib.py:12) 3", "main (app.py:3);Worker.run (lib.py:9) 9"]),
        ({"gil": True}, ["main (app.py:3);Worker.run (lib.py:9) 9"]),
        (
            {"idle": True},
            [
                "main (app.py:3);Worker.run (lib.py:12) 3",
                "main (app.py:3);Worker.run (lib.py:9) 9",
                "main (app.py:4);wait (lib.py:30) 5",
            ],
        ),
        ({"function": True}, ["main (app.py:1);Worker.run (lib.py:1) 12"]),
        ({"nolineno": True}, ["main (app.py);Worker.run (lib.py) 12"]),
        ({"full_filenames": True, "gil": True}, ["main (/src/app.py:3);Worker.run (/src/lib.py:9) 9"]),
        (
            {"threads": True, "gil": True},
            [
                "thread (1000): MainThread;main (app.py:3);Worker.run (lib.py:9) 2",
                "thread (1001);main (app.py:3);Worker.run (lib.py:9) 7",
            ],
        ),
    ],
    ids=str,
)
def test_given_options_then_the_collapsed_stacks_are(options: dict[str, bool], lines: list[str]) -> None:
    assert written(profile_of(*PROFILE_RUNS, threads=("MainThread", "")), **options) == lines


def test_given_names_with_separators_then_each_stack_stays_one_line_of_its_frames() -> None:
    profile = profile_of(Run("a\nb\x1b@x\r.py;c"), threads=("t;1",))
    object.__setattr__(profile.tables, "strings", [s.replace("c", "c;d") for s in profile.tables.strings])
    (line,) = written(profile, threads=True)
    assert line == "thread (1000): t\\x3b1;a\\nb\\x1b (x\\r.py:1);c\\x3bd (demo.py:1) 1"


def test_given_no_samples_then_the_file_is_empty() -> None:
    assert written(profile_of(Run("a", state=IDLE))) == []


def test_given_an_unknown_format_then_the_known_are_listed() -> None:
    with pytest.raises(UsageError, match=r"--format.*'jpeg'.*collapsed"):
        exporters.get("jpeg")
    assert exporters.get("raw") is exporters.get("collapsed")
