"""What an explorer is set to, from Python and back: the settings, and the selection that they make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nbspy.errors import UsageError
from nbspy.model.builder import profile_from_stream
from nbspy.model.profile import Profile
from nbspy.views.page import frozen_html
from nbspy.views.view_settings import selected
from nbspy.views.widget import Explorer, explore
from nbspy.wire import State
from tests.notebook.synthetic import GIL, IDLE, RUNNING, Function, StreamBuilder

IDLE_CASES = json.loads((Path(__file__).parents[1] / "data" / "idle-threads.json").read_text())["cases"]
MAIN = Function("main", "/srv/app.py", 3, "app", "App.main")
LOAD = Function("load", "/srv/app.py", 10, "app")
POLL = Function("poll", "/srv/poll.py", 1, "poll")


def made_profile() -> Profile:
    """Two threads, a second each: worker 600 ms in load with the GIL, then 400 ms in main; poller idle."""
    builder = StreamBuilder()
    stream = builder.hello("python app.py", 99) + builder.threads(["worker", "poller"])
    builder.run(0, [MAIN.at(4), LOAD.at(12)], GIL, 0, 600, 60)
    builder.run(0, [MAIN.at(5)], RUNNING, 600, 400, 40)
    builder.run(1, [POLL.at(2)], IDLE, 0, 1000, 100)
    return profile_from_stream(stream + builder.flush() + builder.end(1000))


@pytest.fixture
def explorer() -> Explorer:
    return explore(made_profile())


def test_given_an_explorer_then_its_selection_is_all_there_is_but_idle_threads(explorer: Explorer) -> None:
    assert explorer.view == {}
    assert explorer.selection.thread_sample_count == 100
    explorer.select(idle_threads=True)
    assert explorer.selection.thread_sample_count == 200
    explorer.select(states="idle")
    assert explorer.selection.thread_sample_count == 100
    assert explorer.height == 420


def test_given_threads_time_and_states_then_the_selection_has_just_those(explorer: Explorer) -> None:
    explorer.select(threads="worker", time=(0, 800_000_000), states="gil")
    assert explorer.view == {"threads": [0], "time": [0, 800_000], "mode": "gil", "idlers": True, "set": 1}
    assert explorer.selection.thread_sample_count == 60
    explorer.select(threads=["worker", 4243])
    assert explorer.selection.thread_sample_count == 200
    assert explorer.view["time"] is None


@pytest.mark.parametrize(
    ("method", "name", "samples"),
    [("focus", "load", 60), ("focus", "App.main", 100), ("drop", "load", 40), ("hide", "load", 100)],
)
def test_given_a_function_then_the_selection_is_of_the_stacks_that_are_seen(
    explorer: Explorer, method: str, name: str, samples: int
) -> None:
    getattr(explorer, method)(name)
    assert explorer.view["rules"] == [{"do": method, "what": {"name": name, "file": "", "line": 0}}]
    assert explorer.selection.thread_sample_count == samples
    explorer.reset()
    assert explorer.selection.thread_sample_count == 100


def test_given_what_a_view_wrote_before_it_knew_what_was_set_then_that_stays(explorer: Explorer) -> None:
    explorer.focus("load")
    set_here = explorer.view
    explorer.set_state({"view": {"tab": "callers", "rules": [], "by_view": "0.5"}})
    assert explorer.view == set_here
    explorer.set_state({"view": {**set_here, "tab": "callers", "by_view": "0.5"}})
    assert explorer.view["tab"] == "callers"
    assert explorer.selection.thread_sample_count == 60
    explorer.reset()
    explorer.set_state({"view": {**set_here, "tab": "callers", "by_view": "0.5"}})
    assert explorer.selection.thread_sample_count == 100


def test_given_what_a_view_wrote_then_python_adds_to_it_in_its_own_name(explorer: Explorer) -> None:
    rule = {"do": "focus", "what": {"name": "App.main", "file": "/srv/app.py", "line": 3}}
    explorer.view = {"tab": "callers", "rules": [rule], "by_view": "0.5", "threads": [0]}
    assert explorer.selection.thread_sample_count == 100
    explorer.focus("load")
    assert explorer.view["tab"] == "callers"
    assert "by_view" not in explorer.view
    assert explorer.selection.thread_sample_count == 60
    explorer.show("sandwich", "load")
    explorer.search("app.py:10")
    assert (explorer.view["tab"], explorer.view["subject"]["name"], explorer.view["query"]) == (
        "sandwich",
        "load",
        "app.py:10",
    )


@pytest.mark.parametrize(
    "view",
    [
        {"threads": "x", "time": 5, "mode": [], "rules": 3},
        {"threads": [99, -1, None, True], "time": [7, "a"], "rules": [1, {}, {"do": "focus"}, {"what": {"name": 3}}]},
    ],
)
def test_given_settings_that_make_no_sense_then_they_select_nothing_away(view: dict[str, Any]) -> None:
    assert selected(made_profile(), {"idlers": False, **view}).thread_sample_count == 200


@pytest.mark.parametrize("case", IDLE_CASES, ids=[case["title"] for case in IDLE_CASES])
def test_given_golden_runs_then_those_threads_are_left_out_that_the_browser_leaves_out(case: dict[str, Any]) -> None:
    builder = StreamBuilder()
    stream = builder.hello("python app.py", 99) + builder.threads([f"t{i}" for i in range(5)])
    for thread, state, start_us, weight_us in case["runs"]:
        builder.run(thread, [MAIN.at(4)], State(state), start_us / 1000, weight_us / 1000, 100)
    profile = profile_from_stream(stream + builder.flush() + builder.end(1))
    inside = selected(profile, {"time": case["time"]})
    every = selected(profile, {"time": case["time"], "idlers": False})
    threads = ({thread.id for thread in part.threads if thread.id in set(part.runs.thread)} for part in (every, inside))
    assert sorted(next(threads) - next(threads)) == case["left_out"]


def test_given_what_there_is_none_of_then_it_is_refused(explorer: Explorer) -> None:
    with pytest.raises(UsageError, match="no thread fits 'nobody'"):
        explorer.select(threads="nobody")
    with pytest.raises(UsageError, match="no states 'asleep' alone"):
        explorer.select(states="asleep")
    with pytest.raises(UsageError, match="ends before it starts"):
        explorer.select(time=(5, 5))
    with pytest.raises(UsageError, match="no tab is called 'graph'"):
        explorer.show("graph")  # type: ignore[arg-type]  # what a person may type


def test_given_another_profile_then_its_stream_is_sent_to_those_who_listen_and_who_come_later(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[dict[str, Any], bytes]] = []
    monkeypatch.setattr(explorer, "send", lambda content, buffers: sent.append((content, buffers[0])))
    explorer._relay._send = explorer.send
    explorer.compare(made_profile())
    assert [content["type"] for content, _ in sent] == ["compare"]
    assert profile_from_stream(sent[0][1]).thread_sample_count == 200
    explorer._answer(explorer, {"type": "request", "offset": 0}, [])
    assert [content["type"] for content, _ in sent] == ["compare", "stream", "compare"]
    explorer.compare(None)
    assert sent[-1] == ({"type": "compare", "offset": 0, "total": 0}, b"")


def test_given_settings_then_the_saved_page_has_them_as_text_that_is_no_markup() -> None:
    html = frozen_html(made_profile(), view={"query": "</script><b>", "tab": "callers"})
    assert "u003c/script&gt;" in html
    assert "</script><b>" not in html.replace("&lt;", "<").replace("&gt;", ">")
    assert 'sandbox="allow-scripts allow-downloads"' in html


def test_given_functions_then_a_profile_is_selected_by_the_stacks_through_them() -> None:
    profile = made_profile()
    assert profile.select(through=["main", "load"]).thread_sample_count == 60
    assert profile.select(through=["load", "main"]).thread_sample_count == 0
    assert profile.select(through="App.main", without="load").thread_sample_count == 40
    assert profile.select(without=["load", "poll"]).thread_sample_count == 40
