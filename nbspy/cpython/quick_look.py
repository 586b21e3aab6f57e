"""The road that most samples take: one copy, told at a glance (:mod:`nbspy.cpython.glance`).

Where the copy shows a stack that is not known it may be torn. Then the thread is stopped for another. Where nothing may
be stopped it is taken again: what call sites vouch for is a new stack, and what several looks in a row agree on; looks
so close together agree far more often than those between which a chain is followed.
"""

from __future__ import annotations

from typing import Any, Final

from nbspy.cpython.code_object import CodeCache
from nbspy.cpython.glance import ASTRAY, ELSEWHERE, UNKNOWN, Glance
from nbspy.cpython.plan_book import Plan, PlanBook
from nbspy.cpython.stop_schedule import StopSchedule
from nbspy.cpython.thread_list import ThreadList
from nbspy.errors import MemoryFault

LOOKS: Final = 3
"""So many have to agree on what is not known."""
_LOOKS_AGAIN: Final = 48
"""A copy that may be torn is taken again so often where nothing may be stopped."""
_LOOKS_ASTRAY: Final = 2
"""So many copies that lead nowhere may be torn; with more, ranges are to be chosen anew."""
_REFUSED_FOR: Final = 1024
"""What no call site vouches for is not tried again until so many copies have shown it: sites are specialised later."""
_MAX_PROOFS: Final = 4
"""So many different stacks are tried to be proved by call sites in one sample: each takes two reads for each frame."""
_TORN_SHARE: Final = 0.25
_ENOUGH: Final = 1000
"""So many samples tell what share of them is torn."""
OFTEN_TORN: Final = (
    "More than a quarter of all looks met a thread that just changed its stack. What is over within microseconds, as "
    "most steps of generators and coroutines are, is seen too seldom then, and what lasts too often. The shares are "
    "right where the target may be stopped for microseconds: without nonblocking."
)
"""What is told of a target that is not stopped, and of which shares are doubtful."""


class QuickLook:
    """Looks at the thread that can have moved."""

    def __init__(
        self, plans: PlanBook, listed: ThreadList, codes: CodeCache, schedule: StopSchedule, *, stops: bool
    ) -> None:
        """``stops``: threads are stopped for what is not known; ``schedule`` is told of looks that do not tell."""
        self._plans = plans
        self._list = listed
        self._codes = codes
        self._schedule = schedule
        self.stops = stops
        self.plan: Plan | None = None
        """The one whose copy may tell all of the next sample; None where more is to be done."""
        self.agreed: tuple[Plan, bytes] | None = None
        """The copy of a stack that is not known, on which the looks of the last :meth:`node` agreed."""
        self.retried = 0
        """How often another copy was wanted than the first: that one was torn, or showed what is not known."""
        self._refused: set[tuple[Any, ...]] = set()
        """Unknown stacks that call sites did not vouch for."""
        self._refused_left = _REFUSED_FOR
        self._often_torn = False
        self.in_vain = False
        """True where those looks met nothing but such stacks, and agreed on none."""

    def node(self, now_ns: int) -> int:
        """Return the leaf node that a copy of :attr:`plan` shows; negative where it does not tell all. Hot path."""
        self.agreed = None
        self.in_vain = False
        plan = self.plan
        if plan is None or now_ns >= self._plans.full_due_ns:
            return ELSEWHERE
        glance = plan.glance
        assert glance is not None, "plans that tell all have one"
        try:
            plan.read()
            glance.faces.turned = False
            node = glance.node(plan.buffer)
            if node < 0:
                if node != ELSEWHERE or not self._has_let_go(plan):
                    self._schedule.doubted()
                if node != ELSEWHERE:
                    if self.stops:
                        self.retried += 1
                        return node
                    node = self._again(plan, glance, node)
        except MemoryFault:
            return ELSEWHERE  # what is no longer there will be missed again
        return node if node < 0 or self._is_of_its_thread(plan) else ELSEWHERE

    def node_standing(self, plan: Plan) -> int:
        """Return the leaf node that the copy of ``plan`` shows, which was taken while its thread could not move."""
        glance = plan.glance
        assert glance is not None, "plans that tell all have one"
        glance.faces.turned = False
        node = glance.node(plan.buffer)
        return node if node < 0 or self._is_of_its_thread(plan) else ELSEWHERE

    def _is_of_its_thread(self, plan: Plan) -> bool:
        listed = self._list
        return listed.native_ids_are_theirs or listed.are_the_same((plan.spans[0].thread,))

    def _has_let_go(self, plan: Plan) -> bool:
        """True where the last copy, of one instant, shows that the thread of ``plan`` has not the GIL any more.

        Its frames are not torn then, and another's turn is not for it to tell.
        """
        data = bytes(plan.buffer)
        turn = plan.turn(data)
        return bool(turn) and (self._plans.is_another(turn) or not plan.words.gil.holders(data))

    def is_often_torn(self, samples: int) -> bool:
        """True since more than :data:`_TORN_SHARE` of ``samples``, none of which stopped a thread, took several looks.

        What is told of them depends on what the thread did meanwhile: see :mod:`nbspy.cpython.stop_schedule`.
        """
        if samples >= _ENOUGH and self.retried > _TORN_SHARE * samples:
            self._often_torn = True
        return self._often_torn

    def _again(self, plan: Plan, glance: Glance, node: int) -> int:
        before, same = glance.unknown, 1
        astray = 0
        tried: set[tuple[Any, ...]] = set()
        if self._is_proved(glance, plan, tried):
            return glance.node(plan.buffer)
        for _ in range(_LOOKS_AGAIN):
            if node == ASTRAY:
                astray += 1
                if astray > _LOOKS_ASTRAY:
                    return ELSEWHERE
            plan.read()
            node = glance.node(plan.buffer)
            if node not in (UNKNOWN, ASTRAY):
                self.retried += 1
                return node
            if self._is_proved(glance, plan, tried):
                self.retried += 1
                return glance.node(plan.buffer)
            same = same + 1 if before is not None and glance.unknown == before else 1
            before = glance.unknown
            if same == LOOKS:
                self.agreed = plan, bytes(plan.buffer)
                return UNKNOWN
        self.in_vain = True
        return UNKNOWN

    def _is_proved(self, glance: Glance, plan: Plan, tried: set[tuple[Any, ...]]) -> bool:
        """True where the unknown stack of the last copy is called as it says for certain."""
        unknown = glance.unknown
        if unknown is None or unknown in tried or len(tried) >= _MAX_PROOFS:
            return False
        # Wherever its frames lie.
        stack = (glance.bottom_node, *unknown[1:])
        if stack in self._refused:
            self._refused_left -= 1
            if self._refused_left <= 0:
                self._refused.clear()
            return False
        tried.add(unknown)
        if glance.prove(plan.buffer):
            return True
        if not self._refused:
            self._refused_left = _REFUSED_FOR
        if len(self._refused) < _REFUSED_FOR:
            self._refused.add(stack)
        return False

    def remember(self, plan: Plan, data: bytes) -> None:
        """Begin the next sample with ``plan``, whose copy ``data`` was believed, if it can tell all."""
        self.plan = None
        glance = plan.glance
        if glance is None:
            return
        thread = plan.spans[0].thread
        if thread.chain.stale or plan.words.rare_words(data) != plan.words.rare.quiet:
            glance.forget()
            return
        codes = self._codes.codes

        def copied(code: int) -> bytes:
            known = codes.get(code)
            return b"" if known is None else known.copied

        glance.remember(data, thread.nodes, lambda wanted: plan.trust(wanted, copied), thread.beside)
        if plan is self._plans.current:
            self.plan = plan
