"""Two profiles side by side: what changed, and what is noise."""

from __future__ import annotations

import random

import pytest
from hypothesis import given

from nbspy import wire
from nbspy.errors import UsageError
from nbspy.model.compare import FunctionChange
from nbspy.model.profile import Profile
from nbspy.wire import State
from tests.unit.streams import INTERVAL_NS, Run, StreamWriter, profile_of
from tests.unit.test_model_builder import runs

STEP = INTERVAL_NS // 1000
CELL = "<module>@/tmp/ipykernel_77/{}.py"


def drawn(shares: dict[str, float], samples: int, seed: int) -> Profile:
    """Return a profile of one thread whose samples are drawn by chance, with the shares of its leaves given."""
    chance = random.Random(seed)
    leaves = chance.choices(list(shares), list(shares.values()), k=samples)
    return profile_of(*(Run(f"main;{leaf}", start_us=i * STEP) for i, leaf in enumerate(leaves)))


def change(before: Profile, after: Profile, name: str) -> FunctionChange:
    (found,) = (one for one in before.compare(after).functions if one.name == name)
    return found


def test_given_an_optimisation_when_compared_then_it_comes_first_and_is_clear() -> None:
    before = drawn({"slow": 0.6, "parse": 0.2, "write": 0.2}, 2000, 1)
    after = drawn({"slow": 0.2, "parse": 0.4, "write": 0.4}, 1000, 2)
    comparison = before.compare(after)
    assert comparison.functions[0].name == "slow"
    assert comparison.functions[0].self_is_clear
    assert comparison.functions[0].self_change == pytest.approx(-0.4, abs=0.05)
    assert change(before, after, "main").total_change == 0
    assert not change(before, after, "main").self_is_clear
    assert (comparison.before_ns, comparison.after_ns) == (2000 * INTERVAL_NS, 1000 * INTERVAL_NS)


def test_given_the_same_program_twice_when_compared_then_changes_are_noise() -> None:
    shares = {f"f{i}": 1 / (i + 1) for i in range(40)}
    clear = 0
    for seed in range(12):
        comparison = drawn(shares, 1500, seed).compare(drawn(shares, 1500, 1000 + seed))
        clear += sum(one.self_is_clear for one in comparison.functions)
    assert clear <= 4, "of 480 changes by chance, about 1 is above three times its noise"


def test_given_phases_when_compared_then_the_noise_is_greater_than_counting_alone_would_say() -> None:
    steady = drawn({"a": 0.5, "b": 0.5}, 1000, 3)
    phased = profile_of(Run("main;a", count=500), Run("main;b", start_us=500 * STEP, count=500))
    assert change(phased, phased, "a").self_noise > 3 * change(steady, steady, "a").self_noise


def test_given_a_new_function_then_its_share_before_is_0_within_what_one_sample_is() -> None:
    before, after = profile_of(Run("main;a", count=100)), profile_of(Run("main;a", count=50), Run("new", count=50))
    found = change(before, after, "new")
    assert (found.before.self_share, found.after.self_share) == (0, 0.5)
    assert found.before.self_noise == pytest.approx(0.01)
    assert found.self_is_clear


def test_given_moved_lines_and_another_cell_then_functions_are_the_same() -> None:
    before = profile_of(Run(f"{CELL.format(1)}:1;work@lib.py:10", count=10))
    after = profile_of(Run(f"{CELL.format(22)}:3;work@lib.py:99", count=10))
    assert {one.name for one in before.compare(after).functions} == {"<module>", "work"}


def test_given_idle_threads_then_shares_are_of_active_time() -> None:
    idle = Run("wait", thread=1, count=900, state=0)
    threads = ("main", "other")
    before = profile_of(Run("a", count=10), idle, threads=threads)
    after = profile_of(Run("b", count=10), idle, threads=threads)
    assert before.compare(after).of_active
    assert {one.name for one in before.compare(after).functions} == {"a", "b"}
    waiting = profile_of(idle, threads=threads)
    assert not waiting.compare(before).of_active


