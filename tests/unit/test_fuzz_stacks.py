"""What the fuzzer does with stacks, a little of it at each run of the tests: ``make fuzz`` does it for long."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.fuzz_stacks import stacks

STEP, CALL, LEAVE, LOOK, RESUME, CHUNK, RECODE, HAND_OVER, TEAR, CORRUPT = range(10)


@given(st.binary(min_size=3, max_size=41))
@settings(max_examples=40, deadline=None)
def test_whatever_the_target_does_its_stacks_are_seen_right_again(data: bytes) -> None:
    stacks(data)


@pytest.mark.parametrize("kind", range(12))
def test_each_kind_of_move_leaves_stacks_that_are_seen_right(kind: int) -> None:
    moves = [LOOK, CALL, LOOK, TEAR, STEP, LOOK, CORRUPT, LEAVE, RESUME, LOOK, CHUNK, HAND_OVER, CORRUPT, RECODE, TEAR]
    stacks(bytes([kind]) + b"".join(bytes([move, 37 * place + kind & 0xFF]) for place, move in enumerate(moves)))
