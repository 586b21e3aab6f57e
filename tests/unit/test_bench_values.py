"""The benchmark's values: rows, turns, goals, windows."""

from __future__ import annotations

import io
import json
import signal
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from rich.console import Console

from bench import itself, page, peers, registry, report, results
from bench.__main__ import main
from bench.case import Case, NotMeasured, Row, Settings, Tally, take_turns
from bench.distance import distance
from bench.goals import GOALS, MILLION, Goal, verdicts
from bench.windows import Window, read_pairs, read_windows, slowdown
from nbspy.model.tables import FrameInfo

CPU = "CPU per sample: 10 frames, 1 thread"


def test_each_turn_begins_with_another() -> None:
    order: list[str] = []

    take_turns(["a", "b", "c"], 2, order.append, lambda name, why: None)

    assert order == ["a", "b", "c", "b", "c", "a"]


def test_who_fails_is_told_once_and_the_others_go_on() -> None:
    tally = Tally()

    def measure(name: str) -> None:
        if name == "bad":
            raise NotMeasured("it crashed\nbadly")
        tally.add("speed", name, "us", 1.0)

    take_turns(["bad", "good"], 3, measure, lambda name, why: tally.fail("speed", name, "us", why))

    assert tally.rows() == [
        Row("speed", "good", "us", (1.0, 1.0, 1.0)),
        Row("speed", "bad", "us", (), note="it crashed badly"),
    ] or tally.rows() == [
        Row("speed", "bad", "us", (), note="it crashed badly"),
        Row("speed", "good", "us", (1.0, 1.0, 1.0)),
    ]


def test_rows_of_a_figure_stand_together() -> None:
    tally = Tally()
    for who in ("nbspy", "py-spy"):
        for figure in ("median", "p99"):
            tally.add(figure, who, "us", 1.0)

    assert [(row.figure, row.who) for row in tally.rows()] == [
        ("median", "nbspy"),
        ("median", "py-spy"),
        ("p99", "nbspy"),
        ("p99", "py-spy"),
    ]


def test_defects_of_the_benchmark_are_no_failures_of_a_contestant() -> None:
    def measure(name: str) -> None:
        raise KeyError(name)

    with pytest.raises(KeyError):
        take_turns(["a"], 1, measure, lambda name, why: None)


@pytest.mark.parametrize(("own", "reached"), [(10.0, True), (10.1, False)])
def test_goal_is_a_share_of_anothers_figure(own: float, reached: bool) -> None:
    goal = Goal(CPU, "nbspy", "<=", 1 / 10, times="py-spy")
    rows = [Row(CPU, "nbspy", "us", (own,)), Row(CPU, "py-spy", "us", (90.0, 100.0, 170.0))]

    [verdict] = verdicts(rows, rows[0], [goal])

    assert verdict.reached is reached
    assert goal.text() == "<= 1/10 of py-spy"
    assert verdict.figure == ("1/10.0" if reached else "1/9.9")


def test_goal_without_its_other_figure_is_open() -> None:
    goal = Goal(CPU, "nbspy", "<=", 1 / 10, times="py-spy")
    rows = [Row(CPU, "nbspy", "us", (1.0,)), Row(CPU, "py-spy", "us", (), note="it crashed")]

    assert [verdict.reached for verdict in verdicts(rows, rows[0], [goal])] == [None]
    assert verdicts(rows, rows[1], [goal]) == []


@pytest.mark.parametrize(
    ("value", "trials", "reached"), [(0.0, MILLION, True), (0.0, 10_000, None), (1.0, 10_000, False), (0.0, None, None)]
)
def test_no_wrong_stack_counts_only_of_many(value: float, trials: int | None, reached: bool | None) -> None:
    row = Row("impossible stacks per million: 3.13", "nbspy", "per million", (value,), trials=trials)

    assert [verdict.reached for verdict in verdicts([row], row)] == [reached]


def test_goals_name_figures_that_are_measured() -> None:
    names = {goal.figures.partition(":")[0] for goal in GOALS}

    assert names == {
        "CPU per sample",
        "share of 20 kHz taken, 1 thread",
        "time stopped at 1 kHz, median",
        "impossible stacks per million",
        "discarded",
        "distance from what py-spy sees",
        "memory at most",
        "target slower at 100 Hz*",
        "target slower at 1 kHz*",
        "attach to first sample",
        "sampler memory after *",
        "sampler memory, 100 minutes over 10",
        "explorer, 1,000,000 nodes, 10,000,000 samples",
        "explorer, 10,000 levels",
        "explorer, live, 200 threads, all of them busy",
        "explorer, an hour live",
        "size of the bundle",
    }


