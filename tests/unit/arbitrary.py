"""Memory that holds anything, made from one number.

Hypothesis draws a number and Python's generator the words: drawing them one by one took twenty times as long as the
reading under test.
"""

from __future__ import annotations

import random

from .fake_memory import FakeMemory

START = 0x1000


def arbitrary_memory(seed: int, words: int = 160) -> FakeMemory:
    """Return ``words`` words at :data:`START`: pointers among them, bounds of integers, small numbers and noise."""
    chance = random.Random(seed)
    size = 8 * words

    def word() -> int:
        kind = chance.randrange(8)
        if kind < 3:
            return START + chance.randrange(size)
        if kind == 3:
            return START + 8 * chance.randrange(words)
        if kind == 4:
            return chance.randrange(300)
        if kind == 5:
            return ((1 << chance.randrange(65)) - chance.randrange(3)) % (1 << 64)
        return chance.getrandbits(64)

    return FakeMemory({START: b"".join(word().to_bytes(8, "little") for _ in range(words))})
