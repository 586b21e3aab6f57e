"""What Python calls its threads: ``threading._active``, found through ``sys.modules``.

Works wherever the target has imported :mod:`threading`, in the main interpreter or another. A thread that C code
started has no entry until it calls :func:`threading.current_thread`.
"""

from __future__ import annotations

from typing import Final

from nbspy.cpython.attributes import instance_attribute, module_attribute
from nbspy.cpython.dicts import dict_items
from nbspy.cpython.layout import Layout
from nbspy.cpython.objects import read_int, read_str
from nbspy.cpython.page_cache import PageCache
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target.memory import RemoteMemory

MAX_NAME_CHARS: Final = 256
MAX_THREADS: Final = 1 << 14
NAME_ATTRIBUTES: Final = ("_name", "_Thread__name")
"""Of ``threading.Thread``; the second in 2.7."""


def thread_names(memory: RemoteMemory, layout: Layout, modules_address: int) -> dict[int, str]:
    """Return ``threading.get_ident()`` -> thread name, for one interpreter.

    ``modules_address`` is that of its ``sys.modules``. Empty where :mod:`threading` is not imported. A thread whose
    entry cannot be read just now (it is starting or ending) is left out. Raises MemoryFault and CorruptTarget where the
    list itself cannot be read.
    """
    # Some twenty small reads for each thread: by pages a look at 200 threads takes a fourth of the time.
    memory = PageCache(memory)
    active = module_attribute(memory, layout, modules_address, "threading", "_active")
    if active is None:
        return {}
    names: dict[int, str] = {}
    for ident, thread in dict_items(memory, layout, active, MAX_THREADS):
        try:
            found = (instance_attribute(memory, layout, thread, attribute) for attribute in NAME_ATTRIBUTES)
            name = next((address for address in found if address is not None), None)
            if name is not None:
                names[read_int(memory, layout, ident)] = read_str(memory, layout, name, MAX_NAME_CHARS)
        except (CorruptTarget, MemoryFault):
            continue
    return names
