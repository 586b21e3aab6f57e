"""Scenarios of ``stacks.py`` in the syntax of 3.6 and later; ``park`` is where their threads stand."""

import contextlib


def generators(park):
    def inner():
        yield 1
        park()
        yield 2

    def middle():
        yield from inner()

    def outer():
        for value in middle():
            yield value

    def parked_in_generators():
        suspended = inner()
        next(suspended)  # a frame that is on no stack
        return list(outer())

    async def leaf():
        park()

    async def branch():
        return await leaf()

    async def values():
        yield 1
        await branch()
        yield 2

    async def root():
        async for _ in values():
            pass

    def parked_in_coroutines():
        with contextlib.suppress(StopIteration):
            root().send(None)

    def in_handler():
        try:
            raise ValueError("first")
        except ValueError:
            try:
                raise KeyError("second") from None
            except KeyError:
                park()

    return [("generators", parked_in_generators), ("coroutines", parked_in_coroutines), ("handler", in_handler)]
