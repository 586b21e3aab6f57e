"""Call functions so fast that a copy of the stacks is seldom of one instant; the calling line tells the callee.

``churn.py plain|recursion|generators``: thread "churn" never stands still. A stack is possible only where each caller
stands on the line that calls the function above it; announces {caller: {line: callee}} and each function's lines,
once the thread has begun to do so: one that was only started may still be in the functions of ``threading``.
"""

import json
import sys
import threading
import time

BEGUN = []
"""Not empty once the thread runs its variant: ``append`` is no Python function, so no frame of it is left by then."""


def leaf1():
    pass


def leaf2():
    pass


def middle1():
    leaf1()
    leaf2()


def middle2():
    leaf2()
    middle1()
    leaf1()


def plain():
    BEGUN.append(True)
    while True:
        middle1()
        middle2()
        leaf1()
        middle1()


def down(level):
    if level:
        down(level - 1)
        leaf1()
        leaf2()


def recursion():
    BEGUN.append(True)
    while True:
        down(1)
        leaf1()
        down(6)
        leaf2()
        down(3)


def numbers():
    leaf1()
    yield 1
    leaf2()
    yield 2


def doubled():
    yield from numbers()
    leaf1()
    yield 3


async def answer():
    leaf1()
    leaf2()


async def question():
    await answer()
    leaf1()
    await answer()


def drive():
    coroutine = question()
    try:
        coroutine.send(None)
    except StopIteration:
        leaf2()


def generators():
    BEGUN.append(True)
    while True:
        for _ in numbers():
            leaf1()
        for _ in doubled():
            leaf2()
        drive()


FUNCTIONS = [
    plain,
    recursion,
    generators,
    leaf1,
    leaf2,
    middle1,
    middle2,
    down,
    numbers,
    doubled,
    answer,
    question,
    drive,
]


def called_from(function):
    """Return {line: names} of the functions that each line of ``function`` can call."""
    code = function.__code__
    with open(code.co_filename) as file:
        source = file.read().splitlines()
    lines = sorted({line for _, _, line in code.co_lines() if line})
    names = {other.__name__ for other in FUNCTIONS}
    found = {}
    for line in range(lines[0] + 1, lines[-1] + 1):
        called = [name for name in names if name + "(" in source[line - 1]]
        if "coroutine.send" in source[line - 1]:
            called = ["question"]
        found[line] = called
    return found


def main():
    thread = threading.Thread(target=globals()[sys.argv[1]], name="churn", daemon=True)
    thread.start()
    while not BEGUN:
        time.sleep(0.001)
    calls = {function.__name__: called_from(function) for function in FUNCTIONS}
    first_lines = {function.__name__: function.__code__.co_firstlineno for function in FUNCTIONS}
    print(json.dumps({"ready": True, "calls": calls, "first": first_lines, "churn": thread.native_id}))
    sys.stdout.flush()
    sys.stdin.read()


main()
