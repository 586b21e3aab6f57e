"""What changed between two profiles, against the golden file that the browser's side is held to as well.

``js/test/make-golden-compare.py`` writes it, by neither of the two models.
"""

from __future__ import annotations

from pathlib import Path

from nbspy.model.builder import profile_from_stream
from nbspy.model.compare import FunctionChange
from nbspy.model.profile import Profile

DATA = Path(__file__).parents[1] / "data"


def profile_of(name: str) -> Profile:
    return profile_from_stream((DATA / name).read_bytes())


def sections() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (DATA / "compare.folded").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = found[line.strip("[]")] = []
        else:
            lines.append(line)
    return found


def as_line(change: FunctionChange) -> str:
    file = "a cell" if change.short_file.startswith("In[") else change.short_file
    before, after = change.before, change.after
    times = (before.self_ns, after.self_ns, before.total_ns, after.total_ns)
    return f"{change.name}|{file}|{' '.join(str(ns // 1000) for ns in times)}"


def test_given_the_golden_profiles_then_what_changed_is_the_golden_answer() -> None:
    golden = sections()
    comparison = profile_of("compare-before.nbspy").compare(profile_of("compare-after.nbspy"))
    assert comparison.of_active
    assert golden["whole"] == [f"{comparison.before_ns // 1000} {comparison.after_ns // 1000}"]
    assert sorted(map(as_line, comparison.functions)) == sorted(golden["functions"])


def test_given_the_golden_profiles_then_shares_are_the_golden_times_of_the_whole() -> None:
    golden = sections()
    whole_before, whole_after = map(int, golden["whole"][0].split())
    comparison = profile_of("compare-before.nbspy").compare(profile_of("compare-after.nbspy"))
    by_name = {(one.name, one.short_file): one for one in comparison.functions}
    for line in golden["functions"]:
        name, file, times = line.split("|")
        if file == "a cell":
            continue
        self_before, self_after, total_before, total_after = map(int, times.split())
        change = by_name[name, file]
        assert round(change.before.self_share * whole_before) == self_before
        assert round(change.after.self_share * whole_after) == self_after
        assert round(change.before.total_share * whole_before) == total_before
        assert round(change.after.total_share * whole_after) == total_after
