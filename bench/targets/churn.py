"""A target that calls as fast as it can, and where the calling line determines the callee.

Whoever samples it can be told how many of the stacks cannot have existed. Announces a JSON line with ``callees``:
``{"function:line": callee}``, the lines of each ``functions``, and which of them are ``roots``: called by what is not
among them. The variant is an argument: calls, recursion, generators, exceptions, threads, asyncio, or all (the first
four in turn, in two threads).
"""

import json
import os
import re
import sys
import threading
from collections.abc import Callable
from typing import Any

WIDTH = 6


def make_calls() -> list[str]:
    lines = []
    for i in range(WIDTH):
        for j in range(WIDTH):
            lines += [f"def leaf_{i}_{j}():", "    return None", ""]
        lines.append(f"def branch_{i}():")
        lines += [f"    leaf_{i}_{j}()" for j in range(WIDTH)]
        lines.append("")
    lines += ["def churn():", "    while True:"]
    lines += [f"        branch_{i}()" for i in range(WIDTH)]
    return lines


def make_recursion() -> list[str]:
    lines = ["def down_a(n):", "    if n:", "        down_b(n - 1)", "        down_c(n - 1)", ""]
    lines += ["def down_b(n):", "    if n:", "        down_c(n - 1)", "        down_a(n - 1)", ""]
    lines += ["def down_c(n):", "    if n:", "        down_a(n - 1)", "        down_b(n - 1)", ""]
    lines += ["def churn():", "    while True:", "        down_a(5)", "        down_b(5)"]
    return lines


def make_generators() -> list[str]:
    lines = []
    for i in range(WIDTH):
        lines += [f"def inner_{i}():", "    yield 1", "    yield 2", ""]
        lines += [f"def outer_{i}():", f"    yield from inner_{i}()", ""]
    lines += ["def churn():", "    while True:"]
    lines += [f"        for _ in outer_{i}(): pass" for i in range(WIDTH)]
    return lines


def make_exceptions() -> list[str]:
    lines = []
    for i in range(WIDTH):
        lines += [f"def fails_{i}():", "    raise KeyError", ""]
        lines += [f"def tries_{i}():", "    try:", f"        fails_{i}()", "    except KeyError:", "        pass", ""]
    lines += ["def churn():", "    while True:"]
    lines += [f"        tries_{i}()" for i in range(WIDTH)]
    return lines


def make_asyncio() -> list[str]:
    lines = ["def leaf_0():", "    return None", ""]
    for i in range(WIDTH):
        lines += [f"async def inner_{i}():", "    leaf_0()", "    await sleep(0)", "    leaf_0()", ""]
        lines += [f"async def outer_{i}():", f"    await inner_{i}()", "    leaf_0()", ""]
    lines += ["async def task():", "    while True:"]
    lines += [f"        await outer_{i}()" for i in range(WIDTH)]
    lines += ["", "async def several():", "    await gather(task(), task())", ""]
    lines += ["def churn():", "    run(several())"]
    return lines


def make_all() -> list[str]:
    lines = []
    for make in (make_calls, make_recursion, make_generators, make_exceptions):
        lines += [line.replace("while True", "for _ in range(20)").replace("churn", make.__name__) for line in make()]
        lines.append("")
    lines += ["def churn():", "    while True:"]
    lines += [f"        {make}()" for make in ("make_calls", "make_recursion", "make_generators", "make_exceptions")]
    return lines


CALLED = re.compile(r"\b((?:leaf|branch|down|inner|outer|fails|tries|make)_\w+)\(")
OUTSIDE = re.compile(r"\b(sleep|gather|run)\(")


def callees_of(lines: list[str]) -> dict[str, str]:
    """Map "function:line" to the one function that is called there; "" for one that is not of this program."""
    found: dict[str, str] = {}
    for name, numbers in functions_of(lines).items():
        for number in numbers[1:]:
            called = CALLED.search(lines[number - 1])
            if called:
                found[f"{name}:{number}"] = called.group(1)
            elif OUTSIDE.search(lines[number - 1]):
                found[f"{name}:{number}"] = ""
    return found


def functions_of(lines: list[str]) -> dict[str, list[int]]:
    """Map each function to the numbers of its lines; the first is that of its def."""
    found: dict[str, list[int]] = {}
    name = ""
    for number, line in enumerate(lines, 1):
        if "def " in line:
            name = line[line.index("def ") + 4 : line.index("(")]
        if name and line:
            found.setdefault(name, []).append(number)
    return found


MAKERS: dict[str, Callable[[], list[str]]] = {
    "calls": make_calls,
    "recursion": make_recursion,
    "generators": make_generators,
    "exceptions": make_exceptions,
    "threads": make_calls,
    "asyncio": make_asyncio,
    "all": make_all,
}
THREADS = {"threads": 4, "all": 2}


def main() -> None:
    variant = sys.argv[1] if len(sys.argv) > 1 else "calls"
    lines = MAKERS[variant]()
    namespace: dict[str, Any] = {}
    if variant == "asyncio":
        import asyncio

        namespace = {"sleep": asyncio.sleep, "gather": asyncio.gather, "run": asyncio.run}
    exec(compile("\n".join(lines), "churn_code.py", "exec"), namespace)
    # Threads that change often; and all under way before the first sample.
    sys.setswitchinterval(0.0005)
    barrier = threading.Barrier(THREADS.get(variant, 1))

    def work() -> None:
        barrier.wait()
        namespace["churn"]()

    for _ in range(THREADS.get(variant, 1) - 1):
        threading.Thread(target=work, daemon=True).start()
    announced: dict[str, object] = {"ready": True, "pid": os.getpid(), "threads": THREADS.get(variant, 1)}
    announced["callees"] = callees_of(lines)
    announced["functions"] = functions_of(lines)
    announced["roots"] = ["churn", "task", "several"] if variant == "asyncio" else ["churn"]
    print(json.dumps(announced), flush=True)
    work()


if __name__ == "__main__":
    main()
