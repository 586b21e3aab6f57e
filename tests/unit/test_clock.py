from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbspy.sampling.clock import JITTER, Clock

INTERVAL_NS = 1_000_000


class FakeNow:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.ns = 5_000_000_000

    def __call__(self) -> int:
        return self.ns


def test_deadlines_of_a_punctual_sampler_lie_around_a_fixed_grid_and_none_is_late() -> None:
    now = FakeNow()
    clock = Clock(INTERVAL_NS, now, seed=1)
    start = now.ns

    shifts = []
    for tick in range(1, 1001):
        deadline = clock.next_deadline()
        shifts.append(deadline - (start + tick * INTERVAL_NS))
        now.ns = max(now.ns, deadline) + INTERVAL_NS // 20

    assert clock.late == 0
    assert max(map(abs, shifts)) <= JITTER * INTERVAL_NS
    assert max(shifts) > JITTER * INTERVAL_NS / 2  # it does jitter, to both sides
    assert min(shifts) < -JITTER * INTERVAL_NS / 2


def test_deadlines_after_one_slow_sample_stay_on_the_grid() -> None:
    now = FakeNow()
    clock = Clock(INTERVAL_NS, now, seed=1)
    start = now.ns
    clock.next_deadline()
    now.ns = start + 5 * INTERVAL_NS + INTERVAL_NS // 4

    following = [clock.next_deadline(), clock.next_deadline()]

    assert clock.late == 1
    assert [round((deadline - start) / INTERVAL_NS) for deadline in following] == [5, 6]


def test_deadline_missed_by_less_than_half_an_interval_is_not_late() -> None:
    now = FakeNow()
    clock = Clock(INTERVAL_NS, now, seed=1)
    now.ns += INTERVAL_NS + INTERVAL_NS * 4 // 10

    clock.next_deadline()

    assert clock.late == 0


def test_deadlines_of_the_last_ten_milliseconds_are_made_up_for_where_the_clock_is_fast() -> None:
    now = FakeNow()
    clock = Clock(INTERVAL_NS // 20, now, seed=1)
    start = now.ns
    clock.next_deadline()
    now.ns += 9 * INTERVAL_NS

    following = [clock.next_deadline() for _ in range(181)]

    assert [round((deadline - start) / (INTERVAL_NS // 20)) for deadline in following] == list(range(2, 183))
    assert clock.late == 178
    now.ns += 15 * INTERVAL_NS
    assert clock.next_deadline() >= now.ns - INTERVAL_NS // 20


@given(st.lists(st.integers(0, 20 * INTERVAL_NS), max_size=60), st.integers(0, 9))
def test_deadlines_whatever_the_delays_advance_and_never_fall_behind(delays: list[int], seed: int) -> None:
    now = FakeNow()
    clock = Clock(INTERVAL_NS, now, seed=seed)
    jitter = JITTER * INTERVAL_NS
    last = now.ns - INTERVAL_NS
    for delay in delays:
        before = now.ns
        deadline = clock.next_deadline()
        assert deadline >= before - INTERVAL_NS - jitter  # nothing to catch up with
        assert deadline <= before + INTERVAL_NS + 2 * jitter
        assert deadline - last >= INTERVAL_NS - 2 * jitter - 1  # and no two at once
        last = deadline
        now.ns = max(now.ns, deadline) + delay

    assert clock.late <= len(delays)


def test_deadline_after_a_suspended_night_is_the_next_and_what_was_missed_is_not_made_up_for() -> None:
    now = FakeNow()
    clock = Clock(INTERVAL_NS, now)
    now.ns = clock.next_deadline() + 8 * 3600 * 10**9

    deadline = clock.next_deadline()

    assert clock.late == 1
    assert abs(deadline - now.ns) <= 2 * INTERVAL_NS
    now.ns = deadline
    assert clock.next_deadline() > deadline
    assert clock.late == 1