def test_every_group_offers_cases_that_filters_find() -> None:
    everything = [case.name for case in registry.all_cases(Settings())]

    assert len(set(everything)) == len(everything)
    groups = {name.partition(":")[0] for name in everything}
    assert groups >= {"cpu", "rate", "stop", "harm", "truth", "stream", "browser"}
    assert [case.name for case in registry.all_cases(Settings(), ["stop: at 1 kHz"])] == ["stop: at 1 kHz"]
    assert {case.name for case in registry.all_cases(Settings(quick=True))} < set(everything) | {
        "memory: 10 minutes' worth"
    }


def test_quick_run_is_expected_to_take_less_than_five_minutes() -> None:
    cases = registry.all_cases(Settings(repeat=1, quick=True))

    assert sum(case.seconds for case in cases if not case.name.startswith("browser")) < 300


def test_records_are_read_but_for_one_that_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "work"
    windows = [Window(*range(number, number + 6)) for number in range(3)]
    file.write_bytes(b"".join(struct.pack("<6q", *window) for window in windows) + b"cut")
    pairs = tmp_path / "gaps"
    pairs.write_bytes(struct.pack("<4q", 1, 2, 3, 4) + b"cut")

    assert read_windows(file) == windows
    assert read_pairs(pairs) == [(1, 2), (3, 4)]


def test_slowdown_compares_medians() -> None:
    assert slowdown([90, 95, 95, 10], [100, 100, 180]) == pytest.approx(7.5)


def test_distance_of_distributions() -> None:
    assert distance({("f", 1): 1.0}, {("f", 1): 1.0}) == 0
    assert distance({("f", 1): 1.0}, {("g", 1): 1.0}) == 1
    assert distance({("f", 1): 0.5, ("g", 1): 0.5}, {("f", 1): 0.75, ("g", 1): 0.25}) == pytest.approx(0.25)


ROWS = [
    Row(CPU, "nbspy", "us", (10.0, 12.0, 20.0)),
    Row(CPU, "py-spy", "us", (120.0,), against="nbspy"),
    Row("discarded: 3.13", "</script><b>", "%", (), note="<i>crashed</i>"),
]


def test_results_come_back_and_gather(tmp_path: Path) -> None:
    file = tmp_path / "results.json"

    results.write(file, ROWS)
    together = results.write(file, [Row(CPU, "nbspy", "us", (9.0,))])

    assert together == results.read(file) == [ROWS[1], ROWS[2], Row(CPU, "nbspy", "us", (9.0,))]


def test_table_says_ratios_and_goals() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report.table(ROWS))
    text = console.export_text()

    assert "10.0 x" in text
    assert "10.0 to 20.0" in text
    assert "reached <= 1/4 of py-spy: 1/10.0" in text
    assert "<i>crashed</i>" in text


def test_table_names_the_peers_that_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peers, "_program", lambda name: None)
    monkeypatch.setattr(peers, "by_version", dict)
    monkeypatch.setattr(results, "contestants", peers.contestants.__wrapped__)
    monkeypatch.setattr(results, "machine", results.machine.__wrapped__)
    results.write(tmp_path / "results.json", ROWS)

    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report.table(ROWS, results.missing(tmp_path / "results.json")))
    text = console.export_text()

    assert [line.partition(": ")[0] for line in results.missing(tmp_path / "results.json")] == [
        "py-spy",
        "profiling.sampling",
        "austin",
    ]
    assert text.count("MISSING: not installed; pip install 'nbspy[bench]'") == 2
    assert "MISSING: no Python 3.15" in text


def test_rows_are_kept_as_they_come() -> None:
    kept: list[list[Row]] = []
    tally = Tally(kept.append)

    tally.add("speed", "nbspy", "us", 1.0)
    tally.add("speed", "nbspy", "us", 3.0)
    tally.fail("speed", "py-spy", "us", "it crashed")

    assert kept == [
        [Row("speed", "nbspy", "us", (1.0,))],
        [Row("speed", "nbspy", "us", (1.0, 3.0))],
        [Row("speed", "nbspy", "us", (1.0, 3.0)), Row("speed", "py-spy", "us", note="it crashed")],
    ]


