"""Brings the chains of threads up to copies, and tells what of a copy can be believed."""

from __future__ import annotations

from typing import Final

from nbspy.cpython.code_object import CodeCache
from nbspy.cpython.copy_plan import Span
from nbspy.cpython.interner import ROOT, Interner
from nbspy.cpython.known_stacks import FrameWords, KnownStacks
from nbspy.cpython.plan_book import Plan, PlanBook
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_list import ThreadList, TrackedThread
from nbspy.cpython.thread_state import word

REVALIDATE_EVERY: Final = 32
"""Samples between two looks at every code object on the stacks (before 3.14, which counts freed code objects)."""
_MAX_CODES: Final = 50_000


class Follower:
    """Follows the threads of one list through the copies of one book of plans."""

    def __init__(
        self,
        runtime: Runtime,
        interner: Interner,
        codes: CodeCache,
        known: KnownStacks,
        listed: ThreadList,
        plans: PlanBook,
        changed: dict[TrackedThread, None],
    ) -> None:
        """``changed`` is where it keeps whose frames moved since the last sample that was believed."""
        self._runtime = runtime
        self._interner = interner
        self._codes = codes
        self._known = known
        self._list = listed
        self._own_id = listed.own_id
        self._plans = plans
        self.changed = changed
        self.samples = 0
        """Those that were believed."""
        self.followed = 0
        """How often a chain was followed, or left behind at a glance."""
        self.generations = b""
        """What counted the code objects that were freed, when they were last looked at (3.14+)."""

    def moving(self) -> list[int]:
        """Return the thread states whose frames were followed in a copy that was not believed."""
        return [thread.state.address for thread in self.changed]

    def due_for_revalidation(self, generations: bytes) -> bool:
        """True where nothing tells that code objects were freed, and it is time to look at all of them again."""
        return not generations and self.samples % REVALIDATE_EVERY == 0

    def refresh_codes(self, generations: bytes) -> bool:
        """Look at the code objects of frames that are new; False where one had to be read in full.

        That one is true of the copy only if the threads that run it stand.
        """
        read = self._codes.read
        codes = self._codes.codes
        wanted: set[int] = set()
        suspect_all = self.due_for_revalidation(generations)
        if generations != self.generations:
            self.generations = generations
            suspect_all = True
        if suspect_all:
            for thread in self._list.threads:
                wanted.update(thread.chain.codes)
            if generations or len(codes) > _MAX_CODES:
                self._codes.keep_only(wanted)
                self._known.forget_codes()
        else:
            for thread in self.changed:
                wanted.update(thread.chain.codes[len(thread.nodes) :])
            if generations:
                # 3.14+: while the counter stands still, no code object was freed. What was read while threads ran on
                # need not be one.
                wanted = {code for code in wanted if code not in codes or code in self._codes.fresh}
        wanted.discard(0)
        if self._codes.refresh(wanted):
            self._known.forget_codes()
            for thread in self._list.threads:
                thread.nodes.clear()
                self.changed[thread] = None
        return self._codes.read == read

    def read_ahead(self) -> None:
        """Read the code objects of new frames while threads run on, so that they need not stand for it.

        :meth:`refresh_codes` looks at them again, which takes a fraction of that time.
        """
        known = self._codes.codes
        wanted = {code for thread in self.changed for code in thread.chain.codes[len(thread.nodes) :]}
        wanted -= known.keys()
        wanted.discard(0)
        self._codes.refresh(wanted)

    def follow(self, plan: Plan, data: bytes, *, stood: bool) -> bool:
        """Bring the chains up to ``data``; False where a list of threads is no longer what it was.

        ``stood``: no thread that was copied ran meanwhile, or it is known that what it did is not seen. Raises
        CorruptTarget and MemoryFault.
        """
        if data == plan.last and plan.last_followed == self.followed:
            return True
        changed = self.changed
        next_offset, own_id = self._runtime.layout.thread_state.next, self._own_id
        for thread, start, end in plan.spans:
            region = data[start:end]
            chain = thread.chain
            if region == chain.region:
                glance = plan.glance
                if thread.ahead_of_chain or (glance is not None and glance.codes_differ(data)):
                    # The stack is what it was, but not what was told last; or of other codes: they are looked at again.
                    thread.ahead_of_chain = False
                    changed[thread] = None
                    if glance is not None:
                        del thread.nodes[glance.bottom :]
                continue
            if word(region, next_offset) != thread.next or region[own_id] != thread.own_id:
                # The list has changed, or a thread that was just being born has learnt its id.
                return False
            changed[thread] = None
            thread.ahead_of_chain = False
            self.followed += 1
            try:
                chain.update(region, stood=stood)
            finally:
                # What is left of the nodes is true of the frames that were left alone.
                del thread.nodes[chain.changed_from :]
                self._plans.replan = self._plans.replan or chain.stale
        plan.last, plan.last_followed = data, self.followed
        return True

    def are_known(self) -> bool:
        return all(self._known.knows(thread) for thread in self.changed)

    def vouched_for(self) -> bool:
        """True where call sites vouch for the stacks of the threads that changed, as far as those are not known."""
        return self._known.sites.tell and all(self._known.prove(*self._new_frames(one)) for one in self.changed)

    def contradicted(self) -> bool:
        """True where a call site of the threads that changed says that it calls another function."""
        return self._known.sites.tell and any(map(self._contradicted, self.changed))

    def _new_frames(self, thread: TrackedThread) -> tuple[int, int, list[FrameWords]]:
        """Return the node and instruction of the last frame that has not changed, and those above it, root first."""
        chain, nodes = thread.chain, thread.nodes
        done = max(min(len(nodes), len(chain.codes) - 1), 0)
        function_at = self._known.sites.frame_function
        frames = [
            FrameWords(
                chain.codes[index],
                chain.instructions[index],
                0 if function_at is None else chain.word_at(index, function_at),
            )
            for index in range(done, len(chain.codes))
        ]
        if not done:
            return int(ROOT), 0, frames
        return nodes[done - 1], chain.instructions[done - 1] if chain.codes[done - 1] else 0, frames

    def _contradicted(self, thread: TrackedThread) -> bool:
        node, site, frames = self._new_frames(thread)
        for words in frames:
            if words.code and self._known.is_contradicted(node, site, words):
                return True
            node = self._known.above(node, words)
            site = words.instruction if words.code else 0
        return False

    def run_what_they_say(self) -> bool:
        """True where each new frame of the threads that changed runs an instruction of its own code."""
        codes = self._codes
        return all(
            codes.runs(codes.codes[code], instruction)
            for thread in self.changed
            for code, instruction in zip(
                thread.chain.codes[len(thread.nodes) :], thread.chain.instructions[len(thread.nodes) :], strict=True
            )
            if code
        )

    def is_whole(self, plan: Plan, changed: list[Span[TrackedThread]], data: bytes) -> bool:
        """True where ``data`` has all frames of these threads, and, as far as the plan tells, none came or went."""
        return not any(
            span.thread.chain.unpredicted or (plan.tails and not plan.tail_agrees(data, span)) for span in changed
        )

    def stands_still(self, plan: Plan, changed: list[Span[TrackedThread]], data: bytes, further: list[bytes]) -> bool:
        """True where ``further`` copies show the same stacks of these threads as ``data``."""
        for again in further:
            if again == data:
                continue
            for span in changed:
                if not span.thread.chain.same_links(again[span.start : span.end]):
                    return False
                if plan.tails and not plan.tail_agrees(again, span):
                    return False
        return True

    def begin_credibly(self, holders: tuple[int, ...]) -> bool:
        """False where a stack begins elsewhere than it did, and may be one that never was."""
        credible = True
        for thread in self.changed:
            on_the_move = thread.state.address in holders
            if not thread.root.is_credible(thread.chain, self._runtime.layout.frame, on_the_move=on_the_move):
                credible = False
        return credible

    def name(self, thread: TrackedThread) -> int:
        """Give every frame of a thread its node; returns the leaf's."""
        children, frame_id = self._interner.children, self._codes.frame_id
        codes_by_address = self._codes.codes
        chain, nodes = thread.chain, thread.nodes
        done = len(nodes)
        node = nodes[-1] if nodes else ROOT
        for code, instruction in zip(chain.codes[done:], chain.instructions[done:], strict=True):
            if code:
                frame = codes_by_address[code].frame_ids.get(instruction)
                if frame is None:
                    frame = frame_id(code, instruction)
                if frame >= 0:
                    node = children.get(node << 32 | frame) or self._interner.node(node, frame)
            nodes.append(node)
        return node

    def catch_up(self, plan: Plan) -> None:
        """Bring the chain of its thread up to the copy of ``plan`` that was told at a glance."""
        thread = plan.spans[0].thread
        if thread in self.changed:
            # What it was followed to since was not believed.
            thread.chain.region = b""
            thread.nodes.clear()
        self.follow(plan, bytes(plan.buffer), stood=True)
        self.changed[thread] = None
        self.read_ahead()
        self.name(thread)
        del self.changed[thread]
