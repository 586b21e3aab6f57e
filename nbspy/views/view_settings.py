"""What an explorer is set to, as plain values: the Python half of ``js/src/model/settings.ts``.

A view in the browser writes its settings into the widget's ``view``, and follows what Python writes there. Names that
are missing are as by default. Times are us, threads their ids in the profile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from nbspy.errors import UsageError
from nbspy.model.profile import Profile
from nbspy.model.selection import awake_threads, thread_table
from nbspy.model.tables import ThreadInfo

Tab = Literal["merged", "time", "callers", "functions", "sandwich", "source"]
TABS: Final = ("merged", "time", "callers", "functions", "sandwich", "source")
MODES: Final = ("all", "active", "gil", "gil-wait", "gc", "idle")
RuleKind = Literal["focus", "hide", "drop", "collapse"]
Settings = Mapping[str, Any]


def with_rule(settings: Settings, kind: RuleKind, functions: Iterable[str]) -> dict[str, Any]:
    """Return the settings with one more rule for each function, by qualified or plain name."""
    rules = [{"do": kind, "what": {"name": name, "file": "", "line": 0}} for name in functions]
    return {**settings, "rules": [*_rules(settings), *rules], "zoom": []}


def with_selection(
    settings: Settings,
    profile: Profile,
    threads: Iterable[ThreadInfo | int | str] | int | str | None,
    time: tuple[int, int] | None,
    states: str | None,
    idle_threads: bool,
) -> dict[str, Any]:
    """Return the settings with what is given selected, and all of what is None.

    ``idle_threads``: those that are idle nearly all of the time are shown beside others, too.
    """
    if states is not None and states not in MODES:
        raise UsageError(f"the explorer shows no states {states!r} alone", f"it shows one of {', '.join(MODES)}")
    if time is not None and not time[0] < time[1]:
        raise UsageError(f"time {time} ends before it starts", "give (start, end) in nanoseconds")
    table = b"" if threads is None else thread_table(threads, profile.threads)
    return {
        **settings,
        "threads": [thread for thread, wanted in enumerate(table) if wanted],
        "time": None if time is None else [time[0] / 1000, time[1] / 1000],
        "mode": states or "all",
        "idlers": not idle_threads,
    }


def selected(profile: Profile, settings: Settings) -> Profile:
    """Return the part of ``profile`` that is seen: of its time, threads and states, and of stacks in focus.

    Where no threads are selected, those that are idle for more than 99 % of that time are left out, unless all are or
    they are wanted.

    What only changes the look of stacks (hidden, collapsed, folded) changes no sample, and is not applied.
    """
    threads = [profile.threads[i] for i in _numbers(settings.get("threads")) if 0 <= i < len(profile.threads)]
    us, mode = _numbers(settings.get("time")), settings.get("mode", "all")
    time = (round(us[0] * 1000), round(us[1] * 1000)) if len(us) == 2 and us[0] < us[1] else None
    all_states = mode not in MODES or mode == "all"
    if all_states and not threads and settings.get("idlers") is not False:
        threads = [profile.threads[i] for i in sorted(awake_threads(profile.runs, time))]
    named: dict[str, list[str]] = {"focus": [], "drop": []}
    for rule in _rules(settings):
        if rule.get("do") in named:
            named[rule["do"]].append(str(rule["what"]["name"]))
    return profile.select(
        threads=threads or None,
        time=time,
        states=None if all_states else mode,
        through=named["focus"] or None,
        without=named["drop"] or None,
    )


def _rules(settings: Settings) -> list[Any]:
    """Return the rules that make sense: the browser writes them, and it may be any page's script."""
    rules = settings.get("rules")
    return [rule for rule in rules if _is_rule(rule)] if isinstance(rules, (list, tuple)) else []


def _is_rule(rule: Any) -> bool:
    if not isinstance(rule, dict):
        return False
    what = rule.get("what")
    return isinstance(what, str) or (isinstance(what, dict) and isinstance(what.get("name"), str))


def _numbers(value: Any) -> list[Any]:
    numbers = value if isinstance(value, (list, tuple)) else []
    return [one for one in numbers if isinstance(one, (int, float)) and not isinstance(one, bool)]