@pytest.mark.parametrize(
    ("relation", "interval", "reached"),
    [
        ("<=", (0.1, 0.4), True),
        ("<=", (0.1, 0.6), None),
        ("<=", (0.6, 0.9), False),
        (">=", (0.6, 0.9), True),
        (">=", (0.4, 0.9), None),
        (">=", (0.1, 0.4), False),
    ],
)
def test_goal_is_reached_where_all_of_the_interval_reaches_it(
    relation: Literal["<=", ">="], interval: tuple[float, float], reached: bool | None
) -> None:
    row = Row("harm", "nbspy", "%", (sum(interval) / 2,), interval=interval)

    [verdict] = verdicts([row], row, [Goal("harm", "nbspy", relation, 0.5, "%")])

    assert verdict.reached is reached
    assert ("but may be" in verdict.figure) is (reached is None)


def test_intervals_are_kept_shown_and_wanting_in_older_runs(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    tally = Tally()
    tally.add("harm", "nbspy", "%", 0.1, interval=(-0.5, 0.25))
    tally.add("harm", "nbspy", "%", 0.2, interval=(-0.1, 0.3))
    rows = tally.rows()
    results.write(file, rows)

    assert results.read(file) == rows == [Row("harm", "nbspy", "%", (0.1, 0.2), interval=(-0.1, 0.3))]
    assert rows[0].spread == "-0.10 to 0.30 (95 %)"
    assert (ROWS[0].spread, ROWS[1].spread) == ("10.0 to 20.0", "")

    content = json.loads(file.read_text())
    del content["rows"][0]["interval"]
    file.write_text(json.dumps(content))
    assert results.read(file)[0].interval is None


def test_list_and_words_that_name_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--list", "harm:"]) == 0
    assert "harm: 1 kHz, with 149 sleeping threads  (" in capsys.readouterr().out
    assert main(["no such figure", "--into", str(tmp_path / "none.json")]) == 2
    assert not list(tmp_path.iterdir())


def test_a_defect_in_one_case_leaves_the_others_and_their_medians(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("plotly")

    def cases(settings: Settings, _words: list[str]) -> Iterator[Case]:
        def good() -> list[Row]:
            tally = Tally(settings.keep)
            for turn in range(settings.repeat):
                tally.add("speed", "nbspy", "us", 10.0 * turn)
                tally.add("speed", "py-spy", "us", 40.0 * turn, against="nbspy")
            return tally.rows()

        def bad() -> list[Row]:
            Tally(settings.keep).add("height", "nbspy", "m", 1.0)
            raise KeyError("width")

        yield Case("bad", 1, bad)
        yield Case("good", 1, good)

    monkeypatch.setattr("bench.__main__.all_cases", cases)

    handler = signal.getsignal(signal.SIGTERM)
    assert main(["--repeat", "5", "--into", str(tmp_path / "results.json")]) == 0
    assert signal.getsignal(signal.SIGTERM) is handler

    text = capsys.readouterr().out
    assert "4.00 x" in text
    assert "0.00 to 160" in text
    rows = {(row.figure, row.who): row for row in results.read(tmp_path / "results.json")}
    assert rows["speed", "py-spy"].value == 80
    assert rows["height", "nbspy"].values == (1.0,)
    assert "KeyError" in rows["bad", ""].note


def test_parts_of_the_sampler_are_told_apart_by_their_leaf_but_sleep_is_one() -> None:
    def stack(count: int, *functions: tuple[str, str]) -> itself.Seen:
        return [FrameInfo(f"A.{name}", file, file, "m", 1, 1, 0) for name, file in functions], count

    seen = itself.parts(
        [
            stack(60, ("loop", "sampler.py"), ("wait_until", "worker.py"), ("wait_for_more", "posix.py")),
            stack(39, ("loop", "sampler.py"), ("read", "memory.py")),
            stack(1, ("loop", "sampler.py")),
        ]
    )

    assert itself.gathered(seen) == {itself.SLEEPING: 60, "memory.py": 39, itself.REST: 1}


def test_document_has_a_line_for_each_figure_that_was_measured() -> None:
    assert report.markdown(ROWS).splitlines() == [
        "| figure | nbspy | py-spy | </script><b> |",
        "|---|---:|---:|---:|",
        f"| {CPU}, us | 12.0 | 120 |  |",
    ]


def test_page_needs_no_network_and_shows_names_as_text() -> None:
    pytest.importorskip("plotly")
    html = page.page(ROWS, ["on <this>"])

    assert "<script src" not in html
    assert "&lt;this&gt;" in html
    assert "</script><b>" not in html
    assert "&lt;i&gt;crashed" in html
    assert list(page.grouped(ROWS)) == ["CPU per sample, us"]
