"""nbspy as its users write it, for mypy --strict (make lint); nothing here runs."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import nbspy
from nbspy import Profile, Session
from nbspy.model.call_tree import CallTree
from nbspy.model.compare import Comparison, FunctionChange
from nbspy.model.functions import FunctionTotals


def sample(pid: int) -> Profile:
    with nbspy.attach(pid, rate=200) as session:
        assert_type(session, Session)
    return session.stop()


def look(profile: Profile) -> None:
    assert_type(nbspy.load("a.nbspy"), Profile)
    assert_type(profile.select(time=(0, 10**9), threads="MainThread", states=["gil", "gc"]), Profile)
    assert_type(profile.merge(profile, align="start"), Profile)
    assert_type(profile.top(5), list[FunctionTotals])
    assert_type(profile.call_tree("call", by="line", hide_machinery=True), CallTree)
    assert_type(profile.save(Path("a.svg"), idle=True), Path)
    assert_type(profile.save("a.json", "speedscope"), Path)
    comparison = profile.compare(profile)
    assert_type(comparison, Comparison)
    assert_type(comparison.top(3), list[FunctionChange])
    names: list[str] = [change.name for change in comparison.functions if change.self_is_clear]
    profile.plot.timeline(theme="dark").update_layout(title=names[0])
    profile.to_pandas("stacks").head()
    profile.to_polars()
    profile.to_arrow("frames")


def errors(path: str) -> str:
    try:
        nbspy.load(path)
    except nbspy.NbspyError as err:
        return f"{err.message}: {err.help}"
    return ""
