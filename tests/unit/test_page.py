"""The page is whole: its data reads back, nothing refers outside, and nothing in it escapes its place."""

from __future__ import annotations

import base64
import re
import zlib
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nbspy.errors import NbspyError
from nbspy.exporters import html as html_exporter
from nbspy.model.builder import profile_from_stream
from nbspy.model.profile import Profile
from nbspy.views import page
from tests.unit.streams import Run, StreamWriter

SCRIPT = 'const x = "</script><!-- </SCRIPT>"; // </Script'


class Elements(HTMLParser):
    """Collects start tags with attributes, and the text of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(autouse=True)
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "page.js").write_text(SCRIPT)
    monkeypatch.setattr(html_exporter, "files", lambda package: tmp_path)
    return tmp_path / "static" / "page.js"


@pytest.fixture
def profile() -> Profile:
    return StreamWriter(("<img src=x>",)).add([Run("main;</script><script>alert(1)", count=3)]).profile()


def test_given_a_profile_when_a_page_is_made_then_its_data_reads_back(profile: Profile) -> None:
    elements = Elements(page.page_html(profile))
    data, view, script = elements.scripts
    assert list(profile_from_stream(zlib.decompress(base64.b64decode(data))).stacks()) == list(profile.stacks())
    assert elements.named("script")[0] == {
        "type": "application/octet-stream",
        "id": "nbspy-data",
        "data-encoding": "deflate",
    }
    assert view == "{}"
    assert script == 'const x = "<\\/script><\\!-- <\\/SCRIPT>"; // <\\/Script'


def test_given_a_stream_at_hand_then_it_is_the_data(profile: Profile) -> None:
    data = Elements(page.page_html(profile, b"the stream")).scripts[0]
    assert zlib.decompress(base64.b64decode(data)) == b"the stream"


def test_given_hostile_names_then_the_page_has_only_its_own_elements(profile: Profile) -> None:
    html = page.page_html(profile, title="</title><script>x")
    elements = Elements(html)
    assert len(elements.scripts) == 3
    assert elements.named("img") == []
    [root] = [div for div in elements.named("div") if div.get("id") == "nbspy-root"]
    assert abs((datetime.fromisoformat(str(root["data-saved"])) - datetime.now(UTC)).total_seconds()) < 60
    assert not re.search(r"(src|href)=", html.replace(elements.scripts[0], "").replace("img src=x", ""))
    policy = elements.named("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"] == html_exporter.CONTENT_POLICY


def test_given_the_frozen_output_then_tables_come_first_and_the_frame_is_shut_in(profile: Profile) -> None:
    html = page.frozen_html(profile, title='a "title"', height_px=321)
    elements = Elements(html)
    tags = [name for name, _ in elements.tags]
    assert tags.index("table") < tags.index("iframe")
    (frame,) = elements.named("iframe")
    assert (frame["sandbox"], frame["title"]) == ("allow-scripts allow-downloads", 'a "title"')
    assert "height:321px" in str(frame["style"])
    inside = Elements(str(frame["srcdoc"]))
    assert len(inside.scripts) == 3
    assert inside.named("table") == []
    assert elements.scripts == []


def test_given_no_bundle_then_it_is_said_how_to_get_it(profile: Profile, bundle: Path) -> None:
    bundle.unlink()
    with pytest.raises(NbspyError, match=r"page\.js is missing.*npm run build"):
        page.page_html(profile)
