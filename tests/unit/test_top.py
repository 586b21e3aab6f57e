"""The table and the screen of ``nbspy top``, without a terminal and without a process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy.model.builder import Builder
from nbspy.model.profile import Profile
from nbspy.views.top_screen import Screen, lines
from nbspy.views.top_table import Header, Row, Sort, TopCounts
from nbspy.wire import State
from tests.unit.streams import Run, StreamWriter

from .traces import HOSTILE

GIL, ACTIVE, IDLE = int(State.ACTIVE | State.GIL), int(State.ACTIVE), 0
SECOND_US = 1_000_000


class Growing:
    """A profile that grows as a session's does."""

    def __init__(self, *threads: str) -> None:
        self._writer = StreamWriter(threads or ("MainThread",))
        self._builder = Builder()
        self._sent = 0

    def add(self, *runs: Run) -> Profile:
        self._writer.add(runs)
        for record in self._writer.records[self._sent :]:
            self._builder.add(record)  # type: ignore[arg-type]  # all of them are of AnyRecord
        self._sent = len(self._writer.records)
        return self._builder.snapshot()


def second(number: int, stack: str, *, thread: int = 0, share: float = 1.0, state: int = GIL) -> Run:
    """A run that fills (a share of) the second with this number, in samples of 10 ms."""
    return Run(stack, thread, number * SECOND_US, int(100 * share), state, int(share * SECOND_US))


def by_name(rows: list[Row]) -> dict[str, tuple[float, float, float, float]]:
    return {row.name: (row.own_share, row.total_share, row.own_s, row.total_s) for row in rows}


@pytest.fixture
def counts() -> TopCounts:
    """Two seconds of one thread: first in ``load``, then half in ``load`` and half in ``work``."""
    counts, growing = TopCounts(), Growing()
    counts.take(growing.add(second(0, "main;load")))
    half = Run("main;work", 0, SECOND_US + SECOND_US // 2, 50, GIL, SECOND_US // 2)
    counts.take(growing.add(second(1, "main;load", share=0.5), half))
    return counts


def test_given_two_windows_then_shares_are_of_the_last_and_times_of_both(counts: TopCounts) -> None:
    assert by_name(counts.rows(sort=Sort.OWN_SHARE)) == {
        "load": (0.5, 0.5, 1.5, 1.5),
        "main": (0.0, 1.0, 0.0, 2.0),
        "work": (0.5, 0.5, 0.5, 0.5),
    }
    assert counts.header() == Header(1.0, 1.0, 1, 1)


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        (Sort.OWN_SHARE, ["load", "work", "main"]),
        (Sort.TOTAL_SHARE, ["main", "load", "work"]),
        (Sort.OWN_TIME, ["load", "work", "main"]),
        (Sort.TOTAL_TIME, ["main", "load", "work"]),
    ],
)
def test_given_an_order_then_the_greatest_comes_first(counts: TopCounts, sort: Sort, names: list[str]) -> None:
    assert [row.name for row in counts.rows(sort=sort)] == names


def test_given_a_reset_then_times_begin_anew(counts: TopCounts) -> None:
    counts.reset()
    assert counts.rows(sort=Sort.OWN_TIME) == []


def test_given_a_window_that_has_only_begun_then_the_last_whole_one_is_shown() -> None:
    counts, growing = TopCounts(), Growing()
    counts.take(growing.add(second(0, "main;load")))
    counts.take(growing.add(second(1, "main;work", share=0.2)))
    assert by_name(counts.rows(sort=Sort.OWN_SHARE))["load"] == (1.0, 1.0, 1.0, 1.0)
    assert by_name(counts.rows(sort=Sort.OWN_SHARE))["work"] == (0.0, 0.0, 0.2, 0.2)


def test_given_recursion_then_a_function_counts_once_for_each_stack() -> None:
    counts = TopCounts()
    counts.take(Growing().add(second(0, "fib:3;fib:3;fib:4")))
    assert by_name(counts.rows(sort=Sort.OWN_SHARE)) == {"fib": (1.0, 1.0, 1.0, 1.0)}
    rows = counts.rows(sort=Sort.OWN_SHARE, by_line=True)
    assert [(row.name, row.place, row.own_share, row.total_share) for row in rows] == [
        ("fib", "demo.py:4", 1.0, 1.0),
        ("fib", "demo.py:3", 0.0, 1.0),
    ]


def test_given_states_then_idle_counts_and_gil_narrows() -> None:
    growing = Growing("a", "b", "c")
    profile = growing.add(
        second(0, "holds"), second(0, "runs", thread=1, state=ACTIVE), second(0, "waits", thread=2, state=IDLE)
    )
    for options, names in (
        ({}, ["holds", "runs"]),
        ({"gil": True}, ["holds"]),
        ({"idle": True}, ["holds", "runs", "waits"]),
    ):
        counts = TopCounts(**options)
        counts.take(profile)
        assert sorted(row.name for row in counts.rows(sort=Sort.OWN_SHARE)) == names
        assert counts.header() == Header(1.0, 2.0, 3, 1)


