"""Calls of every kind that the interpreter specialises, often enough that it has, and then one that waits for ever."""

import contextlib
import json
import os
import sys


def leaf(wait):
    if wait:
        sys.stdin.read()


def plainly(wait):
    leaf(wait)


def with_default(wait, unused=1):
    plainly(wait)


class Thing:
    def method(self, wait):
        with_default(wait)


def bound(method, wait):
    method(wait)


def through_c(wait):
    return [*map(plainly_again, [wait])]


def plainly_again(wait):
    bound(THING.method, wait)


def another(wait):
    through_c(wait)


def generated(wait):
    another(wait)
    yield


def passed_on(wait):
    yield from generated(wait)


def looping(wait):
    for _ in passed_on(wait):
        pass


async def awaited(wait):
    looping(wait)


async def awaiting(wait):
    await awaited(wait)


def main(wait):
    with contextlib.suppress(StopIteration):
        awaiting(wait).send(None)


THING = Thing()
for _ in range(1000):
    main(False)
print(json.dumps({"ready": True, "pid": os.getpid()}))
sys.stdout.flush()
main(True)
