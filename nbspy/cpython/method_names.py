"""Which class a method is of, before 3.11: the code object does not say it, but its first argument leads to it.

A function whose first argument is an instance, or a class, is looked for under its name in the classes of that
argument, the nearest first. It is the one only where its code object is the very one that runs: so a name is never a
guess, and what is not found (a closure, a static method, an argument that was given another value) keeps its bare name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from nbspy.cpython.layout import Layout
from nbspy.cpython.objects import TypeFlag, read_str, read_word
from nbspy.cpython.read_budget import Budget, BudgetedMemory, BudgetSpent
from nbspy.cpython.remote_types import RemoteType, RemoteTypes
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target.memory import RemoteMemory

TIME_NS: Final = 2_000_000_000
BYTES: Final = 64 << 20
"""For all methods of one look; a class is read once."""
_MAX_CODES: Final = 10_000
_MAX_NAME_CHARS: Final = 256
_WRAPPERS: Final = ("classmethod", "staticmethod", "property")
"""What may stand in a class instead of a function; the function is the first thing each of them holds."""


class MethodNames:
    """The qualified names of the methods on some stacks. For versions whose code objects have none."""

    def __init__(self, memory: RemoteMemory, layout: Layout) -> None:
        self._memory = memory
        self._layout = layout
        self._first: dict[int, int] = {}
        """Code object -> what the first variable of a frame that runs it holds."""
        self._found: dict[int, str] = {}

    def stand(self, stacks: Iterable[Iterable[tuple[int, int]]]) -> None:
        """Note the first variables of the frames in ``stacks``, (frame, code) each, while they stand: one read."""
        frames: dict[int, int] = {}
        for stack in stacks:
            for frame, code in stack:
                frames.setdefault(code, frame)
        wanted = list(frames.items())[:_MAX_CODES]
        start = self._layout.frame.localsplus
        try:
            words = self._memory.read_many([(frame + start, 8) for _, frame in wanted])
        except MemoryFault:
            return  # the names stay bare
        self._first = {code: int.from_bytes(data, "little") for (code, _), data in zip(wanted, words, strict=True)}

    def finish(self) -> None:
        """Find the names; the target may run meanwhile."""
        types = RemoteTypes(BudgetedMemory(self._memory, Budget(TIME_NS, BYTES)), self._layout)
        for code, argument in self._first.items():
            try:
                name = self._name(types, code, argument) if argument else None
            except BudgetSpent:
                return
            except (CorruptTarget, MemoryFault):
                continue
            if name:
                self._found[code] = name

    def name_of(self, code: int) -> str | None:
        """Return ``Class.method`` for the code object at this address; None where it is not known to be a method's."""
        return self._found.get(code)

    def _name(self, types: RemoteTypes, code: int, argument: int) -> str | None:
        memory, fields = types.memory, self._layout.code
        if not int.from_bytes(memory.read(code + fields.argcount, 4), "little"):
            return None
        name = read_str(memory, self._layout, read_word(memory, code + fields.name), _MAX_NAME_CHARS)
        for kind in self._classes(types, argument):
            function = self._function(types, types.own_attribute(kind, _mangled(name, kind)))
            if function and read_word(memory, function + self._layout.objects.function_code) == code:
                return self._qualname(types, function, kind, name)
        return None

    def _classes(self, types: RemoteTypes, argument: int) -> Iterator[RemoteType]:
        """Yield the classes of an instance, or those that a class inherits from, itself first."""
        kind = types.of(argument)
        kinds = [types.at(argument), kind] if kind.flags & TypeFlag.TYPE_SUBCLASS else [kind]
        for one in kinds:
            yield from (ancestor for ancestor in types.mro(one) if ancestor.is_class)

    def _function(self, types: RemoteTypes, attribute: int | None) -> int:
        """Return the function that a class's attribute is, or holds; 0 where it is something else."""
        if not attribute:
            return 0
        name = types.of(attribute).name
        if name in _WRAPPERS:
            attribute = read_word(types.memory, attribute + self._layout.objects.object_size)
            name = types.of(attribute).name if attribute else ""
        return attribute if name == "function" else 0

    def _qualname(self, types: RemoteTypes, function: int, kind: RemoteType, name: str) -> str:
        field = self._layout.objects.function_qualname
        if field is None:
            return f"{kind.short_name}.{name}"
        return read_str(types.memory, self._layout, read_word(types.memory, function + field), _MAX_NAME_CHARS)


def _mangled(name: str, kind: RemoteType) -> str:
    """Return the name under which a class keeps its method: private ones have the class's in front."""
    owner = kind.short_name.lstrip("_")
    return f"_{owner}{name}" if name.startswith("__") and not name.endswith("__") and owner else name
