"""The words that a copy must show, byte for byte, to be judged by the frames near the leaf alone.

A thread that lets the GIL go and takes it again, as for each read of a file or step of asyncio, has a few such *faces*
in turn, above the same callers.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

_MAX_FACES: Final = 4

Words = tuple[Any, ...]
"""The parts of a copy: words about the process first, those about the GIL once more at its end."""


class Face(NamedTuple):
    """One of them."""

    words: Words
    beside: int
    """:attr:`~nbspy.cpython.thread_list.TrackedThread.beside` of the thread then."""


class Faces:
    """The faces of one thread."""

    def __init__(self, status: int | None) -> None:
        """``status``: which part of the words has the status bits of the thread, if one has."""
        self._status = status
        self._faces: list[Face] = []
        self.expected: Words = ()
        """The words of the face that was seen last. Hot path."""
        self.turned = False
        """True where the last copy that was told showed another face than the one before."""

    @property
    def beside(self) -> int:
        """:attr:`Face.beside` of the face that was seen last."""
        return self._faces[0].beside

    def remember(self, words: Words, beside: int, *, alone: bool) -> None:
        """Expect ``words``; ``alone``: those that were seen before are no longer to be judged in the same way."""
        others = [] if alone else [face for face in self._faces if face.words != words]
        self._faces = [Face(words, beside), *others[: _MAX_FACES - 1]]
        self.expected = words

    def turn(self, words: Words) -> bool:
        """Expect another face from now on, if ``words`` are those of one."""
        for index, face in enumerate(self._faces):
            if face.words == words:
                self._faces.insert(0, self._faces.pop(index))
                self.expected, self.turned = words, True
                return True
        return False

    def is_torn(self, words: Words) -> bool:
        """True where ``words`` were copied while the thread took the GIL, or let it go."""
        if not words[0].startswith(words[-1]):
            return True
        if self._status is None:
            return False
        # It attaches, or detaches: the GIL follows.
        rest = _without(self._status, words)
        return any(_without(self._status, face.words) == rest for face in self._faces)


def _without(part: int, words: Words) -> Words:
    return words[:part] + words[part + 1 :]
