"""Which samples stop a thread at once, and which look first whether its stack is known.

What is seen instead of an unknown stack, when its thread stands 40 us later, is more often a known one than chance
would have it: functions that always return sooner would never be seen. So at first every sample stops a thread at once,
and looks come before only when :data:`TO_LEARN` in a row have shown nothing new: what is still unknown then is about
one sample in so many (Good and Turing's estimate), and no more can be wrong with the shares that a profile shows. Every
:data:`STOP_EVERY`-th sample goes on to stop at once; one that shows a new stack makes all others do so again, unless
that had become rare: so many that stopped at once had shown nothing new before it.

What a first look tells is what was there when its sample was due, or some microseconds later: only where one does not
can anything else be seen in its place. Which those are depends on what the target did: a copy of a thread that goes
from one generator to the next is torn more often than not, and the profile of those that are not is far from the truth
(total-variation distance 40 % for generators, 60 % for coroutines that do nothing else; where every sample stops at
once it agrees with py-spy's). So looks come first only where nearly all of them tell: where more than one in
:data:`DOUBTFUL` does not, samples stop at once for a while, and for twice as long each time that this is found again.
While all of them do, stops become more seldom, down to every :data:`STOP_SELDOM`-th sample.
"""

from __future__ import annotations

from typing import Final

TO_LEARN: Final = 100
STOP_EVERY: Final = 16
STOP_SELDOM: Final = 256
DOUBTFUL: Final = 32
_MOST_DOUBTS: Final = 4 * DOUBTFUL
"""So many doubts in a row make samples stop at once."""
_PROBATION: Final = 2 * DOUBTFUL
"""Fewer do at first, and afterwards."""
LONGEST: Final = 2048
"""Samples that stop at once because of doubts, at most, until looks are tried again."""


class StopSchedule:
    """When to stop a thread without looking first."""

    def __init__(self) -> None:
        self.to_learn = TO_LEARN
        self._left = TO_LEARN
        """Samples in a row that still have to show nothing new."""
        self._known_in_turn = 0
        """Samples that stopped at once and have shown nothing new, since one did."""
        self._until = self._every = STOP_EVERY
        """Samples until one stops at once, and from then to the next."""
        self._doubts = _PROBATION
        """Grows by :data:`DOUBTFUL` for each first look that does not tell, and falls by one for each look."""
        self._doubtful_for = self.to_learn
        """Samples that stop at once when there are too many."""
        self._codes_read = 0

    def stops_at_once(self) -> bool:
        """True where the next sample should. Hot path."""
        if self._left > 0:
            return True
        if self._doubts:
            self._doubts -= 1
            if not self._doubts:
                self._doubtful_for = self.to_learn
        self._until -= 1
        if self._until > 0:
            return False
        self._until = self._every = min(2 * self._every, STOP_SELDOM)
        return True

    def doubted(self) -> None:
        """Take note that the first look of a sample did not tell what was there."""
        self._doubts += DOUBTFUL
        if self._doubts > _MOST_DOUBTS:
            self._doubts = _PROBATION
            self._left = max(self._left, self._doubtful_for)
            self._doubtful_for = min(2 * self._doubtful_for, LONGEST)
        if self._every > STOP_EVERY:
            self._every = STOP_EVERY
            self._until = min(self._until, STOP_EVERY)

    def saw(self, *, new: bool, at_once: bool, codes_read: int) -> None:
        """Take note of a sample that stopped a thread, or was not told at a glance: whether it showed a ``new`` stack.

        ``at_once``: it stopped a thread without looking first, so that what it showed is what was there.
        ``codes_read``: how often code objects were read so far. Those of a function that is made again and again are
        new each time, where its stack is not.
        """
        if new or codes_read != self._codes_read:
            if self._known_in_turn < self.to_learn:
                self._left = max(self._left, self.to_learn)
            self._known_in_turn, self._codes_read = 0, codes_read
            self._until = self._every = STOP_EVERY
        elif at_once:
            self._known_in_turn += 1
            self._left = max(self._left - 1, 0)
