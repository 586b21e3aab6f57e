"""Hold a layout against the very interpreter that runs this: every field is looked up in its own memory.

Takes the layout as JSON (enum members as their names) in its first argument, and prints {field: [expected, found]}.
What is expected comes from Python, or from the C API through ctypes. For 3.11 and later.
"""

import ctypes
import gc
import json
import struct
import sys
import threading

LAYOUT = json.loads(sys.argv[1])
RESULTS = {}


def word(address):
    return struct.unpack("<Q", ctypes.string_at(address, 8))[0]


def number(address, size=8):
    return int.from_bytes(ctypes.string_at(address, size), "little", signed=True)


def call(name, *arguments):
    function = getattr(ctypes.pythonapi, name)
    function.restype = ctypes.c_void_p
    return function(*map(ctypes.c_void_p, arguments)) or 0


def offset(field):
    part, name = field.split(".")
    return LAYOUT[part] and LAYOUT[part][name]


def check(field, expected, found):
    RESULTS[field] = [expected, found]


RUNTIME = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
INTERPRETER = call("PyInterpreterState_Get")
THREAD = call("PyThreadState_Get")


def check_runtime():
    head = call("PyInterpreterState_Head")
    check("runtime.interpreters_head", head, word(RUNTIME + offset("runtime.interpreters_head")))
    check("runtime.finalizing", 0, word(RUNTIME + offset("runtime.finalizing")))  # and again at the end
    if offset("runtime.current_thread_state") is not None:
        check("runtime.current_thread_state", THREAD, word(RUNTIME + offset("runtime.current_thread_state")))
        # interval, last holder, locked, switch number
        gil = RUNTIME + offset("runtime.gil")
        found = [word(gil), word(gil + 8), number(gil + 16, 4)]
        check("runtime.gil", [int(1e6 * sys.getswitchinterval()), THREAD, 1], found)


def check_interpreter():
    newest = call("PyInterpreterState_ThreadHead", INTERPRETER)
    check("interpreter.threads_head", newest, word(INTERPRETER + offset("interpreter.threads_head")))
    check("interpreter.imports_modules", id(sys.modules), word(INTERPRETER + offset("interpreter.imports_modules")))
    others = [value for name, value in LAYOUT["interpreter"].items() if name != "size" and value is not None]
    check("interpreter.size", True, max(others) + 8 <= offset("interpreter.size"))
    if offset("interpreter.code_object_generation") is not None:
        at = INTERPRETER + offset("interpreter.code_object_generation")
        before = word(at)
        exec(compile("1", "<soon freed>", "exec"))
        check("interpreter.code_object_generation", True, 0 < word(at) - before < 100)


def check_second_interpreter():
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    made = interpreters.create()
    newest = call("PyInterpreterState_Head")
    check("interpreter.id", int(made), word(newest + offset("interpreter.id")))
    check("interpreter.next", INTERPRETER, word(newest + offset("interpreter.next")))
    interpreters.destroy(made)


def check_gil():
    if LAYOUT["gil"] is None:
        return
    gil = word(INTERPRETER + offset("interpreter.ceval_gil"))
    before = word(gil + offset("gil.switch_number"))
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    switches = word(gil + offset("gil.switch_number")) - before
    # A free-threaded build has one, which nobody takes.
    check("gil.switch_number", True, switches == 0 if LAYOUT["free_threaded"] else 2 <= switches < 1000)
    check("gil.last_holder", THREAD, word(gil + offset("gil.last_holder")))
    check("gil.locked", 0 if LAYOUT["free_threaded"] else 1, number(gil + offset("gil.locked"), 4))
    # No function tells this pointer: that it leads to a GIL which this thread holds is the proof.
    RESULTS["interpreter.ceval_gil"] = RESULTS["gil.last_holder"]


