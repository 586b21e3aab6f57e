"""The shapes of a call tree: the same golden file as the explorer's (js/test/shapes.test.ts)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy.model.builder import profile_from_stream
from nbspy.model.call_tree import CallTree
from nbspy.model.profile import Profile
from nbspy.model.shaping import Shape, callees, callers, inverted, is_called, package_of, shaped
from tests.notebook.synthetic import GIL, Function, StreamBuilder

DATA = Path(__file__).resolve().parents[1] / "data"


@cache
def golden() -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for line in (DATA / "shapes.folded").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            sections[line[1:-1]] = lines = []
        else:
            lines.append(line)
    return sections


@cache
def profile() -> Profile:
    return profile_from_stream((DATA / "shapes.nbspy").read_bytes())


def folded(tree: CallTree, packages: tuple[str, ...] = ()) -> list[str]:
    lines = []
    for row in range(len(tree)):
        if not tree.self_samples[row]:
            continue
        at, names = row, []
        while at:
            info = profile().frame(tree.frame[at])
            names.append(f"[{package_of(info)}]" if package_of(info) in packages else info.name)
            at = tree.parent[at]
        stack = ";".join(reversed(names)) or "-"
        lines.append(f"{stack} {tree.self_samples[row]} {tree.self_ns[row] // 1000}")
    return sorted(lines)


SHAPES: dict[str, tuple[Shape, bool]] = {
    "merged": (Shape(), False),
    "machinery": (Shape(), True),
    "focus walk": (Shape(focus=["walk"]), False),
    "focus walk a1": (Shape(focus=["walk", "a1"]), False),
    "hide walk": (Shape(hide=["walk"]), False),
    "drop walk": (Shape(drop=["walk"]), False),
    "collapse walk": (Shape(collapse=["walk"]), False),
    "package alpha": (Shape(packages=("alpha",)), False),
    "recursion": (Shape(recursion=True), False),
    "machinery focus work hide a0 drop b2 collapse visit package beta recursion": (
        Shape(focus=["work"], hide=["a0"], drop=["b2"], collapse=["visit"], packages=("beta",), recursion=True),
        True,
    ),
}


@pytest.mark.parametrize("title", SHAPES)
def test_given_the_golden_stacks_when_shaped_then_they_are_the_golden_ones(title: str) -> None:
    shape, machinery = SHAPES[title]
    tree = shaped(profile().call_tree(hide_machinery=machinery), profile().frame, shape)
    assert folded(tree, tuple(shape.packages)) == sorted(golden()[title])


def test_given_the_golden_stacks_then_the_shapes_tested_are_all_there_are() -> None:
    others = {"inverted", "callers walk", "callees walk", "functions"}
    assert set(golden()) - others == set(SHAPES)


@pytest.mark.parametrize(
    ("title", "turn"),
    [
        ("inverted", inverted),
        ("callers walk", lambda tree: callers(tree, lambda frame: is_called(profile().frame(frame), "walk"))),
        ("callees walk", lambda tree: callees(tree, lambda frame: is_called(profile().frame(frame), "walk"))),
    ],
)
def test_given_the_golden_stacks_when_turned_then_they_are_the_golden_ones(
    title: str, turn: Callable[[CallTree], CallTree]
) -> None:
    assert folded(turn(profile().call_tree())) == sorted(golden()[title])


def test_given_the_golden_stacks_then_the_functions_are_the_golden_ones() -> None:
    rows = [
        f"{row.name} {row.self_samples} {row.total_samples} {row.self_ns // 1000} {row.total_ns // 1000}"
        for row in profile().functions()
    ]
    assert sorted(rows) == sorted(golden()["functions"])


NAMES = [Function(name, f"/srv/{name}.py", 1, f"p{i % 2}.{name}") for i, name in enumerate("abcde")]


@given(st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=7), min_size=1, max_size=20))
def test_given_random_stacks_then_every_shape_keeps_or_leaves_out_whole_stacks(stacks: list[list[Function]]) -> None:
    builder = StreamBuilder()
    stream = builder.hello() + builder.threads(["MainThread"])
    for i, stack in enumerate(stacks):
        builder.run(0, [function.at(2) for function in stack], GIL, i * 10, 10)
    made = profile_from_stream(stream + builder.flush())
    tree = made.call_tree()
    through_a = 10_000_000 * sum(any(function.name == "a" for function in stack) for stack in stacks)
    whole = 10_000_000 * len(stacks)

    def total(shape: Shape) -> int:
        return shaped(tree, made.frame, shape).total_ns[0]

    assert total(Shape(focus=["a"])) == through_a
    assert total(Shape(drop=["a"])) == whole - through_a
    for shape in (Shape(hide=["a"]), Shape(collapse=["a"]), Shape(packages=["p0"]), Shape(recursion=True)):
        assert total(shape) == whole
    assert inverted(tree).total_ns[0] == whole
    assert callers(tree, lambda frame: made.frame(frame).name == "a").total_ns[0] == through_a
    assert callees(tree, lambda frame: made.frame(frame).name == "a").total_ns[0] == through_a
