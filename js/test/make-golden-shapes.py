"""Writes tests/data/shapes.nbspy and .folded: a stream with recursion, packages and notebook cells, and its shapes.

Run from the top of the checkout: ``python js/test/make-golden-shapes.py``. What each shape has to be is made here
from lists of names, stack by stack, by neither of the two models that have to agree with it. A section of the folded
file is ``[shape]``, then a line per stack: frames, samples, self time in us - or, for ``functions``, a line per
function: self and total samples, self and total time.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from nbspy import wire  # noqa: E402  # run as a script
from tests.notebook.synthetic import GIL, Function, StreamBuilder  # noqa: E402

DATA = ROOT / "tests" / "data"
CELL = "/tmp/ipykernel_7/1234.py"
Path_ = tuple[str, ...]
Stacks = dict[Path_, list[int]]

MACHINERY = [
    Function(name, f"/usr/lib/python3.13/{file}.py", line, file)
    for name, file, line in (("_run_module", "runpy", 86), ("launch", "traitlets_app", 9), ("run_cell", "shell", 3000))
]
CELLS = [Function("<module>", CELL, 1), Function("helper", CELL, 4)]
STARTS = [
    Function(name, "/usr/lib/python3.13/threading.py", line, "threading")
    for name, line in (("_bootstrap", 1014), ("_bootstrap_inner", 1043), ("run", 992))
]
OWN = [
    Function(name, f"/srv/app/{name}.py", 10 * i + 1, "app") for i, name in enumerate(("main", "walk", "visit", "work"))
]
ALPHA = [Function(f"a{i}", f"/srv/alpha/{i}.py", 5, f"alpha.m{i}") for i in range(3)]
BETA = [Function(f"b{i}", f"/srv/beta/{i}.py", 7, f"beta.m{i}") for i in range(3)]
PACKAGES = {f.name: f.module.split(".")[0] for f in [*OWN, *ALPHA, *BETA]}


def stacks(chance: random.Random) -> Iterator[list[Function]]:
    """Yield stacks, root first: with and without cells, recursive, in and out of packages."""
    for _ in range(120):
        in_cell = chance.random() < 0.5
        stack = [*MACHINERY, CELLS[0]] if in_cell else MACHINERY[: chance.randrange(3)]
        choices = [*OWN, *ALPHA, *BETA, *(CELLS if in_cell else [])]
        stack = [*stack, *(chance.choice(choices) for _ in range(chance.randrange(9)))]
        yield stack or [OWN[0]]
    for i in range(30):  # of threads: some just begun, some with such a function further on, some with a cell
        stack = [chance.choice([*OWN, *ALPHA, STARTS[2]]) for _ in range(chance.randrange(5))]
        yield [*STARTS[: 1 + i % 3], *([CELLS[1]] if i % 7 == 0 else []), *stack]


def build() -> tuple[bytes, Stacks]:
    chance = random.Random(11)
    builder = StreamBuilder()
    stream = builder.hello("python -m ipykernel_launcher", 7) + builder.threads(["MainThread"])
    found: Stacks = defaultdict(lambda: [0, 0])
    for i, stack in enumerate(stacks(chance)):
        count = chance.randrange(1, 4)
        builder.run(0, [f.at(f.first_line + 1) for f in stack], GIL, i * 40, count * 10, count)
        entry = found[tuple(f.name for f in stack)]
        entry[0] += count
        entry[1] += count * 10_000
    stream += builder.flush() + wire.encode(wire.Labels(0, [(CELL, "In[3]")])) + builder.status(16000, 400)
    return stream + builder.end(16000), found


def is_cell(name: str) -> bool:
    return name in ("<module>", "helper")


def without_machinery(stack: Path_) -> Path_:
    starts = next((i for i, name in enumerate(stack) if name not in {start.name for start in STARTS}), len(stack))
    return stack[next((i for i, name in enumerate(stack) if is_cell(name)), starts) :]


def focus(name: str) -> Callable[[Path_], Path_ | None]:
    return lambda stack: stack[stack.index(name) :] if name in stack else None


def hide(name: str) -> Callable[[Path_], Path_]:
    return lambda stack: tuple(one for one in stack if one != name)


def drop(name: str) -> Callable[[Path_], Path_ | None]:
    return lambda stack: None if name in stack else stack


def collapse(name: str) -> Callable[[Path_], Path_]:
    return lambda stack: stack[: stack.index(name) + 1] if name in stack else stack


def fold_package(package: str) -> Callable[[Path_], Path_]:
    def fold(stack: Path_) -> Path_:
        out: list[str] = []
        for name in stack:
            shown = f"[{package}]" if PACKAGES.get(name) == package else name
            if not (shown == f"[{package}]" and out and out[-1] == shown):
                out.append(shown)
        return tuple(out)

    return fold


def fold_recursion(stack: Path_) -> Path_:
    out: list[str] = []
    for name in stack:
        if name in out:
            del out[out.index(name) + 1 :]
        else:
            out.append(name)
    return tuple(out)


def inverted(stack: Path_) -> Path_:
    return stack[::-1]


def callers(name: str) -> Callable[[Path_], Path_ | None]:
    return lambda stack: stack[: stack.index(name) + 1][::-1] if name in stack else None


Step = Callable[[Path_], Path_ | None]


def section(title: str, found: Stacks, steps: Sequence[Step]) -> Iterator[str]:
    sums: Stacks = defaultdict(lambda: [0, 0])
    for whole, (samples, us) in found.items():
        stack: Path_ | None = whole
        for step in steps:
            stack = None if stack is None else step(stack)
        if stack is not None:
            sums[stack][0] += samples
            sums[stack][1] += us
    yield f"[{title}]"
    yield from sorted(f"{';'.join(stack) or '-'} {samples} {us}" for stack, (samples, us) in sums.items())


def functions(found: Stacks) -> Iterator[str]:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for stack, (samples, us) in found.items():
        sums[stack[-1]][0] += samples
        sums[stack[-1]][2] += us
        for name in set(stack):
            sums[name][1] += samples
            sums[name][3] += us
    yield "[functions]"
    yield from sorted(f"{name} {' '.join(map(str, four))}" for name, four in sums.items())


def main() -> None:
    stream, found = build()
    shapes: dict[str, list[Step]] = {
        "merged": [],
        "machinery": [without_machinery],
        "focus walk": [focus("walk")],
        "focus walk a1": [focus("walk"), focus("a1")],
        "hide walk": [hide("walk")],
        "drop walk": [drop("walk")],
        "collapse walk": [collapse("walk")],
        "package alpha": [fold_package("alpha")],
        "recursion": [fold_recursion],
        "machinery focus work hide a0 drop b2 collapse visit package beta recursion": [
            without_machinery,
            focus("work"),
            drop("b2"),
            collapse("visit"),
            hide("a0"),
            fold_package("beta"),
            fold_recursion,
        ],
        "inverted": [inverted],
        "callers walk": [callers("walk")],
        "callees walk": [focus("walk")],
    }
    lines = [line for title, steps in shapes.items() for line in section(title, found, steps)]
    lines += functions(found)
    (DATA / "shapes.nbspy").write_bytes(stream)
    (DATA / "shapes.folded").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
