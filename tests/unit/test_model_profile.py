"""What a profile answers, checked against counting stacks by hand."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy.errors import UsageError
from nbspy.model.call_tree import CallTree
from nbspy.model.profile import Profile
from nbspy.model.summary import functions_table
from nbspy.model.tables import state_word
from nbspy.wire import State
from tests.unit.streams import INTERVAL_NS, Run, StreamWriter, profile_of
from tests.unit.test_model_builder import runs

ACTIVE, GIL, IDLE = int(State.ACTIVE), int(State.ACTIVE | State.GIL), 0


def made_of(made: list[Run]) -> Profile:
    return StreamWriter(("x", "y", "z")).add(made).profile()


def names(written: str) -> list[str]:
    return [part.partition(":")[0] for part in written.split(";")] if written else []


def rows(profile: Profile, tree: CallTree) -> list[str]:
    """Return the tree as lines ``path self/total`` in the order in which it is walked."""
    path: list[str] = []
    lines = []
    for depth, row in tree.walk():
        if depth:
            path[depth - 1 :] = [profile.frame(tree.frame[row]).name]
            lines.append(f"{';'.join(path)} {tree.self_samples[row]}/{tree.total_samples[row]}")
    return lines


@given(runs)
def test_given_any_runs_then_self_adds_up_and_total_counts_each_stack_once(made: list[Run]) -> None:
    profile = made_of(made)
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for run in made:
        stack = names(run.stack)
        own[stack[-1] if stack else ""] += run.count
        for name in set(stack):
            total[name] += run.count
    functions = profile.functions()
    assert {f.name: f.self_samples for f in functions if f.self_samples} == {n: c for n, c in own.items() if n and c}
    assert {f.name: f.total_samples for f in functions} == dict(total)
    assert sum(f.self_samples for f in functions) + own[""] == profile.thread_sample_count


@given(runs)
def test_given_any_runs_then_trees_of_every_kind_keep_the_sum(made: list[Run]) -> None:
    profile = made_of(made)
    weight_ns = 1000 * sum(run.weight_us or 0 for run in made)
    trees = [
        profile.call_tree(order, by=by, hide_machinery=hide)
        for order in ("merged", "call")
        for by in ("function", "line")
        for hide in (False, True)
    ]
    for tree in trees:
        assert sum(tree.self_samples) == tree.total_samples[0] == profile.thread_sample_count
        assert sum(tree.self_ns) == tree.total_ns[0] == weight_ns
        assert all(tree.parent[row] < row for row in range(1, len(tree)))
        assert sorted(row for _, row in tree.walk()) == list(range(len(tree)))


@given(runs, st.lists(st.integers(0, 12_000_000_000), max_size=4))
def test_given_a_time_divided_anywhere_then_the_parts_add_up(made: list[Run], cuts: list[int]) -> None:
    profile = made_of(made)
    edges = sorted([0, 2**62, *cuts])
    parts = [profile.select(time=(a, b)) for a, b in pairwise(edges)]
    assert sum(part.thread_sample_count for part in parts) == profile.thread_sample_count
    assert sum(part.call_tree().total_ns[0] for part in parts) == profile.call_tree().total_ns[0]
    stacks = Counter({(s.thread.id, s.frames): s.count for s in profile.stacks()})
    assert (
        sum((Counter({(s.thread.id, s.frames): s.count for s in part.stacks()}) for part in parts), Counter()) == stacks
    )


@given(runs)
def test_given_threads_and_states_then_the_parts_add_up(made: list[Run]) -> None:
    profile = made_of(made)
    by_thread = [profile.select(threads=[thread]) for thread in profile.threads]
    by_state = [profile.select(states=state) for state in ("active", "idle")]
    for parts in (by_thread, by_state):
        assert sum(part.thread_sample_count for part in parts) == profile.thread_sample_count
    assert profile.select(states=["active", "idle"]).runs == profile.runs
    assert sum(row.samples for row in profile.thread_totals()) == profile.thread_sample_count


@given(runs)
def test_given_any_runs_then_the_summary_is_text_and_html(made: list[Run]) -> None:
    profile = made_of(made)
    assert "pid 42" in profile.summary()
    assert profile._repr_html_().count("<table>") == 2


def test_given_a_run_across_the_border_then_its_samples_are_divided_where_they_lie() -> None:
    profile = profile_of(Run("f", start_us=100, count=4, weight_us=400))  # samples at 100, 200, 300, 400 us
    counts = {
        (0, 100_000): 0,
        (0, 100_001): 1,
        (100_000, 200_000): 1,
        (100_000, 200_001): 2,
        (150_000, 450_000): 3,
        (400_001, 10**9): 0,
    }
    assert {time: profile.select(time=time).thread_sample_count for time in counts} == counts
    part = profile.select(time=(150_000, 450_000))
    assert (list(part.runs.start_ns), list(part.runs.weight_us)) == ([200_000], [300])
    assert part.duration_ns == 300_000


def test_given_the_merged_tree_then_the_widest_child_is_first() -> None:
    profile = profile_of(
        Run("main;a", count=1),
        Run("main;b", count=2),
        Run("main;a:7;c", count=3),
        Run("main;b", count=2, thread=1),
        threads=("x", "y"),
    )
    assert rows(profile, profile.call_tree()) == ["main 0/8", "main;a 1/4", "main;a;c 3/3", "main;b 4/4"]
    by_line = rows(profile, profile.call_tree(by="line"))
    assert by_line == ["main 0/8", "main;b 4/4", "main;a 0/3", "main;a;c 3/3", "main;a 1/1"]


def test_given_call_order_then_calls_are_whole_until_they_end_or_a_gap() -> None:
    us = INTERVAL_NS // 1000
    profile = profile_of(
        Run("main;a;x", start_us=0),
        Run("main;a;y", start_us=us, count=2),
        Run("main;b", start_us=3 * us),
        Run("main;a;x", start_us=4 * us),
        Run("main;a;x", start_us=9 * us),
        Run("main;z", thread=1, start_us=0),
        threads=("x", "y"),
    )
    tree = profile.call_tree("call")
    assert rows(profile, tree) == [
        *("main 0/5", "main;a 0/3", "main;a;x 1/1", "main;a;y 2/2", "main;b 1/1", "main;a 0/1", "main;a;x 1/1"),
        *("main 0/1", "main;a 0/1", "main;a;x 1/1"),
        *("main 0/1", "main;z 1/1"),
    ]
    assert tree.start_ns is not None
    assert [tree.start_ns[row] for row in tree.children(0)] == [0, 9 * INTERVAL_NS, 0]


def test_given_a_deep_recursion_then_nothing_recurses() -> None:
    profile = profile_of(Run(";".join(["fib"] * 20_000), count=3))
    (fib,) = profile.functions()
    assert (fib.self_samples, fib.total_samples) == (3, 3)
    assert len(profile.call_tree("call")) == 20_001
    assert len(profile.call_tree().hottest_path()) == 20_000


def test_given_a_cell_then_the_machinery_below_it_can_be_hidden() -> None:
    writer = StreamWriter()
    cell = "<module>@/tmp/ipykernel_77/123456.py:3"
    writer.add([Run(f"run@runpy.py;start@tornado.py;{cell};work", count=2), Run("run@runpy.py;select@selectors.py")])
    profile = writer.profile()
    shown = rows(profile, profile.call_tree(hide_machinery=True))
    assert shown == ["<module> 0/2", "<module>;work 2/2", "run 0/1", "run;select 1/1"]
    assert rows(profile, profile.call_tree(hide_machinery=True, order="call"))[:2] == [
        "<module> 0/2",
        "<module>;work 2/2",
    ]
    assert len(profile.call_tree()) == 6


def test_given_a_thread_then_what_every_thread_begins_with_can_be_hidden() -> None:
    start = "_bootstrap@/usr/lib/python3.13/threading.py;_bootstrap_inner@/usr/lib/python3.13/threading.py"
    later = "pool;run@/usr/lib/python3.13/threading.py"
    writer = StreamWriter()
    writer.add(
        [Run(f"{start};run@/usr/lib/python3.13/threading.py;{later}", count=2), Run(start), Run("main;run@app.py")]
    )
    profile = writer.profile()
    shown = rows(profile, profile.call_tree(hide_machinery=True))
    assert shown == ["pool 0/2", "pool;run 2/2", "main 0/1", "main;run 1/1"]
    assert sorted(rows(profile, profile.call_tree(hide_machinery=True, order="call"))) == sorted(shown)
    assert profile.call_tree(hide_machinery=True).total_samples[0] == 4, "a thread that just begins counts"
    assert len(profile.call_tree()) == 8


def test_given_thread_totals_then_shares_and_the_last_state_are_there() -> None:
    profile = profile_of(
        Run("main;work:5", count=6, state=GIL),
        Run("main;wait:7", start_us=60_000, count=2, state=IDLE),
        Run("", thread=1, count=3, state=ACTIVE),
        threads=("MainThread", ""),
    )
    main, unnamed = profile.thread_totals()
    assert (unnamed.thread.shown_name, unnamed.active_share, unnamed.current) == ("thread 1001", 1.0, None)
    assert (main.active_share, main.gil_share, main.state) == (0.75, 0.75, "idle")
    assert main.current is not None
    assert (main.current.name, main.current.line) == ("wait", 7)


def test_given_a_hot_path_then_it_ends_where_no_child_has_half() -> None:
    profile = profile_of(Run("a;b;c", count=2), Run("a;b;d", count=2), Run("a;b;e", count=1), Run("z", count=1))
    tree = profile.call_tree()
    assert [profile.frame(tree.frame[row]).name for row in tree.hottest_path()] == ["a", "b"]


@pytest.mark.parametrize(
    "part", [{"threads": "nobody"}, {"threads": [77]}, {"states": "asleep"}, {"time": (5, 1)}], ids=str
)
def test_given_what_is_not_there_when_selecting_then_it_is_named(part: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        profile_of(Run("a")).select(**part)  # type: ignore[arg-type]


def test_given_threads_by_id_or_name_when_selecting_then_they_are_found() -> None:
    profile = profile_of(Run("a", count=2), Run("b", thread=1, count=3), threads=("x", "y"))
    chosen = ("y", ["y"], 1001, [1001], [profile.threads[1]])
    assert [profile.select(threads=threads).thread_sample_count for threads in chosen] == [3] * 5


def test_given_functions_without_own_time_then_the_summary_leaves_them_out() -> None:
    profile = profile_of(*[Run(f"main;f{i}", count=i + 1, start_us=i) for i in range(5)], Run("main;idle", state=IDLE))
    assert [row[3] for row in functions_table(profile, 3).rows] == ["f4", "f3", "f2"]
    assert "main" not in {row[3] for row in functions_table(profile).rows}
    assert "idle" not in {row[3] for row in functions_table(profile).rows}
    (row,) = functions_table(profile.select(states="idle")).rows
    assert row[3] == "idle"


def test_given_hostile_names_then_the_summary_shows_them_as_text() -> None:
    profile = profile_of(Run("<script>alert(1)</script>@\x1b[31m.py", state=GIL), threads=("<b>\x1b]0;x\x07[red]",))
    html, text = profile._repr_html_(), profile.summary()
    assert "<script>" not in html
    assert "<b>" not in html
    assert "\x1b" not in html + text
    assert "\\x1b[31m.py" in text


def test_given_waiting_threads_then_top_is_of_the_active_ones_unless_asked_or_none_was() -> None:
    waits, works = Run("main;wait", state=State(0), count=9), Run("main;work", thread=1, count=2)
    profile = profile_of(waits, works, threads=("a", "b"))
    assert profile.top(1)[0].name == "work"
    assert profile.top(1, idle=True)[0].name == "wait"
    assert profile_of(waits).top(1)[0].name == "wait"


@pytest.mark.parametrize(
    ("state", "selected_by", "word"),
    [
        (State.ACTIVE | State.GIL | State.GC, "gc", "active+gil gc"),
        (State.ACTIVE | State.EXCEPTION, "exception", "active exception"),
        (State.FINALIZING, "finalizing", "idle finalizing"),
        (State.GIL_WAIT | State.EXCEPTION | State.FINALIZING, "gil-wait", "gil-wait exception finalizing"),
    ],
)
def test_given_a_state_beside_the_main_one_then_it_is_selected_and_told(
    state: State, selected_by: str, word: str
) -> None:
    profile = profile_of(Run("a", count=2, state=state), Run("b", thread=1, count=3), threads=("x", "y"))
    assert profile.select(states=selected_by).thread_sample_count == 2
    assert state_word(state) == word
