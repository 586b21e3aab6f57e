"""The built bundles as they are committed, the lock file behind them, and the golden stream they share with Python."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import string
import subprocess
import zlib
from pathlib import Path

import pytest

from nbspy.model.builder import profile_from_stream
from nbspy.model.call_tree import CallTree
from nbspy.model.profile import Profile

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "nbspy" / "static"
JS = ROOT / "js"
DATA = ROOT / "tests" / "data"
BUNDLES = ["widget.js", "page.js"]
MAX_BYTES = 80 * 1024
_LETTERS_OF_B85DECODE = "".join(
    (*string.digits, *string.ascii_uppercase, *string.ascii_lowercase, *"!#$%&()*+-;<=>?@^_`{|}~")
)


def packed_and_loader(name: str) -> tuple[str, str]:
    """Return the code deflated in a bundle, and the loader around it."""
    text = (STATIC / name).read_text(encoding="utf-8")
    (letters,) = re.findall(r'"(0123[^"]{81})"', text)
    ((data, length),) = re.findall(r'"([^"]{1000,})",(\d+)', text)
    # Neither HTML nor JSON escapes any of them.
    assert len(set(letters)) == 85
    assert not set("\"&'<>\\`$") & set(letters)
    standard = str.maketrans(letters, _LETTERS_OF_B85DECODE)
    deflated = base64.b85decode(data.translate(standard))[: int(length)]
    return zlib.decompress(deflated, wbits=-15).decode("utf-8"), text.replace(data, "")


@pytest.mark.parametrize("name", BUNDLES)
def test_given_a_bundle_then_it_is_small(name: str) -> None:
    assert 10_000 < (STATIC / name).stat().st_size <= MAX_BYTES


def test_given_the_widget_then_it_is_a_module_and_the_page_a_script() -> None:
    code, loader = packed_and_loader("widget.js")
    assert re.search(r"export\{\w+ as default\};?\s*$", loader)
    assert code.startswith(('"use strict";var nbspy=(()=>{', "var nbspy=(()=>{"))
    for page in packed_and_loader("page.js"):
        assert page.startswith(("(()=>{", '"use strict";(()=>{'))
        assert not re.search(r"\b(import|export)[\s{(]", page)


@pytest.mark.parametrize("name", BUNDLES)
def test_given_a_bundle_then_it_asks_no_network_and_makes_no_markup(name: str) -> None:
    for code in packed_and_loader(name):
        addresses = set(re.findall(r"\bhttps?://[^\s\"'`]+", code))
        # Names of a namespace and of a format, which nobody asks for.
        assert addresses <= {"http://www.w3.org/2000/svg", "https://www.speedscope.app/file-format-schema.json"}
        markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function\b"
        outside = r"\bfetch\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon|localStorage|document\.cookie"
        assert not re.findall(f"{markup}|{outside}", code)
        # A saved page asks the view whose place it takes, and that one answers (js/src/ui/handover.ts): nobody else.
        # Work in slices wakes itself through a channel of its own, and says nothing.
        assert code.count("postMessage") - code.count("postMessage(null)") <= 2
        assert code.count("postMessage(null)") <= 1


@pytest.mark.parametrize("name", BUNDLES)
def test_given_a_bundle_then_a_script_element_can_hold_it(name: str) -> None:
    code = (STATIC / name).read_text(encoding="utf-8")
    assert not re.search(r"</script|<!--", code, re.IGNORECASE)


def test_given_the_lock_file_then_everything_comes_whole_from_the_public_registry() -> None:
    packages = json.loads((JS / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    del packages[""]
    assert packages
    for name, package in packages.items():
        assert package.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/"), name
        assert package["integrity"].startswith("sha512-"), name


def test_given_the_sources_when_they_are_built_then_they_give_the_committed_bundles() -> None:
    node = shutil.which("node")
    if node is None or not (JS / "node_modules").is_dir():
        how = "the js tools are not installed: node 20 or newer, then `npm ci` in js/"
        if os.environ.get("CI") == "true":
            pytest.fail(how)
        pytest.skip(how)
    built = subprocess.run([node, "build.mjs", "--check"], cwd=JS, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr


def golden_sections() -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for line in (DATA / "js-training.folded").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = sections[line.strip("[]")] = []
        else:
            lines.append(line)
    return sections


def folded(profile: Profile, tree: CallTree, by_line: bool) -> list[str]:
    texts = [""] * len(tree)
    lines = []
    for row in range(1, len(tree)):
        frame = profile.frame(tree.frame[row])
        text = f"{frame.name} ({frame.short_file}:{frame.line if by_line else frame.first_line})"
        above = texts[tree.parent[row]]
        texts[row] = f"{above};{text}" if above else text
        if tree.self_ns[row]:
            lines.append(f"{texts[row]} {tree.self_samples[row]} {tree.self_ns[row] // 1000}")
    return sorted(lines)


@pytest.mark.parametrize("name", golden_sections())
def test_given_the_golden_stream_then_the_model_gives_what_the_browser_gives(name: str) -> None:
    profile = profile_from_stream((DATA / "js-training.nbspy").read_bytes())
    by, what, *values = name.split()
    if what in ("active", "gil"):
        profile = profile.select(states=what)
    elif what == "thread":
        profile = profile.select(threads=[profile.threads[int(values[0])]])
    elif what == "time":
        profile = profile.select(time=(int(values[0]) * 1000, int(values[1]) * 1000))
    tree = profile.call_tree(by="line" if by == "line" else "function")
    assert folded(profile, tree, by == "line") == sorted(golden_sections()[name])
