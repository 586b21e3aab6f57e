"""Writes tests/data/compare-before.nbspy, compare-after.nbspy and compare.folded: two profiles, and what changed.

Run from the top of the checkout: ``python js/test/make-golden-compare.py``. What changed is counted here from lists of
names, stack by stack, by neither of the two models that have to agree with it; of active threads' time alone. Between
the two the lines moved, a cell has another number, a function is gone and another is new. Sections of the folded file:
``[whole]`` the time of each; ``[functions]`` a line each: name, file, self before and after, total before and after;
``[paths]`` total before and after of each path from the root. Times in us.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from nbspy import wire  # noqa: E402  # run as a script
from tests.notebook.synthetic import GIL, IDLE, RUNNING, Function, StreamBuilder  # noqa: E402

DATA = ROOT / "tests" / "data"
SHARED = [
    Function("main", "/srv/app/main.py", 3, "app"),
    Function("walk", "/srv/app/walk.py", 10, "app", "Tree.walk"),
    Function("walk", "/srv/app/other.py", 10, "app", "Other.walk"),
    Function("parse", "/srv/lib/parse.py", 7, "lib"),
]
Stack = list[Function]
Samples = list[tuple[Stack, wire.State, int]]


def samples(seed: int, own: Function, cell: str, moved: int) -> Samples:
    """Choose stacks: of what both have, of ``own`` that the other has not, and of a cell."""
    chance = random.Random(seed)
    functions = [*(replace(f, first_line=f.first_line + moved) for f in SHARED), own, Function("<module>", cell, 1)]
    weights = [chance.randrange(1, 9) for _ in functions]
    return [
        (
            chance.choices(functions, weights, k=chance.randrange(1, 6)),
            chance.choice((GIL, RUNNING, IDLE)),
            chance.randrange(1, 5),
        )
        for _ in range(90)
    ]


def stream(found: Samples, label: str, cell: str) -> bytes:
    builder = StreamBuilder()
    head = builder.hello(f"python {label}.py", 7) + builder.threads(["MainThread"])
    at = 0
    for stack, state, count in found:
        builder.run(0, [f.at(f.first_line + 1) for f in stack], state, at, count * 10, count)
        at += count * 10
    return head + builder.flush() + wire.encode(wire.Labels(0, [(cell, f"In[{label}]")])) + builder.end(at)


def key(function: Function) -> str:
    file = "a cell" if function.name == "<module>" else function.file.rsplit("/", 1)[-1]
    return f"{function.qualname or function.name}|{file}"


def count(found: Samples) -> tuple[dict[str, list[int]], dict[str, int], int]:
    """Return self and total of each function, the total of each path, and the whole, in us."""
    functions: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    paths: dict[str, int] = defaultdict(int)
    whole = 0
    for stack, state, samples in found:
        if not state & wire.State.ACTIVE:
            continue
        us, keys = samples * 10_000, [key(f) for f in stack]
        whole += us
        functions[keys[-1]][0] += us
        for one in set(keys):
            functions[one][1] += us
        for depth in range(1, len(keys) + 1):
            paths[";".join(keys[:depth])] += us
    return functions, paths, whole


def lines(before: Samples, after: Samples) -> Iterator[str]:
    (functions, paths, whole), (functions_after, paths_after, whole_after) = count(before), count(after)
    yield "[whole]"
    yield f"{whole} {whole_after}"
    yield "[functions]"
    names: Sequence[str] = sorted({*functions, *functions_after})
    for name in names:
        old, new = functions[name], functions_after[name]
        yield f"{name}|{old[0]} {new[0]} {old[1]} {new[1]}"
    yield "[paths]"
    for path in sorted({*paths, *paths_after}):
        yield f"{path}|{paths[path]} {paths_after[path]}"


def main() -> None:
    cells = "/tmp/ipykernel_7/1234.py", "/tmp/ipykernel_9/88.py"
    before = samples(5, Function("gone", "/srv/app/gone.py", 4, "app"), cells[0], 0)
    after = samples(8, Function("fresh", "/srv/app/fresh.py", 4, "app"), cells[1], 31)
    (DATA / "compare-before.nbspy").write_bytes(stream(before, "1", cells[0]))
    (DATA / "compare-after.nbspy").write_bytes(stream(after, "2", cells[1]))
    (DATA / "compare.folded").write_text("\n".join(lines(before, after)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
