"""Makes plans of threads, with a glance where one thread is all of it."""

from __future__ import annotations

from collections.abc import Sequence

from nbspy.cpython.code_object import CodeCache
from nbspy.cpython.copy_plan import CopyPlan
from nbspy.cpython.frame_struct import FrameStruct
from nbspy.cpython.glance import Glance
from nbspy.cpython.known_stacks import KnownStacks
from nbspy.cpython.plan_book import Plan
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_list import ThreadList, TrackedThread
from nbspy.target.memory import RemoteMemory


class PlanMaker:
    """Makes the plans of one target."""

    def __init__(
        self,
        memory: RemoteMemory,
        runtime: Runtime,
        listed: ThreadList,
        codes: CodeCache,
        known: KnownStacks,
        unpack: FrameStruct,
        *,
        tails: bool,
    ) -> None:
        self._memory = memory
        self._runtime = runtime
        self._list = listed
        self._codes = codes
        self._known = known
        self._unpack = unpack
        self.tails = tails
        """Whether each leaf pointer is copied twice, as is wanted where threads are never stopped."""

    def __call__(self, threads: Sequence[TrackedThread]) -> Plan:
        """Return a plan that copies ``threads``."""
        plan: Plan = CopyPlan(
            self._memory,
            self._runtime,
            self._list.interpreters,
            threads,
            tails=self.tails,
            code_identity=self._codes.identity_range,
        )
        if len(threads) == 1:
            [(thread, start, _)] = plan.spans
            plan.glance = Glance(
                thread.chain,
                self._known,
                self._codes,
                self._unpack,
                region=start,
                behind=(plan.identities_start, plan.threads_end, plan.size),
            )
        return plan
