"""The figures: what they say adds up, what they leave out is told, and names are shown as they are."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nbspy.errors import NbspyError, UsageError
from nbspy.model.builder import profile_from_stream
from nbspy.model.profile import Profile
from nbspy.views.plots import style
from nbspy.views.plots.timeline import coarser
from nbspy.wire import State
from tests.unit.streams import INTERVAL_NS, Run, StreamWriter, profile_of

SMALL = Path(__file__).parents[1] / "data" / "small.nbspy"
STEP = INTERVAL_NS // 1000
GIL, ACTIVE, IDLE, WAIT = int(State.ACTIVE | State.GIL), int(State.ACTIVE), 0, int(State.GIL_WAIT)
FIGURES: dict[str, Callable[[Profile], Any]] = {
    "timeline": lambda profile: profile.plot.timeline(),
    "icicle": lambda profile: profile.plot.icicle(),
    "flame": lambda profile: profile.plot.flame(),
    "gil": lambda profile: profile.plot.gil(),
    "lines": lambda profile: profile.plot.lines(),
    "compare": lambda profile: profile.plot.compare(profile),
}


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_from_stream(SMALL.read_bytes())


def title(figure: Any) -> str:
    return str(figure.layout.title.text)


def test_given_the_golden_profile_then_the_timeline_has_each_threads_states(profile: Profile) -> None:
    figure = profile.plot.timeline()
    seconds = {trace.name: sum(trace.x) for trace in figure.data if trace.showlegend is None}
    assert {name: round(s, 6) for name, s in seconds.items()} == {
        "Idle": 0.09,
        "Holds the GIL": 0.07,
        "Runs without the GIL": 0.02,
        "Waits for the GIL": 0.02,
    }
    lane = figure.data[-1]
    assert (list(lane.base), [round(x, 6) for x in lane.x], list(lane.customdata)) == ([0], [0.07], ["MainThread"])
    assert list(figure.layout.yaxis.ticktext) == ["<b>GIL</b>", "MainThread", "worker-é"]


def test_given_more_changes_than_can_be_drawn_then_they_are_drawn_coarser_and_told() -> None:
    runs = [Run("a", start_us=i * STEP, state=GIL if i % 2 else IDLE) for i in range(6000)]
    figure = profile_of(*runs).plot.timeline()
    assert "changes shorter than" in title(figure)
    assert sum(len(trace.x) for trace in figure.data) <= 2600
    assert sum(sum(trace.x) for trace in figure.data[:-1]) == pytest.approx(60, rel=0.01)


def test_given_a_grid_then_each_step_has_the_state_that_had_most_of_it() -> None:
    stretches = [(0, 60, 1), (60, 110, 2), (110, 130, 1), (310, 320, 3)]
    assert coarser(stretches, 100) == [(0, 100, 1)]
    assert coarser(stretches, 50) == [(0, 50, 1), (50, 100, 2), (100, 150, 1)]


@pytest.mark.parametrize("name", ["icicle", "flame"])
def test_given_a_call_tree_then_parents_hold_their_children(profile: Profile, name: str) -> None:
    (trace,) = FIGURES[name](profile).data
    values = dict(zip(trace.ids, trace.values, strict=True))
    below: dict[str, float] = {}
    for parent, value in zip(trace.parents, trace.values, strict=True):
        below[parent] = below.get(parent, 0) + value
    assert all(below[parent] <= values[parent] + 1e-12 for parent in below if parent)
    assert values["0"] == pytest.approx(0.09)
    assert "<module>" not in trace.labels
    assert "&lt;module&gt;" in trace.labels
    assert "_run_code" not in trace.labels, "the machinery below a cell is hidden"
    assert (trace.tiling.flip == "y") == (name == "flame")


def test_given_narrow_calls_then_they_are_left_out_and_told() -> None:
    runs = [Run("main;wide", count=1000), *(Run(f"main;n{i}", start_us=(1000 + i) * STEP) for i in range(30))]
    figure = profile_of(*runs).plot.icicle()
    assert list(figure.data[0].labels) == ["all threads", "main", "wide"]
    assert "30 of 32 calls are left out: each is below 0.2 % of the time" in title(figure)
    assert len(profile_of(*runs).plot.icicle(least_share=0).data[0].labels) == 33


def test_given_holders_and_waiters_then_the_gil_figure_adds_up() -> None:
    profile = profile_of(
        Run("a", count=60, state=GIL),
        Run("b", thread=1, count=50, state=WAIT),
        Run("b", thread=1, start_us=60 * STEP, count=20, state=GIL),
        Run("c", start_us=60 * STEP, count=40, state=IDLE),
        threads=("one", "two"),
    )
    figure = profile.plot.gil()
    step_s = figure.data[0].width
    seconds = {trace.name: sum(trace.y) * step_s for trace in figure.data}
    assert seconds == {
        "one": pytest.approx(0.6),
        "two": pytest.approx(0.2),
        "threads waiting": pytest.approx(0.5),
    }
    assert "held 80 % of the time; threads waited 0.50 s" in title(figure)
    assert "no sample has a thread that holds the GIL" in title(profile_of(Run("a")).plot.gil())


def test_given_a_file_then_its_lines_have_their_times_and_their_text(tmp_path: Path) -> None:
    source = tmp_path / "x.py"
    source.write_text("def f():\n    return <g>()\n")
    profile = profile_of(Run("f@x.py:2;g@lib.py:9", count=3), Run("f@x.py:2", start_us=3 * STEP, count=2))
    names = [name.replace("/src/x.py", str(source)) for name in profile.tables.strings]
    object.__setattr__(profile.tables, "strings", names)
    figure = profile.plot.lines("x.py")
    assert [round(trace.x[0], 6) for trace in figure.data] == [0.02, 0.03]
    (label,) = figure.layout.yaxis.ticktext
    assert label.replace("\u00a0", " ") == "    2      return &lt;g&gt;()"
    assert profile.plot.lines().layout.title.text.startswith("Lines of lib.py"), "most time of its own"
    with pytest.raises(UsageError, match=r"no samples are in a file called 'y.py': there are some in lib.py, x.py"):
        profile.plot.lines("y.py")


def test_given_a_file_that_is_no_source_then_it_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "id_rsa"
    secret.write_text("secret\n")
    profile = profile_of(Run("f@id_rsa:1"))
    names = [name.replace("/src/id_rsa", str(secret)) for name in profile.tables.strings]
    object.__setattr__(profile.tables, "strings", names)
    assert "secret" not in profile.plot.lines().to_json()


def test_given_two_profiles_then_the_changes_are_there_with_their_noise() -> None:
    before = profile_of(Run("main;slow", count=300), Run("main;rest", start_us=300 * STEP, count=100))
    after = profile_of(Run("main;rest", count=100))
    figure = before.plot.compare(after)
    changes = {trace.name: [round(x, 6) for x in trace.x] for trace in figure.data}
    assert changes == {"more of the time after": [75], "less of the time after": [-75]}
    assert all(error > 0 for trace in figure.data for error in trace.error_x.array)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_given_plotlys_default_template_then_the_figure_has_its_theme(
    profile: Profile, name: str, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import plotly.io

    monkeypatch.setattr(plotly.io.templates, "default", f"plotly_{theme.replace('light', 'white')}")
    figure = FIGURES[name](profile)
    assert figure.layout.paper_bgcolor == {"light": "#ffffff", "dark": "#16181c"}[theme]
    figure.update_layout(title="mine", height=99)
    assert json.loads(figure.to_json())["layout"]["height"] == 99


@pytest.mark.parametrize("name", FIGURES)
def test_given_hostile_names_then_they_are_text(name: str) -> None:
    evil = "<a href='//x'>$\\alpha$</a>"
    profile = StreamWriter((evil,)).add([Run(f"{evil}@{evil}.py", count=9, state=GIL)]).profile()
    written = FIGURES[name](profile).to_json()
    assert "<a" not in written.replace("\\u003c", "<")
    assert "$" not in written


@pytest.mark.parametrize("name", ["timeline", "icicle", "flame", "gil"])
def test_given_an_empty_profile_then_the_figure_is_empty(name: str) -> None:
    assert FIGURES[name](profile_of()).layout.title.text


def test_given_no_plotly_then_it_is_said_how_to_get_it(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ImportError(name)

    assert repr(profile.plot).startswith("<plots")
    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(NbspyError, match=r"plotly is not installed: pip install nbspy\[plots\]"):
        style.plotly_module("io")
