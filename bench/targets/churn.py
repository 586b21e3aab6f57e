"""A target that calls as fast as it can, and where the calling line determines the callee.

Whoever samples it can be told how many of the stacks cannot have existed. Announces a JSON line with ``callees``:
``{"function:line": callee}``. The variant is an argument: calls, recursion, generators, exceptions or threads.
"""

import json
import os
import sys
import threading

WIDTH = 6


def make_calls():
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


def make_recursion():
    lines = ["def down_a(n):", "    if n:", "        down_b(n - 1)", "        down_c(n - 1)", ""]
    lines += ["def down_b(n):", "    if n:", "        down_c(n - 1)", "        down_a(n - 1)", ""]
    lines += ["def down_c(n):", "    if n:", "        down_a(n - 1)", "        down_b(n - 1)", ""]
    lines += ["def churn():", "    while True:", "        down_a(5)", "        down_b(5)"]
    return lines


def make_generators():
    lines = []
    for i in range(WIDTH):
        lines += [f"def inner_{i}():", "    yield 1", "    yield 2", ""]
        lines += [f"def outer_{i}():", f"    yield from inner_{i}()", ""]
    lines += ["def churn():", "    while True:"]
    lines += [f"        for _ in outer_{i}(): pass" for i in range(WIDTH)]
    return lines


def make_exceptions():
    lines = []
    for i in range(WIDTH):
        lines += [f"def fails_{i}():", "    raise KeyError", ""]
        lines += [f"def tries_{i}():", "    try:", f"        fails_{i}()", "    except KeyError:", "        pass", ""]
    lines += ["def churn():", "    while True:"]
    lines += [f"        tries_{i}()" for i in range(WIDTH)]
    return lines


def callees_of(lines):
    """Map "function:line" to the one function that is called there."""
    found = {}
    function = ""
    for number, line in enumerate(lines, 1):
        if line.startswith("def "):
            function = line[4 : line.index("(")]
            continue
        for word in line.replace("(", " (").split():
            if word.startswith(("leaf_", "branch_", "down_", "inner_", "outer_", "fails_", "tries_")):
                found[f"{function}:{number}"] = word
    return found


def main():
    variant = sys.argv[1] if len(sys.argv) > 1 else "calls"
    base = "calls" if variant == "threads" else variant
    lines = {
        "calls": make_calls,
        "recursion": make_recursion,
        "generators": make_generators,
        "exceptions": make_exceptions,
    }[base]()
    namespace = {}
    exec(compile("\n".join(lines), "churn_code.py", "exec"), namespace)
    if variant == "threads":
        sys.setswitchinterval(0.0005)
        for _ in range(3):
            threading.Thread(target=namespace["churn"], daemon=True).start()
    print(json.dumps({"ready": True, "pid": os.getpid(), "callees": callees_of(lines)}), flush=True)
    namespace["churn"]()


if __name__ == "__main__":
    main()