def check_thread_state():
    threads = [threading.Thread(target=threading.Event().wait, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    newest = call("PyInterpreterState_ThreadHead", INTERPRETER)
    check("thread_state.next", call("PyThreadState_Next", newest), word(newest + offset("thread_state.next")))
    interpreter = call("PyThreadState_GetInterpreter", THREAD)
    check("thread_state.interp", interpreter, word(THREAD + offset("thread_state.interp")))
    check("thread_state.thread_id", threading.get_ident(), word(THREAD + offset("thread_state.thread_id")))
    native = threading.get_native_id()
    check("thread_state.native_thread_id", native, word(THREAD + offset("thread_state.native_thread_id")))
    if offset("thread_state.holds_gil") is not None:
        check("thread_state.holds_gil", 1, number(THREAD + offset("thread_state.holds_gil"), 4))
        check("thread_state.gil_requested", True, number(THREAD + offset("thread_state.gil_requested"), 4) in (0, 1))
    active = offset("thread_state.status_active")
    if offset("thread_state.status") is not None:
        for _ in range(10_000_000):  # without a GIL it takes a moment until it waits
            bits = [number(thread + offset("thread_state.status"), 4) & active != 0 for thread in (THREAD, newest)]
            if bits == [True, False]:
                break
        check("thread_state.status", [True, False], bits)
    check("thread_state.status_active", offset("thread_state.status") is not None, active != 0)
    check_thread_end()
    check_exceptions()
    sizes = ("size", "status_active", "status_finalizing")
    ends = [value + 8 for name, value in LAYOUT["thread_state"].items() if name not in sizes and value is not None]
    needed = max(*ends, offset("thread_state.datastack_chunk") + 24)
    check("thread_state.size", needed, offset("thread_state.size"))


def check_thread_end():
    """An object that only a thread has is freed while the thread clears its state."""
    bits = []
    local = threading.local()

    def look():
        if offset("thread_state.status") is not None:
            status = number(call("PyThreadState_Get") + offset("thread_state.status"), 4)
            bits.append(status & offset("thread_state.status_finalizing") != 0)

    class LooksWhenFreed:
        def __del__(self):
            look()

    def run():
        local.value = LooksWhenFreed()
        look()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    check("thread_state.status_finalizing", [] if offset("thread_state.status") is None else [False, True], bits)


def check_exceptions():
    try:
        raise ValueError
    except ValueError as err:
        check("thread_state.exception_handled", id(err), word(THREAD + offset("thread_state.exception_handled")))
    # Nothing in Python runs while an exception is on its way: one that is put there must come out.
    put = ValueError() if sys.version_info >= (3, 12) else ValueError
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(put))
    found, occurred = [], ctypes.pythonapi.PyErr_Occurred
    try:
        pointer = ctypes.c_void_p(id(put))
        ctypes.memmove(THREAD + offset("thread_state.exception_raised"), ctypes.byref(pointer), 8)
        occurred()
    except (ValueError, SystemError) as err:
        found = [err, err.__cause__]
    check("thread_state.exception_raised", True, any(isinstance(one, ValueError) for one in found))


def check_collector():
    found = []

    def look(phase, info):
        collecting = number(INTERPRETER + offset("interpreter.gc_collecting"), 4)
        frame = offset("interpreter.gc_frame")
        found.append((phase, collecting, None if frame is None else word(INTERPRETER + frame)))

    look("before", {})
    gc.callbacks.append(look)
    gc.collect()
    gc.callbacks.remove(look)
    look("after", {})
    expected = [("before", 0), ("start", 1), ("stop", 1), ("after", 0)]
    check("interpreter.gc_collecting", expected, [(phase, collecting) for phase, collecting, _ in found])
    if offset("interpreter.gc_frame") is not None:
        own = word(id(sys._getframe()) + PYFRAME_F_FRAME)
        check("interpreter.gc_frame", own, found[1][2])


PYFRAME_F_FRAME = (32 if LAYOUT["free_threaded"] else 16) + 8
"""``f_frame`` of ``PyFrameObject``: behind the header and ``f_back``."""


class EndOfPython:
    """Prints the results, and what can only be seen at the end, when the module it is in is cleared."""

    def __init__(self):
        self.text = json.dumps(RESULTS)[:-1]
        # Everything it needs, since modules are cleared in no particular order; string_at() needs one of ctypes.
        self.string_at, self.unpack, self.thread = ctypes._string_at, struct.unpack, THREAD
        self.ends = {"runtime.finalizing": RUNTIME + offset("runtime.finalizing")}
        if offset("interpreter.finalizing") is not None:
            self.ends["interpreter.finalizing"] = INTERPRETER + offset("interpreter.finalizing")

    def __del__(self):
        for field, address in self.ends.items():
            (value,) = self.unpack("<Q", self.string_at(address, 8))
            self.text += f', "{field}": [{self.thread}, {value}]'
        print(self.text + "}", flush=True)


def chunk_pointers():
    """The chunk, and datastack_top and datastack_limit behind it."""
    return [word(THREAD + offset("thread_state.datastack_chunk") + 8 * i) for i in range(3)]


def check_chunks():
    first, _, limit = chunk_pointers()
    check("chunk.size", limit - first, word(first + offset("chunk.size")))

    def deeper(left):
        if left:
            deeper(left - 1)
            return
        # The chunks are freed on return.
        chunk, top, limit = chunk_pointers()
        check("thread_state.datastack_chunk", True, chunk < top <= limit == chunk + word(chunk + offset("chunk.size")))
        second = chunk
        while word(second + offset("chunk.previous")) not in (0, first):
            second = word(second + offset("chunk.previous"))
        check("chunk.previous", first, word(second + offset("chunk.previous")))
        in_second = [at for at, _, _ in frames_with_code() if 0 <= at - second < word(second + offset("chunk.size"))]
        check("chunk.data", min(in_second), second + offset("chunk.data"))
        # The words in use of a chunk that is no longer the newest: another frame did not fit.
        free = word(first + offset("chunk.size")) - 8 * word(first + offset("chunk.top"))
        check("chunk.top", True, 0 < free < 1000)

    deeper(300)


def frames_with_code():
    """(frame, code object, owner) of each frame that runs Python code, this function's first."""
    at = THREAD + offset("thread_state.current_frame")
    if offset("thread_state.cframe_current_frame") is not None:
        at = word(at) + offset("thread_state.cframe_current_frame")
    # The newest frame now is that of string_at. Whatever this function calls next has its frame in the same place.
    at = struct.unpack("<Q", ctypes.string_at(at, 8))[0]
    at = word(at + offset("frame.previous"))
    found = []
    while at:
        owner = number(at + offset("frame.owner"), 1)
        if owner not in offset("frame.owners_without_code"):
            code = word(at + offset("frame.executable")) & offset("frame.executable_mask")
            found.append((at, code, owner))
        at = word(at + offset("frame.previous"))
    return found


def look(argument):
    frames = frames_with_code()[1:]
    entries = [number(at + offset("frame.is_entry"), 1) for at, _, _ in frames] if offset("frame.is_entry") else []
    instructions = [word(at + offset("frame.instr_ptr")) - code for at, code, _ in frames]
    arguments = [word(at + offset("frame.localsplus")) & offset("frame.executable_mask") for at, _, _ in frames]
    by_python = []
    frame = sys._getframe()
    while frame is not None:
        by_python.append((id(frame.f_code), frame.f_lasti))
        frame = frame.f_back
    return frames, entries, instructions, arguments, by_python


def generate(argument):
    yield look(argument)


def through_c(argument):
    seen = []
    sorted([0], key=lambda _: seen.append(next(generate(argument))) or 0)
    return seen[0]


def check_frames():
    marker = object()
    frames, entries, instructions, arguments, by_python = through_c(marker)
    check("frame.executable", [code for code, _ in by_python], [code for _, code, _ in frames])
    for field in ("frame.previous", "frame.executable_mask", "frame.owners_without_code", "thread_state.current_frame"):
        RESULTS[field] = RESULTS["frame.executable"]
    if offset("thread_state.cframe_current_frame") is not None:
        RESULTS["thread_state.cframe_current_frame"] = RESULTS["frame.executable"]
    # The frame that looks has moved on; those below it stand at their calls.
    lasti = [lasti + offset("code.code_adaptive") for _, lasti in by_python]
    check("frame.instr_ptr", lasti[1:], instructions[1:])
    owners = [owner for _, _, owner in frames]
    check("frame.owner", [0, offset("frame.owner_generator"), *[0] * (len(owners) - 2)], owners)
    check("frame.owner_generator", True, owners[1] != 0)
    check("frame.localsplus", [id(marker)] * 2, arguments[:2])
    check("frame.size", offset("frame.localsplus"), offset("frame.size"))
    if offset("frame.is_entry") is not None:
        # look <- generate, called by next() <- lambda, called by sorted() <- through_c <- check_frames <- module
        check("frame.is_entry", [0, 1, 1, 0, 0, 1], entries)


def sample(first, second="default", *, third=None):
    return [first, second, third]


def check_code():
    code = sample.__code__
    for field in ("filename", "name", "qualname", "linetable"):
        check(f"code.{field}", id(getattr(code, f"co_{field}")), word(id(code) + offset(f"code.{field}")))
    check("code.flags", code.co_flags, number(id(code) + offset("code.flags"), 4))
    check("code.kwonlyargcount", 1, number(id(code) + offset("code.kwonlyargcount"), 4))
    check("code.firstlineno", code.co_firstlineno, number(id(code) + offset("code.firstlineno"), 4))
    check("code.argcount", code.co_argcount, number(id(code) + offset("code.argcount"), 4))
    names = ctypes.cast(word(id(code) + offset("code.localsplusnames")), ctypes.py_object).value
    check("code.localsplusnames", list(code.co_varnames), list(names))
    kinds = ctypes.cast(word(id(code) + offset("code.localspluskinds")), ctypes.py_object).value
    check("code.localspluskinds", [True, len(names)], [isinstance(kinds, bytes), len(kinds)])
    adaptive = code._co_code_adaptive
    found = ctypes.string_at(id(code) + offset("code.code_adaptive"), len(adaptive))
    check("code.code_adaptive", adaptive.hex(), found.hex())
    check("code.size", offset("code.code_adaptive"), offset("code.size"))
    check("code.line_format", "LOCATIONS", offset("code.line_format"))


class Slotted:
    __slots__ = ("in_a_slot",)


class HeldInteger(int):
    pass


class Holder:
    def __init__(self):
        self.first = "the first value"
        self.second = "the second value"


def at(instance, field):
    return id(instance) + offset(f"objects.{field}")


def check_types():
    instance = Holder()
    check("objects.object_size", object.__basicsize__, offset("objects.object_size"))
    reprs = [word(at(kind, "type_repr")) for kind in (Holder, object, HeldInteger, int)]
    check("objects.type_repr", [True] * 3, [reprs[0] == reprs[1], reprs[2] == reprs[3], reprs[1] != reprs[3]])
    members = word(at(Slotted, "type_members"))
    check("objects.type_members", "in_a_slot", ctypes.string_at(word(members)).decode())
    check("objects.type_base", [id(int), id(object)], [word(at(kind, "type_base")) for kind in (HeldInteger, Slotted)])
    check("objects.type_dict", [id(d) for d in gc.get_referents(Holder.__dict__)], [word(at(Holder, "type_dict"))])
    check("objects.type_mro", id(Holder.__mro__), word(at(Holder, "type_mro")))
    check("objects.heap_type_qualname", id(Holder.__qualname__), word(at(Holder, "heap_type_qualname")))
    check("objects.ob_type", id(Holder), word(at(instance, "ob_type")))
    name = ctypes.string_at(word(at(Holder, "type_name"))).decode()
    check("objects.type_name", "Holder", name)
    check("objects.type_flags", Holder.__flags__, word(at(Holder, "type_flags")))
    check("objects.type_basicsize", Holder.__basicsize__, number(at(Holder, "type_basicsize")))
    check("objects.type_dictoffset", Holder.__dictoffset__, number(at(Holder, "type_dictoffset")))


def check_containers():
    marker = object()
    pair = (0, marker)
    check("objects.tuple_size", 2, word(at(pair, "tuple_size")))
    check("objects.tuple_items", [id(0), id(marker)], [word(at(pair, "tuple_items") + 8 * i) for i in range(2)])
    values = [0, marker, 0]
    check("objects.list_size", 3, word(at(values, "list_size")))
    check("objects.list_items", id(marker), word(word(at(values, "list_items")) + 8))


def check_functions_and_sets():
    values, generator, data = {object()}, (x for x in ()), bytearray(b"some bytes")
    del data[:2]
    check("objects.set_used", 1, word(at(values, "set_used")))
    check("objects.set_mask", 7, word(at(values, "set_mask")))
    table = word(at(values, "set_table"))
    keys = sorted(word(table + 16 * slot + offset("objects.set_entry_key")) for slot in range(8))
    check("objects.set_table", sorted([id(*values), *[0] * 7]), keys)
    RESULTS["objects.set_entry_key"] = RESULTS["objects.set_table"]
    check("objects.function_code", id(sample.__code__), word(at(sample, "function_code")))
    check("objects.function_qualname", id(sample.__qualname__), word(at(sample, "function_qualname")))
    check("objects.generator_qualname", id(generator.__qualname__), word(at(generator, "generator_qualname")))
    check("objects.bytearray_start", "me bytes", ctypes.string_at(word(at(data, "bytearray_start")), 8).decode())


def check_numbers_and_strings():
    real, whole, data = 1.5, 3 << 30 | 5, b"some bytes"
    check("objects.float_value", 1.5, struct.unpack("<d", ctypes.string_at(at(real, "float_value"), 8))[0])
    check("objects.long_tag", 2 << 3 if offset("objects.long_has_tag") else 2, word(at(whole, "long_tag")))
    check("objects.long_has_tag", sys.version_info >= (3, 12), offset("objects.long_has_tag"))
    check("objects.long_digits", [5, 3], [number(at(whole, "long_digits") + 4 * i, 4) for i in range(2)])
    check("objects.bytes_size", len(data), word(at(data, "bytes_size")))
    check("objects.bytes_data", data.hex(), ctypes.string_at(at(data, "bytes_data"), len(data)).hex())
    check("objects.text_is_bytes", False, offset("objects.text_is_bytes"))
    plain, wide = "plain" * 3, "\u03a9mega" * 3
    check("objects.unicode_length", 15, word(at(plain, "unicode_length")))
    check("objects.unicode_ascii_data", plain, ctypes.string_at(at(plain, "unicode_ascii_data"), 15).decode())
    check(
        "objects.unicode_compact_data", wide, ctypes.string_at(at(wide, "unicode_compact_data"), 30).decode("utf-16-le")
    )
    states = [number(at(text, "unicode_state"), 4) for text in (plain, "\xe9" * 3, wide, "\U0001d11e" * 3)]
    found = [state >> offset("objects.unicode_kind_shift") & 31 for state in states]
    check("objects.unicode_state", [1 | 8 | 16, 1 | 8, 2 | 8, 4 | 8], found)
    RESULTS["objects.unicode_kind_shift"] = RESULTS["objects.unicode_state"]


def check_dict():
    key, value = "a key", object()
    table = {key: value}
    keys = word(at(table, "dict_keys"))
    check("objects.keys_kind", 1, number(keys + offset("objects.keys_kind"), 1))
    check("objects.keys_log2_index_bytes", 3, number(keys + offset("objects.keys_log2_index_bytes"), 1))
    check("objects.keys_nentries", 1, word(keys + offset("objects.keys_nentries")))
    entries = keys + offset("objects.keys_indices") + 8
    check("objects.keys_indices", [id(key), id(value)], [word(entries), word(entries + 8)])
    RESULTS["objects.dict_keys"] = RESULTS["objects.keys_indices"]
    check("objects.dict_used", 1, word(at(table, "dict_used")))
    instance = Holder()
    attributes = instance.__dict__
    values = word(at(attributes, "dict_values"))
    check("objects.dict_values", True, values != 0 and word(at(table, "dict_values")) == 0)
    check("objects.dict_values_items", id(instance.second), word(values + offset("objects.dict_values_items") + 8))
    cached = word(at(Holder, "heap_type_cached_keys"))
    check("objects.heap_type_cached_keys", word(at(attributes, "dict_keys")), cached)
    check("objects.managed_dict_offset", id(attributes), word(at(instance, "managed_dict_offset")))


def check_instance_values():
    instance = Holder()
    kind = offset("objects.instance_values")
    before = at(instance, "managed_dict_offset")
    places = {
        "POINTER_BEFORE_DICT": lambda: word(before - 8),
        "TAGGED_DICT": lambda: word(before) + 1,
        "BEHIND_OBJECT": lambda: id(instance) + Holder.__basicsize__,
    }
    values = places[kind]()
    check("objects.instance_values", id(instance.second), word(values + offset("objects.dict_values_items") + 8))
    del instance.first
    instance.first = "set last"
    check("objects.dict_values_used", 2, number(values + offset("objects.dict_values_used"), 1))
    order = offset("objects.dict_values_order")
    if order is not None:
        check("objects.dict_values_order", [1, 0], [number(values + order - place, 1) for place in range(2)])
    if offset("objects.dict_values_valid") is not None:
        valid = [number(values + offset("objects.dict_values_valid"), 1)]
        for i in range(200):
            setattr(instance, f"attribute_{i}", i)
        valid.append(number(values + offset("objects.dict_values_valid"), 1))
        check("objects.dict_values_valid", [1, 0], valid)


# From the module itself: the depth of the stack is part of what is expected.
check_frames()
check_chunks()
check_runtime()
check_interpreter()
check_second_interpreter()
check_gil()
check_collector()
check_thread_state()
check_code()
check_types()
check_containers()
check_functions_and_sets()
check_numbers_and_strings()
check_dict()
check_instance_values()
END = EndOfPython()
