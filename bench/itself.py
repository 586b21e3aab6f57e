"""Where the time of a sample goes: the sampler of a 1 kHz session, sampled by a second one that does not stop it.

The sampler sleeps for nine tenths of its time, and only the rest is of interest: samples in which no function of its
stack is the one that sleeps. The second sampler's rate is no multiple of the first's, so that it meets it in all of its
phases. The two have processors of their own, for who waits for the processor that the sampler has never sees it awake;
where there are only two, the second one shares the target's.

A module's part is time that passes, waiting for a thread to stop included. Beside it stands the CPU time that the
kernel counts: what it has more, without stops, is what falling asleep and waking up take inside the kernel.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import nbspy
from bench.case import Case, NotMeasured, Row, Settings, Tally, take_turns
from bench.programs import target, tree
from bench.pythons import target_python
from nbspy.model.tables import FrameInfo

RATE_HZ: Final = 1000
SECOND_HZ: Final = 4700
FRAMES: Final = 10
LENGTHS: Final = 5
"""How many times as long as an ordinary recording: of 4,700 samples a second some 200 find it awake."""
MODES: Final = {"nbspy": False, "nbspy --nonblocking": True}
SLEEPING: Final = "asleep"
REST: Final = "all the rest"
_SLEEPS: Final = "wait_until"
"""The function that sleeps until a sample is due; what it calls belongs to it."""
_LEAST: Final = 0.03
"""What has a smaller share is added up."""
_FEWEST: Final = 100
_SETTLE_S: Final = 1.0
_STARTING_S: Final = 2.0

Seen = tuple[Sequence[FrameInfo], int]
"""A stack, root first, and how often it was seen."""


def cases(settings: Settings) -> Iterator[Case]:
    names = [name for name in MODES if settings.wants(name)]
    if not settings.quick and names:
        seconds = len(names) * settings.repeat * (LENGTHS * settings.seconds + _STARTING_S)
        yield Case("itself: where a sample's time goes", seconds, lambda: _measure(names, settings))


def _measure(names: list[str], settings: Settings) -> list[Row]:
    tally = Tally(settings.keep)
    figure = "the sampler's own time, a sample at 1 kHz: {}"

    def measure(name: str) -> None:
        watched = watch(MODES[name], LENGTHS * settings.seconds)
        seen = parts(watched.stacks)
        one_us = watched.period_us / max(seen.total(), 1)
        del seen[SLEEPING]
        if seen.total() < _FEWEST:
            raise NotMeasured(f"the sampler was awake in {seen.total()} samples only")
        tally.add(figure.format("CPU, by the kernel"), name, "us", watched.cpu_us)
        note = f"seen awake {seen.total():,} times"
        tally.add(figure.format("not asleep, in all"), name, "us", one_us * seen.total(), note=note)
        for part, count in gathered(seen).items():
            tally.add(figure.format(part), name, "us", one_us * count)

    take_turns(
        names,
        settings.repeat,
        measure,
        lambda name, why: tally.fail(figure.format("not asleep, in all"), name, "us", why),
    )
    return tally.rows()


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen of a sampler."""

    stacks: list[Seen]
    cpu_us: float
    """Its CPU time for each of its samples."""
    period_us: float
    """Time that passed for each of them."""


def watch(nonblocking: bool, seconds: float) -> Watched:
    """Sample the sampler of a session of :data:`RATE_HZ`; raises NotMeasured where processes cannot be pinned."""
    if sys.platform != "linux":
        raise NotMeasured("who runs on which processor can be said on Linux only")
    with target("depth.py", FRAMES, 1, 1, python=target_python()) as program:
        watched_cpu, *others = sorted(os.sched_getaffinity(0))
        if not others:
            raise NotMeasured("two processors are needed: one runs the sampler while the other looks at it")
        os.sched_setaffinity(program.pid, others[:1])
        before = set(tree(os.getpid()))
        with nbspy.attach(program.pid, rate=RATE_HZ, nonblocking=nonblocking, recording=False) as session:
            [sampler] = set(tree(os.getpid())) - before
            os.sched_setaffinity(sampler, [watched_cpu])
            time.sleep(_SETTLE_S)
            with nbspy.attach(sampler, rate=SECOND_HZ, nonblocking=True, recording=False) as second:
                [watcher] = set(tree(os.getpid())) - before - {sampler}
                os.sched_setaffinity(watcher, others[-1:])
                begun = session.sample_count, _cpu_ns(sampler), time.monotonic_ns()
                time.sleep(seconds)
                ended = session.sample_count, _cpu_ns(sampler), time.monotonic_ns()
            if not session.running:
                raise NotMeasured(f"the sampler that was watched ended: {session.error or session.end}")
    taken = ended[0] - begun[0]
    if not taken:
        raise NotMeasured("the sampler that was watched took no samples")
    stacks: list[Seen] = [(stack.frames, stack.count) for stack in second.profile.stacks()]
    return Watched(stacks, (ended[1] - begun[1]) / taken / 1e3, (ended[2] - begun[2]) / taken / 1e3)


def parts(stacks: Iterable[Seen]) -> Counter[str]:
    """Return how often each part of the sampler was seen: the module of the leaf, unless something below sleeps."""
    seen: Counter[str] = Counter()
    for frames, count in stacks:
        if not frames:
            continue
        sleeps = any(frame.name.rpartition(".")[2] == _SLEEPS for frame in frames)
        seen[SLEEPING if sleeps else frames[-1].short_file] += count
    return seen


def gathered(seen: Counter[str]) -> dict[str, int]:
    """Return the parts, the largest first; the small ones are one, at the end."""
    large = {part: count for part, count in seen.most_common() if count >= _LEAST * seen.total()}
    rest = seen.total() - sum(large.values())
    return {**large, REST: rest} if rest else large


def _cpu_ns(pid: int) -> int:
    """Return what all threads of ``pid`` have used so far."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
            total += int(file.read().split()[0])
    return total
