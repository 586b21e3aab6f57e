"""Which threads a sample copies: those that can have moved, by whose turn it was since the last one; now and then all.

Plans are kept, because a thread that had its turn soon has it again, until a chain in them wants other ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from nbspy.cpython.copy_plan import CopyPlan
from nbspy.cpython.gil_turns import GilTurns
from nbspy.cpython.thread_list import ThreadList, TrackedThread

FULL_EVERY_NS: Final = 500_000_000
"""Every thread is copied this often, also where it cannot have moved."""
_MAX_PLANS: Final = 1024

Plan = CopyPlan[TrackedThread]


class PlanBook:
    """The plans of one target."""

    def __init__(self, listed: ThreadList, make: Callable[[Sequence[TrackedThread]], Plan]) -> None:
        self._list = listed
        self._make = make
        self._plans: dict[frozenset[int], Plan] = {}
        """By the thread states that may have moved; the empty set stands for all."""
        self._turn = b""
        """Whose turn it was when all threads were last as they are known; b"" for not known."""
        self.full_due_ns = 0
        """Monotonic time at which every thread is to be looked at again."""
        self.current: Plan | None = None
        """The one that will do if nothing happens until the next sample."""
        self.replan = False
        """True where a chain wants other ranges."""

    def likely(self, now_ns: int, moving: Collection[int]) -> Plan:
        """Return the plan to begin with: the current one while that is of use, and has all that are ``moving``.

        Those are the thread states whose frames were followed in a copy that was not believed.
        """
        if self.replan:
            self.plan_chains()
        if now_ns >= self.full_due_ns:
            self.current = self.ready()
        elif self.current is None or not self.current.of.issuperset(moving):
            moved = GilTurns.moved(self._turn, self._turn)
            self.current = self.ready(moved if moved and moved.issuperset(moving) else frozenset())
        return self.current

    def since(self, turn: bytes, now_ns: int, moving: Collection[int]) -> Plan | None:
        """Return the plan of those that can have moved since the last sample, if it is this ``turn``.

        None where it is time to copy all.
        """
        if now_ns >= self.full_due_ns:
            return None
        moved = GilTurns.moved(self._turn, turn)
        if not moved or not moved.issuperset(moving):
            return self.ready()
        return self.ready(moved)

    def ready(self, moved: frozenset[int] = frozenset()) -> Plan:
        """Return the plan to copy the threads that may have ``moved`` (none named: all)."""
        threads = self._list.threads
        if len(threads) == 1:
            moved = frozenset()
        plan = self._plans.get(moved)
        if plan is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            chosen = [thread for thread in threads if not moved or thread.state.address in moved]
            plan = self._plans[moved] = self._make(chosen)
        return plan

    def covers(self, plan: Plan, data: bytes) -> bool:
        """True where no thread that ``plan`` leaves out has had its turn since all were last seen."""
        if self.has_all(plan):
            return True
        moved = GilTurns.moved(self._turn, plan.turn(data))
        # One that has ended since is in no list.
        return moved is not None and all(one in plan.of or one not in self._list.by_address for one in moved)

    def is_another(self, turn: bytes) -> bool:
        """True where the GIL is known to have changed hands since the last copy that was believed."""
        return bool(turn) and turn != self._turn

    def has_all(self, plan: Plan) -> bool:
        return len(plan.spans) == len(self._list.threads)

    def believed(self, plan: Plan, data: bytes, now_ns: int) -> None:
        """Take note that ``data`` was believed, and choose what to begin with the next time."""
        self._turn = plan.turn(data)
        if self.has_all(plan):
            self.full_due_ns = now_ns + FULL_EVERY_NS
        moved = GilTurns.moved(self._turn, self._turn)
        likely = self.ready(moved) if moved else plan
        if likely is not plan:
            likely.forget()
        self.current = likely

    def plan_chains(self) -> None:
        """Choose other ranges for the chains that want them, and forget the plans that have them."""
        self.replan = False
        stale = [thread for thread in self._list.threads if thread.chain.stale]
        for thread in stale:
            thread.chain.plan()
        self._forget_those_of(thread.state.address for thread in stale)

    def _forget_those_of(self, states: Iterable[int]) -> None:
        stale = frozenset(states)
        for key in [key for key in self._plans if not key or not key.isdisjoint(stale)]:
            del self._plans[key]
        if self.current is not None and not self.current.of.isdisjoint(stale):
            self.current = None

    def clear(self) -> None:
        """Forget all plans: they are to be made otherwise."""
        self._plans.clear()
        self.current = None

    def start_anew(self) -> None:
        """Forget all plans and whose turn it was: the threads are others."""
        self.clear()
        self.replan = True
        self._turn = b""
