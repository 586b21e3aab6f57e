"""The threads of two profiles, matched by process and name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from nbspy.model.profile import Profile, ThreadTotals

ThreadKey = tuple[str, str]
"""A process's command line ("" where there is but one), and a thread's name."""


@dataclass(frozen=True, slots=True)
class ThreadShares:
    """Threads of one name in one profile: how many, and their shares of their own samples."""

    threads: int
    samples: int
    active_share: float
    gil_share: float


@dataclass(frozen=True, slots=True)
class ThreadChange:
    """Threads of one name in both profiles; None where there are none."""

    process: str
    """ "" where each profile has but one process."""
    name: str
    before: ThreadShares | None
    after: ThreadShares | None


def thread_changes(before: Profile, after: Profile) -> tuple[ThreadChange, ...]:
    """Return one row for each name of threads, the most active first."""
    one_process = len(before.processes) <= 1 and len(after.processes) <= 1
    first, second = (_by_key(profile.thread_totals(), one_process) for profile in (before, after))
    alone = first.keys() ^ second.keys()
    # A name that only one of them has may be in the other under another number: Thread-7 and Thread-12.
    for rows in (first, second):
        for key in alone & rows.keys():
            rows[key[0], _without_numbers(key[1])] += rows.pop(key)
    changes = [
        ThreadChange(*key, _shares(first.get(key, [])), _shares(second.get(key, []))) for key in {**first, **second}
    ]
    changes.sort(key=lambda one: (-_active(one), one.process, one.name))
    return tuple(changes)


def _by_key(totals: Iterable[ThreadTotals], one_process: bool) -> defaultdict[ThreadKey, list[ThreadTotals]]:
    rows: defaultdict[ThreadKey, list[ThreadTotals]] = defaultdict(list)
    for row in totals:
        process = "" if one_process else row.thread.process.command_line
        rows[process, row.thread.name or "thread without a name"].append(row)
    return rows


def _without_numbers(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _shares(rows: list[ThreadTotals]) -> ThreadShares | None:
    if not rows:
        return None
    samples = sum(row.samples for row in rows)
    return ThreadShares(
        len(rows),
        samples,
        sum(row.active_share * row.samples for row in rows) / samples,
        sum(row.gil_share * row.samples for row in rows) / samples,
    )


def _active(change: ThreadChange) -> float:
    return max(shares.active_share * shares.samples for shares in (change.before, change.after) if shares is not None)
