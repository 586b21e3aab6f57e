"""Stacks that are known to exist, so that one look is enough to believe them.

A copy of a thread that runs may be torn: an old caller with a new callee. Two more looks that show the same tell that
it is not, but a target that calls every 100 ns seldom shows the same three times. What a torn copy shows, though, is
nearly always a stack that never was. So a stack is remembered by what makes it possible, the positions of all callers
and the function at the leaf, once looks at different times have agreed on it :data:`PROOFS` times; from then on it is
believed wherever a copy shows it. All words of that copy were read within a microsecond, each of them was true then,
and together they are a stack that exists.

Once is not enough: a torn copy that repeats itself by chance, in one of some 100,000 such proofs, would be believed for
ever. Nothing is learnt from stacks that were only believed.
"""

from __future__ import annotations

from typing import Final

from nbspy.cpython.code_object import CodeCache
from nbspy.cpython.interner import ROOT, Interner
from nbspy.cpython.thread_list import TrackedThread

PROOFS: Final = 2
MAX_STACKS: Final = 100_000
"""More than these are all forgotten, and proved again."""


class KnownStacks:
    """The stacks of one target."""

    def __init__(self, interner: Interner, codes: CodeCache) -> None:
        self._children = interner.children
        self._codes = codes
        self._proofs: dict[tuple[int, int], int] = {}
        """(node of the leaf's caller, function of the leaf) -> how often it was proved."""

    def knows(self, thread: TrackedThread) -> bool:
        """True where the stack that ``thread``'s chain shows is one of them. Makes no nodes for those that are not."""
        chain, nodes, codes = thread.chain, thread.nodes, self._codes.codes
        leaf = len(chain.codes) - 1
        if leaf < 0:
            return False
        done = min(len(nodes), leaf)
        node = nodes[done - 1] if done else int(ROOT)
        for code, instruction in zip(chain.codes[done:leaf], chain.instructions[done:leaf], strict=True):
            if not code:
                continue
            known = codes.get(code)
            frame = None if known is None else known.frame_ids.get(instruction)
            if frame is None:
                return False
            if frame >= 0:
                node = self._children.get(node << 32 | frame, -1)
                if node < 0:
                    return False
        known = codes.get(chain.codes[leaf])
        return known is not None and self._proofs.get((node, known.function), 0) >= PROOFS

    def proved(self, thread: TrackedThread) -> None:
        """Take note that looks have agreed on the stack of ``thread``, whose nodes are made."""
        known = self._codes.codes.get(thread.chain.codes[-1]) if thread.chain.codes else None
        if known is None:
            return
        key = (thread.nodes[-2] if len(thread.nodes) > 1 else int(ROOT), known.function)
        if key not in self._proofs and len(self._proofs) >= MAX_STACKS:
            self._proofs.clear()
        self._proofs[key] = self._proofs.get(key, 0) + 1
