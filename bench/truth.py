"""Stacks that cannot have been, per million, and the share of samples that is discarded.

On targets that call about every 100 ns and where the calling line determines the callee (``churn.py``): plain calls,
recursion, generators, exceptions, several threads, coroutines under asyncio; for each version, in both modes. On an
ordinary target too, whose functions take microseconds to milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.case import Case, NotMeasured, Row, Settings, Tally, take_turns
from bench.cpu import chosen
from bench.judge import Findings, Judge
from bench.peers import Contestant
from bench.programs import target
from bench.pythons import Version, by_version
from bench.recording import record

RATE_HZ: Final = 20_000
VARIANTS: Final = ("calls", "recursion", "generators", "exceptions", "threads", "asyncio")
QUICK_VARIANTS: Final = ("all",)
LONG_S: Final = 24
"""Of each variant, for the blocking mode: with six of them about a million samples a version."""
NONBLOCKING_S: Final = 10
ORDINARY_S: Final = 120
_STARTING_S: Final = 0.9
_VERSIONS: Final[tuple[Version, ...]] = ((3, 11), (3, 12), (3, 13), (3, 14), (3, 15))


def cases(settings: Settings) -> Iterator[Case]:
    who = chosen(settings)
    for version in _VERSIONS:
        word = ".".join(map(str, version))
        readers = [one for one in who if _reads(one, version, settings)]
        variants = QUICK_VARIANTS if settings.quick else VARIANTS
        seconds = sum(_seconds(one, settings) + _STARTING_S for one in readers) * len(variants)
        yield Case(
            f"truth: {word}, calls without end",
            seconds,
            partial(_measure, word, version, "churn.py", variants, readers, settings),
        )
    ordinary = [one for one in who if not one.blocking or one.name == "nbspy"]
    ordinary = [one for one in ordinary if not settings.quick or one.name.startswith("nbspy")]
    yield Case(
        "truth: an ordinary target",
        sum(_seconds(one, settings, True) + _STARTING_S for one in ordinary),
        lambda: _measure("an ordinary target", _VERSIONS[-1], "ordinary.py", ("",), ordinary, settings),
    )


def _reads(one: Contestant, version: Version, settings: Settings) -> bool:
    """Nbspy is judged on each version; the others, which are slower to judge, on the newest they read."""
    if one.name.startswith("nbspy"):
        return True
    if settings.quick:
        return False
    return version == (one.newest or _VERSIONS[-1])


def _seconds(one: Contestant, settings: Settings, ordinary: bool = False) -> int:
    if settings.quick or not one.name.startswith("nbspy"):
        return settings.seconds
    if ordinary:
        return ORDINARY_S
    return LONG_S if one.blocking else NONBLOCKING_S


@dataclass(slots=True)
class _Sum:
    """Findings over the variants of one contestant."""

    findings: Findings = field(default_factory=Findings)
    by_variant: dict[str, Findings] = field(default_factory=dict)
    taken: int = 0
    discarded: int = 0
    lost: dict[str, float] = field(default_factory=dict)
    """Share discarded, in percent, by variant."""


def _measure(
    word: str, version: Version, script: str, variants: Sequence[str], who: Sequence[Contestant], settings: Settings
) -> list[Row]:
    tally = Tally(settings.keep)
    impossible, discarded = f"impossible stacks per million: {word}", f"discarded: {word}"
    by_name = {one.name: one for one in who}
    interpreter = by_version().get(version)

    def measure(name: str) -> None:
        one = by_name[name]
        found = interpreter
        if one.newest is not None and one.newest < version:
            found = by_version().get(one.newest)
        if found is None:
            raise NotMeasured(f"no Python {version[0]}.{version[1]} on PATH, in pyenv or in NBSPY_TEST_PYTHONS")
        sums = _Sum()
        for variant in variants:
            _judge(one, found.path, script, variant, _seconds(one, settings, script == "ordinary.py"), sums)
        tally.add(
            impossible, name, "per million", sums.findings.per_million, trials=sums.findings.stacks, note=_note(sums)
        )
        share = 100 * sums.discarded / max(sums.taken + sums.discarded, 1)
        note = ", ".join(f"{variant} {lost:.3g}" for variant, lost in sums.lost.items()) if len(sums.lost) > 1 else ""
        tally.add(discarded, name, "%", share, note=note)

    take_turns(list(by_name), 1, measure, lambda name, why: tally.fail(impossible, name, "per million", why))
    return sorted(tally.rows(), key=lambda row: row.figure != impossible)


def _judge(one: Contestant, python: str, script: str, variant: str, seconds: int, sums: _Sum) -> None:
    with (
        TemporaryDirectory() as folder,
        target(script, *filter(None, (variant,)), python=python) as program,
    ):
        threads = program.info["threads"]
        sampled = record(one, program.pid, rate=RATE_HZ, seconds=seconds, threads=threads, folder=Path(folder)).sampled
        judge = Judge.of(program.info)
        own = sums.by_variant.setdefault(variant, Findings())
        for findings in (own, sums.findings):
            findings.judge(judge, one.stacks(Path(folder)))
    sums.taken += sampled.samples
    sums.discarded += sampled.discarded
    sums.lost[variant] = 100 * sampled.discarded / max(sampled.samples + sampled.discarded, 1)


def _note(sums: _Sum) -> str:
    """Say how many stacks were judged, and what was wrong most often, by variant."""
    words = [f"{sums.findings.impossible:,} of {sums.findings.stacks:,} stacks"]
    flawed = [f"{name} {found.per_million:,.0f}" for name, found in sums.by_variant.items() if found.flaws and name]
    if flawed:
        words.append("; ".join(flawed))
    most = Counter(sums.findings.flaws).most_common(1)
    if most:
        words.append(f"most often: {most[0][0]}")
    return "; ".join(words)
