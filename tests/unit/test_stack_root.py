from __future__ import annotations

import pytest

from nbspy.cpython.frame_chain import FrameChain
from nbspy.cpython.frame_struct import frame_struct
from nbspy.cpython.layout import Layout
from nbspy.cpython.stack_root import StackRoot
from nbspy.cpython.thread_state import ThreadState

from .fake_memory import FakeMemory
from .layouts import older_layouts

LAYOUTS = older_layouts()


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_stack_of_frame_objects_may_begin_anywhere_as_those_of_greenlets_do(layout: Layout) -> None:
    thread = ThreadState(address=0x1000, interpreter=0, thread_id=1, native_thread_id=1)
    chain = FrameChain(FakeMemory({}), layout, thread, frame_struct(layout.frame))
    root = StackRoot()

    for address in (0x5000, 0x6000, 0x7000):
        chain.addresses, chain.codes, chain.instructions = [address], [0x100], [0]
        assert root.is_credible(chain, layout.frame, on_the_move=True)