def test_given_a_thread_filter_then_only_its_samples_count() -> None:
    counts, growing = TopCounts(), Growing("loader-0", "loader-1", "MainThread")
    counts.take(
        growing.add(second(0, "a"), second(0, "b", thread=1, state=ACTIVE), second(0, "c", thread=2, state=ACTIVE))
    )

    def names(thread: str) -> list[str]:
        return [row.name for row in counts.rows(sort=Sort.OWN_SHARE, thread=thread)]

    assert names("LOADER") == ["a", "b"]
    assert names("1002") == ["c"], "by its id"
    assert names("pid 42") == ["a", "b", "c"]
    assert names("nobody") == []
    assert counts.threads_that_fit("loader") == 2


def test_given_a_search_then_names_and_files_are_searched(counts: TopCounts) -> None:
    assert [row.name for row in counts.rows(sort=Sort.OWN_SHARE, search="WOR")] == ["work"]
    assert len(counts.rows(sort=Sort.OWN_SHARE, search="demo.py")) == 3
    assert counts.rows(sort=Sort.OWN_SHARE, search="nothing") == []


def test_given_full_filenames_then_places_have_them() -> None:
    counts = TopCounts(full_filenames=True)
    counts.take(Growing().add(second(0, "main")))
    assert [row.place for row in counts.rows(sort=Sort.OWN_SHARE)] == ["/src/demo.py:1"]


def press(screen: Screen, keys: str) -> Screen:
    for key in keys:
        screen.press(key)
    return screen


def test_given_keys_then_the_screen_is_as_they_say() -> None:
    screen = press(Screen(), "3lp")
    assert (screen.sort, screen.by_line, screen.paused) == (Sort.OWN_TIME, True, True)
    press(screen, "Lp ?")
    assert (screen.by_line, screen.paused, screen.help) == (False, True, True)
    press(screen, "r")
    assert (screen.help, screen.reset) == (False, False), "any key leaves the help, and does nothing else"
    press(screen, "rq")
    assert (screen.reset, screen.quit) == (True, True)


def test_given_a_prompt_then_keys_are_text_until_it_ends() -> None:
    screen = press(Screen(), "/quart\x7fz\r")
    assert (screen.search, screen.prompt, screen.quit) == ("quarz", "", False)
    press(screen, "tpid 42\r")
    assert (screen.search, screen.thread, screen.paused) == ("quarz", "pid 42", False)
    press(screen, "/\x1b")
    assert (screen.search, screen.thread) == ("", "pid 42")
    press(screen, "\x1b")
    assert screen.thread == ""
    screen.press("\x1b[A")
    assert screen == Screen()


def shown(counts: TopCounts, screen: Screen, width: int = 100, height: int = 20) -> list[str]:
    texts = lines(counts, screen, "nbspy top · python app.py", "pid 42 · 2.0 s", width, height)
    assert len(texts) == height
    assert all(text.cell_len <= max(width, 20) for text in texts)
    return [text.plain.rstrip() for text in texts]


def test_given_counts_then_the_screen_has_figures_rows_and_keys(counts: TopCounts) -> None:
    page = shown(counts, Screen())
    assert page[0] == "nbspy top · python app.py"
    assert page[2] == "GIL 100%   active 100%   threads 1   processes 1"
    assert page[3].split() == ["%Own", "%Total", "OwnTime", "TotalTime", "Function"]
    assert page[4] == "    50.0%     50.0%     1.50s     1.50s load (demo.py:1)"
    assert page[-1].startswith("q end  ? help")
    page = shown(counts, press(Screen(), "l/loa\rtMain\rp"))
    assert page[3].endswith("Line")
    assert [line for line in page[4:-1] if line] == ["    50.0%     50.0%     1.50s     1.50s load (demo.py:1)"]
    assert page[-1].startswith("search 'loa'   threads 'Main' (1)   PAUSED")
    assert any("order by total time" in line for line in shown(counts, press(Screen(), "?")))
    assert shown(counts, press(Screen(), "/ab"))[-1] == "search: ab_"
    assert "nothing fits" in shown(counts, press(Screen(), "/zz\r"))[4]
    assert "no thread has been active" in shown(TopCounts(), Screen())[4]


@given(st.integers(1, 250), st.integers(1, 80), st.text("1234lptr/?q \r\x1b\x7fab", max_size=20))
def test_given_any_size_and_keys_then_the_screen_fits(width: int, height: int, keys: str) -> None:
    counts, growing = TopCounts(), Growing(*(f"worker with a rather long name {i}" for i in range(200)))
    stacks = [second(0, f"main;{'f' * (3 * i)}@{'d' * i}.py:7", thread=i) for i in range(0, 200, 9)]
    counts.take(growing.add(*stacks, second(0, "名前" * 40)))
    shown(counts, press(Screen(), keys), width, height)


def test_given_hostile_names_then_the_screen_has_no_control_characters() -> None:
    counts = TopCounts()
    counts.take(Growing().add(second(0, f"{HOSTILE.replace(';', ',').replace(':', '')}")))
    page = shown(counts, Screen(), width=200)
    assert not any(character < " " or "\x7f" <= character <= "\x9f" for line in page for character in line)
