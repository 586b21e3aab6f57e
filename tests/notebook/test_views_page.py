"""The explorer's views and actions in a real browser, on streams whose numbers are known. Few pages, many looks."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

import pytest

from nbspy import wire
from nbspy.importers import speedscope
from nbspy.model.builder import profile_from_stream
from nbspy.wire import State
from tests.notebook.replay import Replay
from tests.notebook.simple_page import chart_point, mirror, simple_stream, wait_for, wait_for_text
from tests.notebook.synthetic import GIL, RUNNING, Function, StreamBuilder

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

RUN_CELL = Function("run_cell", "/usr/lib/python3.13/shell.py", 5, "shell")
CELL = Function("<module>", "/tmp/ipykernel_9/77.py", 1)
WALK = Function("walk", "/srv/tree.py", 2, "tree", "Tree.walk")
LEAF = Function("leaf", "/srv/tree.py", 8, "tree")
SOURCE = "import os\ndef walk(self, <b>):\n    if self:\n\n        walk(self.next)\n    leaf()\n\ndef leaf():\n    pass"


def recursive_stream() -> list[bytes]:
    """One second: a cell that recurses through walk twice, then is in leaf; with its labels and its source."""
    builder = StreamBuilder()
    pieces = [builder.hello("python -m ipykernel_launcher", 9) + builder.threads(["MainThread"])]
    pieces.append(wire.encode(wire.Labels(0, [(CELL.file, "In[3]")])))
    base = [RUN_CELL.at(6), CELL.at(1), WALK.at(6)]
    builder.run(0, [*base, LEAF.at(9)], GIL, 0, 400, 40)
    builder.run(0, [*base[:2], WALK.at(5), WALK.at(6), LEAF.at(9)], GIL, 400, 300, 30)
    builder.run(0, [*base[:2], WALK.at(5)], RUNNING, 700, 300, 30)
    sources = wire.encode(wire.Sources(0, [("/srv/tree.py", 1, SOURCE)]))
    return [*pieces, builder.flush() + builder.status(1000, 100) + sources, builder.end(1000)]


def keys(page: Page, *names: str) -> None:
    for name in names:
        page.keyboard.press(name)


def open_tab(root: Locator, name: str) -> None:
    root.get_by_role("tab", name=name).click()


def compare_with(replay: Replay, stream: bytes) -> None:
    """Send the stream of another profile, as the kernel does for ``explorer.compare``."""
    send = "([data, total]) => host.receive({type: 'compare', offset: 0, total}, data)"
    replay.page.evaluate(send, [base64.b64encode(stream).decode("ascii"), len(stream)])


def menu_item(root: Locator, name: str) -> Locator:
    return root.get_by_role("menu").get_by_role("menuitem", name=re.compile("^" + name))


def rows(root: Locator, table: str) -> list[str]:
    found = root.locator(f"{table} tbody tr:not(.nbspy-gap)").all()
    return [
        " ".join(row.locator("td:visible").all_inner_texts()).replace("\u202f", " ").replace("\n", " ") for row in found
    ]


def test_given_the_tabs_then_each_shows_the_same_samples_its_own_way(replay: Replay) -> None:
    root, page = replay.root, replay.page
    open_tab(root, "Callers")
    wait_for_text(root.locator(".nbspy-mirror"), "decode.*60.%.*step.*40.%.*load.*60.%")
    assert mirror(replay)["main"] == "60 %"  # below decode; below step it has 40
    page.mouse.click(*chart_point(replay, 0.3, 1))
    wait_for(root, "data-zoom", "load")
    open_tab(root, "Functions")
    named = root.locator(".nbspy-functions .nbspy-link")
    assert named.all_inner_texts() == ["decode", "step", "main", "load"]
    root.get_by_role("button", name="Total").click()
    assert rows(root, ".nbspy-functions")[0].startswith("main app.py:3 0 s0 % 1.00 s100 % 100")
    root.locator(".nbspy-search").fill("images.py")
    assert named.all_inner_texts() == ["decode"]
    root.locator(".nbspy-search").fill("")
    root.locator(".nbspy-functions .nbspy-link", has_text="load").click()
    wait_for(root, "data-tab", "sandwich")
    wait_for_text(root.locator(".nbspy-crumbs"), "load.*total 60.% · self 0.%")
    wait_for_text(root.locator(".nbspy-mirror"), "load.*100.%.*decode.*100.%")
    assert root.locator(".nbspy-sandwich .nbspy-chart").count() == 2
    open_tab(root, "Over time")
    wait_for_text(root.locator(".nbspy-mirror"), "main.*load.*step")
    root.locator(".nbspy-chart").focus()
    keys(page, "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight")
    wait_for_text(root.locator("[aria-live]"), "^load, ")  # the calls alternate: load, step, load
    page.keyboard.press("Enter")
    wait_for_text(root.locator(".nbspy-crumbs"), r"0\.\d00 – 0\.\d20 s")
    keys(page, "Escape")
    wait_for_text(root.locator(".nbspy-crumbs"), "^(?!.*–).*worker")


def test_given_the_menu_of_a_frame_then_stacks_change_their_shape_and_undo_brings_them_back(replay: Replay) -> None:
    root, page = replay.root, replay.page
    page.mouse.click(*chart_point(replay, 0.3, 1), button="right")
    menu_item(root, "Focus").click()
    wait_for_text(root.locator(".nbspy-chips"), "focus load")
    wait_for_text(root.locator(".nbspy-mirror"), "^(?!.*main)(?!.*step).*load.*600.ms.*100.%.*decode")
    root.locator(".nbspy-chart").focus()
    page.keyboard.press("u")
    wait_for_text(root.locator(".nbspy-mirror"), "main.*load.*step")
    page.keyboard.press("U")
    wait_for_text(root.locator(".nbspy-chips"), "focus load")
    page.keyboard.press("Control+z")
    for item, text in [
        ("Hide", "^(?!.*load).*main.*decode"),
        ("Drop", "^(?!.*decode).*step.*40"),
        ("Collapse what", "load.*600"),
    ]:
        keys(page, "Home", "ArrowDown", "m")
        menu_item(root, item).wait_for()
        menu_item(root, item).click()
        wait_for_text(root.locator(".nbspy-mirror"), text)
        root.locator(".nbspy-chart").focus()
        page.keyboard.press("u")
    keys(page, "Home", "m")
    menu_item(root, "Collapse app").click()
    wait_for_text(root.locator(".nbspy-mirror"), r"app \(package\).*1\.00.s.*decode")
    root.locator(".nbspy-chip", has_text="package app").click()
    wait_for_text(root.locator(".nbspy-mirror"), "main.*load")


def test_given_a_cell_that_recurses_then_machinery_recursion_and_source_are_told(page: Page) -> None:
    replay = Replay(page)
    replay.send_all(recursive_stream())
    root = replay.root
    wait_for_text(root.locator(".nbspy-chips"), "machinery hidden")
    wait_for_text(root.locator(".nbspy-mirror"), "^(?!.*run_cell).*<module>.*walk.*walk")
    wait_for_text(root.locator(".nbspy-threads-panel"), "MainThread.*running · walk")
    lanes = root.locator(".nbspy-timeline")
    lanes.hover(position={"x": 300, "y": 10})
    wait_for_text(root.get_by_role("tooltip"), "holds GIL.*In(walk|leaf)  tree.py")
    lanes.hover(position={"x": 900, "y": 10})
    wait_for_text(root.get_by_role("tooltip"), "running for 300.ms.*Inwalk  tree.py:2")
    page.mouse.move(*chart_point(replay, 0.1, 1))
    wait_for_text(root.get_by_role("tooltip"), r"Tree\.walk.*Everywhere1\.00.s100.%in 2 places")
    root.get_by_role("button", name="Options of the view").click()
    options = root.get_by_role("dialog", name="Options of the view")
    options.get_by_label("Hide the notebook's machinery").uncheck()
    options.get_by_label("Fold recursion").check()
    wait_for_text(root.locator(".nbspy-mirror"), r"run_cell.*walk.*1\.00.s.*leaf.*700.ms")
    for color in ("file", "function", "state", "thread", "self"):
        options.get_by_label("Colour by").select_option(color)
    page.keyboard.press("Escape")
    options.wait_for(state="hidden")
    open_tab(root, "Functions")
    root.locator(".nbspy-functions tr", has_text="walk").locator("td >> nth=0").click(button="right")
    menu_item(root, "Source").click()
    wait_for(root, "data-tab", "source")
    lines = rows(root, ".nbspy-source")
    assert [line.split()[0] for line in lines] == ["2", "3", "4", "5", "6"]
    assert lines[0].endswith("def walk(self, <b>):")
    assert lines[3].split("  ")[0].startswith("5 30 % 60 %")  # own time, and calling itself
    assert lines[4].startswith("6  70 %")
    open_tab(root, "Merged")


def test_given_settings_then_they_are_kept_in_the_model_and_python_can_set_them(replay: Replay) -> None:
    root, page = replay.root, replay.page
    open_tab(root, "Callers")
    page.wait_for_function("() => host.model.traits.view?.tab === 'callers'")
    kept = page.evaluate("() => host.model.traits.view")
    assert kept["threads"] == [0]
    assert kept["by_view"]
    page.evaluate("() => host.render()")
    again = page.locator(".nbspy-explorer").nth(1)
    wait_for(again, "data-tab", "callers")
    assert again.locator("tr.nbspy-selected").count() == 1
    focus = {"do": "focus", "what": {"name": "load", "file": "", "line": 0}}
    by_python = {"rules": [focus], "tab": "merged", "query": "dec", "set": 7}
    page.evaluate("(view) => host.model.set('view', view)", by_python)
    wait_for_text(again.locator(".nbspy-mirror"), "^(?!.*main).*load.*decode")
    wait_for_text(page.locator(".nbspy-found").nth(0), "1 · 100.%")
    open_tab(page.locator(".nbspy-explorer").nth(0), "Functions")
    # What a view writes says how much it knew of what Python had set.
    page.wait_for_function("() => host.model.traits.view.tab === 'functions' && host.model.traits.view.set === 7")
    nowhere = {"do": "focus", "what": {"name": "nowhere", "file": "", "line": 0}}
    page.evaluate("(view) => host.model.set('view', view)", {"rules": [nowhere], "threads": [1]})
    wait_for_text(again.locator(".nbspy-message"), "Nothing here.*functions in focus")
    again.get_by_role("button", name="Show everything").click()
    wait_for_text(again.locator(".nbspy-mirror"), "main.*poll")
    page.evaluate("(view) => host.model.set('view', view)", {"tab": 7, "rules": "x", "time": [5, 1], "zoom": [3]})
    wait_for_text(again.locator(".nbspy-mirror"), "main.*poll")


def test_given_another_profile_then_more_less_new_and_gone_are_told(replay: Replay) -> None:
    root, page = replay.root, replay.page
    builder = StreamBuilder()
    before = builder.hello("python old.py", 8) + builder.threads(["worker"])
    main, load = Function("main", "/srv/app.py", 4, "app"), Function("load", "/srv/app.py", 12, "app")
    gone = Function("gone", "/srv/app.py", 50, "app")
    builder.run(0, [main.at(5), load.at(13)], GIL, 0, 200, 20)
    builder.run(0, [main.at(6), gone.at(51)], GIL, 200, 800, 80)
    before += builder.flush() + builder.end(1000)
    compare_with(replay, before)
    wait_for(root, "data-tab", "compare")
    wait_for_text(root.locator(".nbspy-mirror"), "main.*load20.%60.%.40.%.*gone80.%0.%.80.%.*step0.%40.%.40.%")
    page.mouse.move(*chart_point(replay, 0.05, 1))
    wait_for_text(root.get_by_role("tooltip"), "gone.*Before80.%Now0.%Change−80.% gone|load.*Before20")
    wait_for_text(root.locator(".nbspy-crumbs"), "since old.py, pid 8.*more.*less.*new.*gone")
    open_tab(root, "Functions")
    wait_for_text(root.locator(".nbspy-crumbs"), "5 functions.*changes since old.py, pid 8")
    root.get_by_role("button", name="Change").click()
    changed = root.locator(".nbspy-functions tbody tr:not(.nbspy-gap)").all()
    assert [row.locator(".nbspy-link, .nbspy-col-change").all_inner_texts() for row in changed] == [
        ["decode", "+60\u202f% new"],
        ["step", "+40\u202f% new"],
        ["main", "±0.0\u202f%"],
        ["load", "−20\u202f%"],
        ["gone", "−80\u202f% gone"],
    ]
    root.locator(".nbspy-search").fill("gone")  # a function of the other profile alone
    wait_for_text(root.locator(".nbspy-found"), "1 ·")
    root.locator(".nbspy-functions tr", has_text="gone").locator("td >> nth=0").click(button="right")
    menu_item(root, "Copy the stack").wait_for()
    page.keyboard.press("Escape")
    root.locator(".nbspy-search").fill("")
    open_tab(root, "Difference")
    page.evaluate("() => host.receive({type: 'compare', offset: 0, total: 0}, '')")
    wait_for(root, "data-tab", "merged")
    assert root.get_by_role("tab", name="Difference").is_hidden()


def test_given_the_menu_of_the_view_then_what_is_saved_can_be_read(replay: Replay, tmp_path: Path) -> None:
    root, page = replay.root, replay.page
    page.evaluate(
        "() => { window.copied = []; document.execCommand = () => copied.push(document.activeElement.value); }"
    )

    def saved(item: str, note: str) -> bytes:
        root.get_by_role("button", name="Save and compare").click()
        with page.expect_download() as download:
            root.get_by_role("menuitem", name=item).filter(has_text=note).click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        return file.read_bytes()

    assert profile_from_stream(saved("Save the recording", ".nbspy")).thread_sample_count == 200
    scope = saved("Save what is seen for speedscope", ".json")
    document = json.loads(scope)
    assert [one["name"] for one in document["profiles"]] == ["worker"]
    assert sum(document["profiles"][0]["weights"]) == 1_000_000
    assert {frame["name"] for frame in document["shared"]["frames"]} == {"main", "load", "decode", "step"}
    assert speedscope.SPEEDSCOPE.read(scope).duration_ns == 10**9
    assert saved("Save the picture", ".png").startswith(b"\x89PNG")
    svg = saved("Save the picture", ".svg").decode()
    assert svg.startswith("<svg")
    assert all(f">{name}</text>" in svg for name in ("main", "load", "decode", "step"))
    html = saved("Save as a page", ".html").decode()
    page.goto("about:blank")
    page.set_content(html)
    wait_for(page.locator(".nbspy-explorer"), "data-samples", "200")
    assert page.locator("tr.nbspy-selected").count() == 1  # the page is as the view was


def test_given_long_names_that_begin_alike_then_their_ends_are_seen(page: Page) -> None:
    replay = Replay(page, width="700px")
    builder = StreamBuilder()
    stream = builder.hello("python app.py", 99) + builder.threads(["MainThread", "pool"])
    names = [f"{'a_name_that_goes_on_' * 5}{end}" for end in ("decoding", "encoding")]
    stack = [Function(name, "/srv/app.py", 3 + i, "app").at(4) for i, name in enumerate(names)]
    builder.run(0, stack, GIL, 0, 1000, 100)
    builder.run(1, stack[:1], State(0), 0, 1000, 100)
    replay.send_all([stream + builder.flush() + builder.status(1000, 100), builder.end(1000)])
    root = replay.root
    inside = """([one, box]) => { const [own, all] = [one, box].map((each) => each.getBoundingClientRect());
        return own.width > 0 && own.left >= all.left && own.right <= all.right + 0.5; }"""

    def is_seen(part: Locator, place: Locator) -> bool:
        return bool(part.evaluate("(one, [inside, box]) => eval(inside)([one, box])", [inside, place.element_handle()]))

    ends = root.locator(".nbspy-hot .nbspy-tail")
    wait_for_text(root.locator(".nbspy-hot"), "decoding.*encoding")
    assert ends.all_text_contents() == ["decoding", "encoding"]
    assert all(is_seen(end, root.locator(".nbspy-hot")) for end in ends.all())
    page.evaluate("() => host.model.set('view', {tab: 'functions'})")
    wait_for_text(root.locator(".nbspy-functions"), "encoding")
    cells = root.locator(".nbspy-functions td.nbspy-col-name")
    assert all(is_seen(cell.locator(".nbspy-tail"), cell) for cell in cells.all() if cell.is_visible())
    # However narrow it is: what a click on a chip does.
    root.evaluate("(element) => { element.parentElement.style.width = '150px'; }")
    wait_for(root, "data-width", "tiny")
    chip = root.locator(".nbspy-chip")
    assert "1 idle thread left out · show" in (chip.text_content() or "")
    assert is_seen(chip.locator(".nbspy-chip-sign"), chip)
    assert is_seen(chip, root)


def test_given_a_pause_then_the_picture_stands_still_and_catches_up(page: Page) -> None:
    replay = Replay(page)
    pieces = simple_stream(end=False)
    for piece in pieces[:3]:
        replay.send(piece)
    root = replay.root
    wait_for_text(root.locator(".nbspy-crumbs"), "400.ms")
    root.get_by_role("button", name="Pause the view").click()
    for piece in pieces[3:]:
        replay.send(piece)
    wait_for(root, "data-samples", "200")
    wait_for_text(root.locator(".nbspy-header"), "view paused.*GIL 60")
    root.get_by_role("button", name="GIL", exact=True).click()
    wait_for_text(root.locator(".nbspy-crumbs"), "240.ms")  # of what had been seen when it was paused
    root.get_by_role("button", name="Pause the view").click()
    wait_for_text(root.locator(".nbspy-crumbs"), "600.ms")


def test_given_wheel_and_drag_with_ctrl_then_the_chart_zooms_and_pans(replay: Replay) -> None:
    root, page = replay.root, replay.page
    x, y = chart_point(replay, 0.05, 1)
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    for _ in range(12):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    wait_for_text(root.locator(".nbspy-mirror"), "^(?!.*step).*load")
    page.mouse.move(x + 400, y)
    page.mouse.down()
    page.mouse.move(x, y, steps=4)
    page.mouse.up()
    assert root.get_attribute("data-zoom") == ""  # a drag is no click
    root.locator(".nbspy-chart").focus()
    keys(page, "Escape")
    wait_for_text(root.locator(".nbspy-mirror"), "main.*load.*step")