def test_given_threads_then_they_are_matched_by_name_and_then_without_their_numbers() -> None:
    gil = int(State.ACTIVE | State.GIL)
    first = [Run("a", thread=i, count=10 * (i + 1), state=gil if i else 0) for i in range(3)]
    before = profile_of(*first, threads=("MainThread", "Thread-7 (work)", "old"))
    second = [Run("a", thread=i, count=10) for i in range(3)]
    after = profile_of(*second, threads=("MainThread", "Thread-12 (work)", "Thread-13 (work)"))
    changes = {one.name: one for one in before.compare(after).threads}
    assert set(changes) == {"MainThread", "Thread-# (work)", "old"}
    assert changes["old"].after is None
    work = changes["Thread-# (work)"]
    assert work.before is not None
    assert work.after is not None
    assert (work.before.threads, work.before.gil_share, work.after.threads, work.after.samples) == (1, 1, 2, 20)


def test_given_no_samples_then_it_is_refused() -> None:
    with pytest.raises(UsageError, match="the profile after has no samples"):
        profile_of(Run("a")).compare(profile_of())


def test_the_text_says_what_changed_and_how_sure_it_is() -> None:
    before = profile_of(Run("main;a", count=100), Run("main;<b>", start_us=100 * STEP, count=300))
    text = str(before.compare(profile_of(Run("main;a", count=400))))
    assert "Shares are of the time of active threads: 4.00 s before, 4.00 s after." in text
    (line,) = (line for line in text.splitlines() if "<b>" in line)
    assert line.split()[:6] == ["75.0", "%", "0.0", "%", "-75.0", "±"]
    html = before.compare(before)._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


@given(runs.filter(bool), runs.filter(bool))
def test_given_any_two_profiles_then_shares_add_up_and_swapping_turns_changes_around(
    made: list[Run], other: list[Run]
) -> None:
    names = ("x", "y", "z")
    before, after = (StreamWriter(names).add(runs).profile() for runs in (made, other))
    comparison = before.compare(after)
    back = {(one.name, one.short_file): one for one in after.compare(before).functions}
    for one in comparison.functions:
        there = back[one.name, one.short_file]
        assert (one.self_change, one.total_change) == (-there.self_change, -there.total_change)
        assert one.self_noise > 0
        assert 0 <= one.before.self_share <= one.before.total_share <= 1
    assert sum(one.before.self_share for one in comparison.functions) <= 1 + 1e-9
    assert sum(one.before.self_ns for one in comparison.functions) <= comparison.before_ns
    assert str(comparison)


@given(runs, runs)
def test_given_any_two_profiles_when_merged_then_counts_and_times_add_up(made: list[Run], other: list[Run]) -> None:
    names = ("x", "y", "z")
    one, two = (StreamWriter(names).add(runs).profile() for runs in (made, other))
    merged = one.merge(two)
    assert merged.thread_sample_count == one.thread_sample_count + two.thread_sample_count
    assert sum(merged.runs.weight_us) == sum(one.runs.weight_us) + sum(two.runs.weight_us)
    assert len(merged.threads) == 3

    def functions(profile: Profile) -> dict[tuple[str, str], int]:
        return {(row.name, row.file): row.total_samples for row in profile.functions()}

    first, second = functions(one), functions(two)
    assert functions(merged) == {key: first.get(key, 0) + second.get(key, 0) for key in {**first, **second}}


def recorded_at(unix_ns: int, pid: int) -> Profile:
    writer = StreamWriter().add([Run("main", count=2)])
    writer.records[0] = wire.Hello(
        **{
            **{name: getattr(writer.records[0], name) for name in wire.Hello.__struct_fields__},
            "started_unix_ns": unix_ns,
        }
    )
    writer.records[2] = wire.Processes(2, [wire.ProcessRow(0, pid, 1, "python demo.py")])
    return writer.profile()


def test_given_other_times_and_processes_when_merged_then_each_lies_at_its_time() -> None:
    later, earlier = recorded_at(10**18 + 5_000_000_000, 8), recorded_at(10**18, 9)
    merged = later.merge(earlier)
    assert merged.hello.started_unix_ns == 10**18
    assert [process.pid for process in merged.processes] == [8, 9]
    assert list(merged.runs.start_ns) == [5_000_000_000, 0]
    assert list(later.merge(earlier, align="start").runs.start_ns) == [0, 0]
    with pytest.raises(UsageError, match="align"):
        later.merge(earlier, align="x")  # type: ignore[arg-type]
