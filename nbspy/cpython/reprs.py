"""What ``repr()`` would say of an object of the target, without running a line of the target's code.

Built-in types give what CPython gives, character by character; so do classes that inherit their ``repr`` (told by the
slot ``tp_repr``). What a class's own ``__repr__`` would say is not known: see :mod:`nbspy.cpython.repr_instances`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Final

from nbspy.cpython import repr_arrays, repr_containers, repr_objects, repr_values
from nbspy.cpython.objects import TypeFlag
from nbspy.cpython.remote_types import RemoteTypes
from nbspy.cpython.repr_instances import write_attributes, write_instance
from nbspy.cpython.repr_writer import Formatter, ReprWriter, TextFull

FORMATS: Final[Mapping[str, Formatter]] = {
    **repr_containers.FORMATS,
    **repr_objects.FORMATS,
    **repr_arrays.FORMATS,
    "object": write_attributes,
    "exceptions.BaseException": repr_objects.write_exception,
}
"""``tp_name`` of a type made in C -> what its ``tp_repr`` writes; plain values are in :mod:`repr_values`."""


def repr_of(types: RemoteTypes, address: int, limit: int) -> str:
    """Return the repr of the object at ``address``, in at most ``limit`` characters.

    An ellipsis stands for what does not fit; what cannot be read is ``<unreadable>``. Raises
    :class:`~nbspy.cpython.read_budget.BudgetSpent` where the memory does, and what ends the target's reading for good.
    """
    writer = ReprWriter(types, limit, write_value)
    with contextlib.suppress(TextFull):
        writer.value(address)
    return writer.text()


def write_value(writer: ReprWriter, address: int) -> None:
    """Write the object at ``address`` as its type does."""
    types = writer.types
    kind = types.of(address)
    if kind.flags & TypeFlag.TYPE_SUBCLASS:
        # Also those whose metaclass has a repr of its own: types are shown by name.
        repr_objects.write_type(writer, address, kind)
        return
    plain = repr_values.formats_for(types.layout)
    for ancestor in types.lineage(types.static_ancestor(kind)):
        write = FORMATS.get(ancestor.name) or plain.get(ancestor.name)
        if write is not None and ancestor.repr_slot == kind.repr_slot:
            write(writer, address, kind)
            return
    write_instance(writer, address, kind)
