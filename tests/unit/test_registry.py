"""The registry of formats: which there are, how a name or a suffix finds one, and those of other packages."""

from __future__ import annotations

import io
from importlib.metadata import EntryPoint
from typing import BinaryIO

import pytest

from nbspy import exporters
from nbspy.errors import NbspyError, UsageError
from nbspy.exporters.format import Exporter
from nbspy.model.profile import Profile
from nbspy.options import ContentOptions
from tests.unit.streams import Run, profile_of

NAMES = ["nbspy", "collapsed", "flamegraph", "html", "speedscope", "chrometrace", "gecko", "pprof", "pstats", "jsonl"]


def write_count(profile: Profile, stream: BinaryIO, options: ContentOptions) -> None:
    stream.write(str(profile.thread_sample_count).encode())


COUNT = Exporter("count", ".count", "how many", write_count)
NO_EXPORTER = object()


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make entry points of other packages: a good one, one that would take the place of ours, and broken ones."""
    points = [
        EntryPoint(name, f"{__name__}:{attribute}", exporters.ENTRY_POINTS)
        for name, attribute in (("count", "COUNT"), ("html", "COUNT"), ("odd", "NO_EXPORTER"), ("gone", "MISSING"))
    ]
    monkeypatch.setattr(exporters, "entry_points", lambda group: points if group == exporters.ENTRY_POINTS else [])


def test_the_formats_are() -> None:
    assert exporters.names() == NAMES
    assert [exporters.get(name).name for name in NAMES] == NAMES


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.nbspy", "nbspy"),
        ("x/a.b.TXT", "collapsed"),
        ("a.svg", "flamegraph"),
        ("a.htm", "html"),
        ("a.speedscope.json", "speedscope"),
        ("a.trace.json", "chrometrace"),
        ("a.gecko.json", "gecko"),
        ("a.pb.gz", "pprof"),
        ("a.prof", "pstats"),
        ("a.jsonl", "jsonl"),
    ],
)
def test_given_a_suffix_then_it_names_the_format(path: str, name: str) -> None:
    assert exporters.for_path(path).name == name


@pytest.mark.parametrize("path", ["a.json", "a", "svg", "a.gz", ".profile"])
def test_given_a_suffix_of_no_format_then_the_suffixes_are_listed(path: str) -> None:
    with pytest.raises(UsageError, match=r"does not tell the format: give --format, or a name in \.nbspy"):
        exporters.for_path(path)


@pytest.mark.usefixtures("plug_in")
def test_given_a_plug_in_then_its_format_is_one_of_them() -> None:
    assert exporters.names() == [*NAMES, "count", "gone", "odd"]
    stream = io.BytesIO()
    exporters.get("count").write(profile_of(Run("a", count=7)), stream, ContentOptions())
    assert stream.getvalue() == b"7"
    assert exporters.get("html") is not COUNT, "none of ours is replaced"


@pytest.mark.usefixtures("plug_in")
def test_given_a_broken_plug_in_then_it_is_named_and_the_others_work() -> None:
    with pytest.raises(NbspyError, match=r"the format gone of tests\.unit\.test_registry:MISSING cannot be loaded"):
        exporters.get("gone")
    with pytest.raises(NbspyError, match=r"odd .* is no Exporter but a object"):
        exporters.get("odd")
    assert exporters.for_path("a.svg").name == "flamegraph"
    with pytest.raises(UsageError, match=r"'jpeg'.*count"):
        exporters.get("jpeg")
