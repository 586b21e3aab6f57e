"""Hostile names in all that is text: no escape sequence for a terminal, no markup but ours, everything bounded."""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from rich.console import Console

from nbspy import exporters
from nbspy.errors import NbspyError
from nbspy.exporters.html import page_html
from nbspy.model.profile import Profile
from nbspy.model.summary import headline
from nbspy.options import ContentOptions, DumpOptions
from nbspy.plain_text import printable
from nbspy.stack_trace import Dump
from nbspy.table import Column, Table
from nbspy.views.dump_view import dump_html, dump_rich, dump_text
from nbspy.views.page import frozen_html
from tests.unit import hostile

UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
OUR_ELEMENTS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "div",
    "section",
    "table",
    "caption",
    "thead",
    "tbody",
}
OUR_ELEMENTS |= {
    "main",
    "h1",
    "tr",
    "th",
    "td",
    "details",
    "summary",
    "iframe",
    "pre",
    "code",
    "span",
    "script",
    "p",
    "br",
    "b",
}
MANY = DumpOptions(locals=1, subprocesses=True)


@pytest.fixture(scope="module")
def profile() -> Profile:
    return hostile.profile()


@pytest.fixture(scope="module")
def dumps() -> list[Dump]:
    long = hostile.NAMES["script"] + hostile.NAMES["escape"] + hostile.NAMES["surrogates"]
    return [Dump(tuple(hostile.traces()), 1, long, "3.13.0")]


def on_a_terminal(shown: object) -> str:
    console = Console(file=io.StringIO(), width=200, color_system=None, legacy_windows=False)
    console.print(shown)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def check_text(text: str, most: int) -> None:
    found = UNPRINTABLE.search(text)
    assert found is None, f"{found.group()!r} after {text[max(0, found.start() - 40) : found.start()]!r}"
    assert len(text) <= most, "not bounded"
    text.encode("utf-8")


class Markup(HTMLParser):
    """Collects elements, and the attributes that would run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.running: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.running += [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]


def check_markup(text: str, most: int) -> None:
    check_text(text, most)
    found = Markup(text)
    assert found.elements <= OUR_ELEMENTS
    assert found.running == []


def test_summaries_and_tables_in_a_terminal_are_text(profile: Profile) -> None:
    name_lines = 60 * 3 * 4000
    check_text(profile.summary(), name_lines)
    check_text(headline(profile), 4000)
    check_text(str(profile.compare(profile)), name_lines)
    rows = [(name, name) for name in hostile.NAMES.values()]
    table = Table(hostile.NAMES["escape"], [Column(hostile.NAMES["rich"]), Column("b", number=True)], rows)
    check_text(table.text(), 10 * name_lines)
    assert "[bold red]x[/]" in on_a_terminal(table), "rich's markup is text too"
    check_text(on_a_terminal(table), 10 * name_lines)


def test_summaries_and_tables_as_markup_are_text(profile: Profile) -> None:
    check_markup(profile._repr_html_(), 1 << 21)
    check_markup(profile.compare(profile)._repr_html_(), 1 << 21)
    rows = [(name, name) for name in hostile.NAMES.values()]
    check_markup(Table(hostile.NAMES["script"], [Column("a"), Column("b")], rows).html(), 1 << 21)
    check_markup(re.sub(r"(?s)<script.*</script>", "", page_html(profile, b"")), 1 << 21)
    check_markup(
        re.sub(r'(?s) srcdoc=".*"', "", frozen_html(profile, b"", title=hostile.NAMES["double quote"])), 1 << 21
    )


def test_dumps_are_text(dumps: list[Dump]) -> None:
    for text in (dump_text(dumps, MANY), on_a_terminal(dump_rich(dumps, MANY))):
        check_text(text, 1 << 20)
    check_markup(dump_html(dumps, MANY), 1 << 21)


@pytest.mark.parametrize(
    "name",
    ["collapsed", "flamegraph", "speedscope", "chrometrace", "gecko", "jsonl", "pprof", "html", "nbspy", "pstats"],
)
def test_files_of_every_format_are_written_and_well_formed(profile: Profile, name: str) -> None:
    stream = io.BytesIO()
    exporters.get(name).write(profile, stream, ContentOptions(idle=True, full_filenames=True))
    data = stream.getvalue()
    assert len(data) < 64 << 20
    if name == "flamegraph":
        text = data.decode("utf-8")
        tree = ET.fromstring(text)
        scripts = [element for element in tree.iter() if element.tag.endswith("script")]
        assert len(scripts) == 1
        assert hostile.OWNED not in (scripts[0].text or "")
        handlers = {name for element in tree.iter() for name in element.attrib if name.startswith("on")}
        assert not any(hostile.OWNED in str(element.attrib.get(one)) for element in tree.iter() for one in handlers)
    elif name in ("speedscope", "chrometrace", "gecko"):
        json.loads(data)
    elif name == "jsonl":
        assert all(json.loads(line) for line in data.splitlines())
    elif name == "collapsed":
        check_text(data.decode("utf-8"), 64 << 20)


@pytest.mark.parametrize("name", list(hostile.NAMES))
def test_errors_are_one_clear_line_whatever_they_quote(name: str) -> None:
    check_text(printable(hostile.NAMES[name]), 8000)
    assert "\n" not in printable(str(NbspyError(hostile.NAMES[name], hostile.NAMES[name])))
