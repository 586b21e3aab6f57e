"""Stacks that are known to exist, so that one look is enough to believe them.

A copy of a thread that runs may be torn: an old caller with a new callee. What a torn copy shows, though, is nearly
always a stack that never was. So a stack is remembered by what makes it possible, the positions of all callers and the
function at the leaf, once it was proved: seen while the thread stood, agreed on by :data:`PROOFS` times several looks,
or vouched for by the call sites themselves (:mod:`nbspy.cpython.call_sites`). From then on it is believed wherever a
copy shows it. All words of that copy were read within a microsecond, each of them was true then, and together they are
a stack that exists.

One agreement of looks is not enough: a torn copy that repeats itself by chance, in one of some 100,000 such proofs,
would be believed for ever. Nothing is learnt from stacks that were only believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from nbspy.cpython.call_sites import CallSites
from nbspy.cpython.code_object import CodeCache, CodeObject
from nbspy.cpython.interner import ROOT, Interner
from nbspy.cpython.layout import FrameLayout
from nbspy.cpython.thread_list import TrackedThread

PROOFS: Final = 2
MAX_STACKS: Final = 100_000
"""More than these are all forgotten, and proved again."""
_MAX_STEPS: Final = 200_000
UNPROVED: Final = -1
NOT_OF_CODE: Final = -2


class FrameWords(NamedTuple):
    """What a copy says of one frame."""

    code: int
    """Address of the code object; 0 for a frame that C code keeps on the chain."""
    instruction: int
    function: int
    """See :meth:`nbspy.cpython.call_sites.CallSites.calls`."""


class KnownStacks:
    """The stacks of one target."""

    def __init__(self, interner: Interner, codes: CodeCache, fields: FrameLayout, sites: CallSites) -> None:
        self.children = interner.children
        self.sites = sites
        self._interner = interner
        self._codes = codes
        self._mask = fields.executable_mask
        self.without_code = fields.owners_without_code
        self._generator = fields.owner_generator
        self._proofs: dict[tuple[int, int], int] = {}
        """(node of the leaf's caller, function of the leaf) -> how often it was proved."""
        self.steps: dict[tuple[int, int, int, int], int] = {}
        """(node, words of a frame above it: code, instruction, owner) -> its node. Hot path; :meth:`step` adds."""
        self.tops: dict[tuple[int, int, int, int], int] = {}
        """(node, words of a proved leaf above it, as in ``steps``) -> its node. Hot path; :meth:`top` adds to it."""

    def knows(self, thread: TrackedThread) -> bool:
        """True where the stack that ``thread``'s chain shows is one of them. Makes no nodes for those that are not."""
        chain, nodes, codes = thread.chain, thread.nodes, self._codes.codes
        leaf = len(chain.codes) - 1
        if leaf < 0:
            return False
        done = min(len(nodes), leaf)
        node = nodes[done - 1] if done else int(ROOT)
        for code, instruction in zip(chain.codes[done:leaf], chain.instructions[done:leaf], strict=True):
            if code:
                node = self._child(node, code, instruction)
                if node < 0:
                    return False
        known = codes.get(chain.codes[leaf])
        if known is None or not self._codes.runs(known, chain.instructions[leaf]):
            return False
        return self._proofs.get((node, known.function), 0) >= PROOFS

    def _child(self, node: int, code: int, instruction: int) -> int:
        """Return the node of a frame above ``node``; -1 where none was made yet."""
        known = self._codes.codes.get(code)
        frame = None if known is None else known.frame_ids.get(instruction)
        if frame is None:
            return -1
        return node if frame < 0 else self.children.get(node << 32 | frame, -1)

    def code_of(self, code: int, owner: int) -> int:
        """Return the address of the code object of a frame, given its words; 0 where C code keeps it on the chain."""
        return 0 if owner in self.without_code else code & self._mask

    def is_unlinked(self, previous: int, owner: int) -> bool:
        """True where a frame with these words is that of a generator that is just yielding: it has no caller any more.

        It is unlinked before the thread's leaf is set anew.
        """
        return not previous and owner == self._generator

    def step(self, node: int, code: int, instruction: int, owner: int) -> int:
        """Return the node of a frame above ``node``, given its words; -1 where none was made yet."""
        child = node if owner in self.without_code else self._child(node, code & self._mask, instruction)
        if child >= 0:
            if len(self.steps) >= _MAX_STEPS:
                self.steps.clear()
            self.steps[node, code, instruction, owner] = child
        return child

    def top(self, node: int, code: int, instruction: int, owner: int) -> int:
        """Return the node of a leaf above ``node``, given its words.

        :data:`UNPROVED` where the stack that it ends is not known, :data:`NOT_OF_CODE` where ``instruction`` is not.
        """
        known = None if owner in self.without_code else self._codes.codes.get(code & self._mask)
        if known is None or self._proofs.get((node, known.function), 0) < PROOFS:
            return UNPROVED
        if not self._codes.runs(known, instruction):
            return NOT_OF_CODE
        frame = self._codes.frame_id(known.address, instruction)
        top = node if frame < 0 else self._interner.node(node, frame)
        if len(self.tops) >= _MAX_STEPS:
            self.tops.clear()
        self.tops[node, code, instruction, owner] = top
        return top

    def prove(self, node: int, site: int, frames: Sequence[FrameWords]) -> bool:
        """True where each of ``frames``, root first, is proved to run here, or called by the one below it for certain.

        ``node`` is that of the frame below the first, ``site`` its instruction pointer (0 where there is none, or C
        code called the first). The stack is known from then on. Reads the target: codes that are new, and call sites.
        """
        if not frames or not frames[-1].code:
            return False
        *callers, leaf = frames
        fresh = self._codes.fresh
        for words in callers:
            if not words.code:
                site = 0
                continue
            # That it has a node is not enough: looks may have agreed on it once, by chance.
            known = self._reached(node, site, words)
            if known is None:
                return False
            self._note((node, known.function), PROOFS)
            frame = self._codes.frame_id(words.code, words.instruction)
            child = node if frame < 0 else self._interner.node(node, frame)
            # That a function is known to run here, or is called, is proof that what was just read is its code object.
            fresh.discard(words.code)
            node, site = child, words.instruction
        known = self._reached(node, site, leaf)
        if known is None:
            return False
        fresh.discard(leaf.code)
        self._note((node, known.function), PROOFS)
        return True

    def above(self, node: int, words: FrameWords) -> int:
        """Return the node of a frame above ``node``; -1, above which nothing is proved, where it has none."""
        return self._child(node, words.code, words.instruction) if words.code else node

    def is_contradicted(self, node: int, site: int, words: FrameWords) -> bool:
        """True where what ``site`` has noted is another function than the one above it, which was not proved there."""
        code = self._codes.codes.get(words.code)
        if code is None or not site or self._proofs.get((node, code.function), 0) >= PROOFS:
            return False
        return self.sites.calls(site, code, words.function) is False

    def stand(self, codes: Sequence[int], instructions: Sequence[int]) -> None:
        """Take note that frames at the bottom of a stack stand, root first: they are as good as believed from now on.

        Where there is one more of ``codes`` than of ``instructions``, only the code of the last one is always the same.
        """
        node = int(ROOT)
        for index, code in enumerate(codes):
            known = self._codes.codes.get(code)
            if not code:
                continue
            if known is None:
                return
            self._note((node, known.function), PROOFS)
            if index < len(instructions):
                if not self._codes.runs(known, instructions[index]):
                    return
                frame = self._codes.frame_id(code, instructions[index])
                node = node if frame < 0 else self._interner.node(node, frame)

    def _reached(self, node: int, site: int, words: FrameWords) -> CodeObject | None:
        """Return the code of a frame that was proved above ``node`` before, or that ``site`` calls for certain."""
        code = self._codes.codes.get(words.code)
        if code is not None and self._proofs.get((node, code.function), 0) >= PROOFS:
            return code if self._codes.runs(code, words.instruction) else None
        if not site:
            return None
        if code is None:
            self._codes.refresh([words.code])
            code = self._codes.codes[words.code]
        if not (self._codes.runs(code, words.instruction) and self.sites.calls(site, code, words.function)):
            return None
        return code

    def forget_codes(self) -> None:
        """Forget which code lies where. The stacks are known by their functions, and stay."""
        self.steps.clear()
        self.tops.clear()

    def proved(self, thread: TrackedThread, times: int = 1) -> bool:
        """Take note that looks have agreed on the stack of ``thread``, whose nodes are made; True where it is new.

        ``times``: :data:`PROOFS` where it was seen while the thread could not move, which leaves nothing to prove.
        """
        known = self._codes.codes.get(thread.chain.codes[-1]) if thread.chain.codes else None
        if known is None:
            return False
        return self._note((thread.nodes[-2] if len(thread.nodes) > 1 else int(ROOT), known.function), times)

    def _note(self, key: tuple[int, int], times: int) -> bool:
        if key not in self._proofs and len(self._proofs) >= MAX_STACKS:
            self._proofs.clear()
            self.tops.clear()
        had = self._proofs.get(key, 0)
        self._proofs[key] = min(had + times, PROOFS)
        return had == 0
