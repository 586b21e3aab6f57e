"""Which samples stop a thread at once, and which look first whether its stack is known.

What is seen instead of an unknown stack, when its thread stands 40 us later, is more often a known one than chance
would have it: functions that always return sooner would never be seen. So at first every sample stops a thread at once,
and looks come before only when :data:`TO_LEARN` in a row have shown nothing new: what is still unknown then is about
one sample in so many (Good and Turing's estimate), and no more can be wrong with the shares that a profile shows. Every
:data:`STOP_EVERY`-th sample goes on to stop at once; one that shows a new stack makes all others do so again.
"""

from __future__ import annotations

from typing import Final

TO_LEARN: Final = 100
STOP_EVERY: Final = 16


class StopSchedule:
    """When to stop a thread without looking first."""

    def __init__(self) -> None:
        self.to_learn = TO_LEARN
        self._left = TO_LEARN
        """Samples in a row that still have to show nothing new."""
        self._samples = 0
        self._codes_read = 0

    def stops_at_once(self) -> bool:
        """True where the next sample should. Hot path."""
        self._samples += 1
        return self._left > 0 or not self._samples % STOP_EVERY

    def saw(self, *, new: bool, codes_read: int) -> None:
        """Take note of a sample that was not told at a glance: whether it showed a ``new`` stack.

        ``codes_read``: how often code objects were read so far. Those of a function that is made again and again are
        new each time, where its stack is not.
        """
        if new or codes_read != self._codes_read:
            self._left, self._codes_read = self.to_learn, codes_read
        elif self._left:
            self._left -= 1
