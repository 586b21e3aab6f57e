"""The benchmark's phases: what made-up windows, of which the truth is known, are taken for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from types import SimpleNamespace

import pytest

from bench import distance, halting
from bench.case import NotMeasured
from bench.halting import alternate
from bench.phases import EDGE_NS, ORDERS, Block, Part, Phase, blocks_of, effect, interval, orders
from bench.windows import Window, slowdown, speeds

MS = 1_000_000
WINDOW_NS = 2 * MS
PHASE_NS = 100 * MS
Speed = Callable[[float, Random], float]


def steady(_second: float, _random: Random) -> float:
    return 100.0


def drifting(second: float, _random: Random) -> float:
    """A tenth faster every four seconds, and up and down by a third besides."""
    return 100.0 * (1 + second / 40) * (1 + math.sin(second) / 3)


def noisy(second: float, random: Random) -> float:
    """Drifting, half as fast for a quarter of the time, and uneven from window to window."""
    return drifting(second, random) * (0.55 if int(second * 3) % 4 == 0 else 1.0) * random.gauss(1.0, 0.08)


def phases_of(blocks: int, random: Random) -> list[Phase]:
    kinds = itertools.chain.from_iterable(orders(blocks, random))
    return [Phase(number * PHASE_NS, (number + 1) * PHASE_NS, on) for number, on in enumerate(kinds)]


def windows_of(
    phases: Sequence[Phase],
    *,
    speed: Speed = steady,
    slower: float = 0.0,
    stands_ns: int = 0,
    waits_ns: int = 0,
    host: float = 0.0,
    seed: int = 1,
) -> list[Window]:
    """Make windows of a target that in phases that are on is ``slower``, and stands and waits in every fifth window.

    ``host``: the part of all time that the host has the processor, which nobody in the system sees.
    """
    random = Random(seed)
    windows = []
    for number in range(phases[-1].end_ns // WINDOW_NS):
        begin_ns = number * WINDOW_NS
        on = phases[begin_ns // PHASE_NS].on
        hit = on and number % 5 == 0
        stood_ns, waited_ns = (stands_ns, waits_ns) if hit else (0, 0)
        ran_ns = round((WINDOW_NS - stood_ns - waited_ns) * (1 - host))
        work = ran_ns * speed(begin_ns / 1e9, random) * (1 - slower * on)
        windows.append(Window(begin_ns, begin_ns + WINDOW_NS, round(work), ran_ns, waited_ns, int(hit)))
    return windows


@pytest.mark.parametrize("speed", [steady, drifting])
def test_what_the_target_loses_is_found_whatever_the_speed_of_the_machine(speed: Speed) -> None:
    phases = phases_of(40, Random(1))

    found = effect(blocks_of(windows_of(phases, speed=speed, slower=0.01, stands_ns=40_000, waits_ns=20_000), phases))

    assert found.stands == pytest.approx(100 * 40e3 / (5 * WINDOW_NS), rel=0.05)
    assert found.waits == pytest.approx(100 * 20e3 / (5 * WINDOW_NS), rel=0.05)
    assert found.runs_slower == pytest.approx(1.0, abs=0.05)
    assert found.slower == pytest.approx(1.6, abs=0.07)


def test_what_the_host_takes_is_nobodys_stop() -> None:
    phases = phases_of(40, Random(1))

    found = effect(blocks_of(windows_of(phases, stands_ns=40_000, host=0.1), phases))

    assert found.stands == pytest.approx(0.4, rel=0.15)
    assert abs(found.runs_slower) < 0.01


@pytest.mark.parametrize("slower", [0.0, 0.005, 0.05])
def test_interval_holds_the_truth_on_a_noisy_machine(slower: float) -> None:
    held = 0
    for seed in range(6):
        phases = phases_of(100, Random(seed))
        blocks = blocks_of(windows_of(phases, speed=noisy, slower=slower, seed=seed), phases)
        low, high = interval(blocks, Random(seed))
        assert high - low < 2.0
        held += low <= 100 * slower <= high
    assert held >= 5


def test_steady_drift_alone_is_no_harm() -> None:
    def growing(second: float, _random: Random) -> float:
        return 100.0 * (1 + second)

    phases = phases_of(40, Random(1))

    assert abs(effect(blocks_of(windows_of(phases, speed=growing), phases)).runs_slower) < 0.1


def test_edges_and_windows_of_the_phase_before_do_not_count() -> None:
    phases = [Phase(n * PHASE_NS, (n + 1) * PHASE_NS, on) for n, on in enumerate(ORDERS[0])]
    windows = windows_of(phases)
    clean = effect(blocks_of(windows, phases) * 5)
    # Whatever happens while it is changed over.
    spoilt = [
        window._replace(work=0, turns=1, ran_ns=1) if window.begin_ns % PHASE_NS < EDGE_NS else window
        for window in windows
    ]

    assert effect(blocks_of(spoilt, phases) * 5) == clean


def test_one_long_stop_counts_in_full() -> None:
    phases = [Phase(n * PHASE_NS, (n + 1) * PHASE_NS, on) for n, on in enumerate(ORDERS[0])]
    windows = windows_of(phases)
    begin, end = 50 * MS, 90 * MS
    stop = Window(begin, end, 100 * WINDOW_NS, WINDOW_NS, 0, 1)
    windows = sorted([stop, *(window for window in windows if not begin <= window.begin_ns < end)])

    [block] = blocks_of(windows, phases)

    assert block.on.stood_ns == pytest.approx(38 * MS)
    assert block.on.speed == block.off.speed


def test_blocks_without_enough_windows_are_left_out_and_too_few_are_no_figure() -> None:
    phases = phases_of(6, Random(1))
    windows = [window for window in windows_of(phases) if not 0 < window.begin_ns < PHASE_NS]

    blocks = blocks_of(windows, phases)

    assert len(blocks) == 5
    assert effect(blocks).slower == pytest.approx(0)
    with pytest.raises(NotMeasured, match="4 blocks"):
        effect(blocks[1:])


def test_phases_that_somebody_else_disturbed_spoil_their_block_alone() -> None:
    phases = phases_of(6, Random(1))
    windows = [
        window._replace(turns=1, ran_ns=1) if window.begin_ns < PHASE_NS else window for window in windows_of(phases)
    ]
    phases[0] = replace(phases[0], sound=False)

    assert len(blocks_of(windows, phases)) == 5
    assert effect(blocks_of(windows, phases)).slower == pytest.approx(0)


def test_same_blocks_have_the_same_interval() -> None:
    blocks = [Block(Part(1, 0, 0, 90 + number), Part(1, 0, 0, 100)) for number in range(20)]

    assert interval(blocks, Random(0)) == interval(blocks, Random(0))
    low, high = interval(blocks, Random(0))
    assert low < effect(blocks).slower < high


def test_both_orders_come_and_each_is_balanced() -> None:
    seen = set(orders(50, Random(3)))

    assert seen == set(ORDERS)
    assert all(order.count(True) == 2 and sum(place * on for place, on in enumerate(order)) == 3 for order in ORDERS)


def test_speeds_are_of_whole_spans_without_what_was_waited() -> None:
    windows = [
        Window(number * WINDOW_NS, (number + 1) * WINDOW_NS, WINDOW_NS * 3 // 4, WINDOW_NS * 3 // 4, WINDOW_NS // 4, 1)
        for number in range(60)
    ]

    assert list(speeds(windows, 0, 120 * MS)) == [1.0, 1.0]
    assert list(speeds(windows, 1, 51 * MS)) == []
    assert slowdown([0.9, 0.8, 0.9], [1.0, 1.0, 2.0]) == pytest.approx(10)


class Halted:
    """Takes note of what it is told."""

    def __init__(self, name: str, told: list[str]) -> None:
        self._name = name
        self._told = told

    def halt(self) -> None:
        self._told.append(f"{self._name} off")

    def let_on(self) -> None:
        self._told.append(f"{self._name} on")

    def is_halted(self) -> bool:
        return True


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was told, and the sleeps between: nobody sleeps."""
    told: list[str] = []
    clock = itertools.count(step=50 * MS)
    time = SimpleNamespace(sleep=lambda _seconds: told.append("."), monotonic_ns=lambda: next(clock))
    monkeypatch.setattr(halting, "time", time)
    monkeypatch.setattr(distance, "time", time)
    return told


def test_only_changes_are_told_and_it_is_left_on(slept: list[str]) -> None:
    phases = alternate(Halted("a", slept), [ORDERS[0], ORDERS[1]], 0.1)  # type: ignore[arg-type]

    assert slept == [".", "a off", ".", ".", "a on", ".", "a off", ".", "a on", ".", ".", "a off", ".", "a on"]
    assert [phase.on for phase in phases] == [*ORDERS[0], *ORDERS[1]]
    assert all(phase.begin_ns < phase.end_ns and phase.sound for phase in phases)
    assert not any(phase.sound for phase in alternate(Halted("a", slept), [ORDERS[0]], 0.03))  # type: ignore[arg-type]


def test_recordings_take_turns_and_never_two_at_a_time(slept: list[str]) -> None:
    distance.rotate([Halted(name, slept) for name in "abc"], 4, Random(1))  # type: ignore[misc]

    turns = [" ".join(slept[place : place + 3]) for place in range(0, len(slept), 3)]
    rounds = [turns[place : place + 3] for place in range(0, 12, 3)]
    assert all(sorted(turn) == ["a on . a off", "b on . b off", "c on . c off"] for turn in rounds)
    assert len({tuple(turn) for turn in rounds}) > 1
