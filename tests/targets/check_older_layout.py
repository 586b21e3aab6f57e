"""Hold the layout of 2.7 or 3.6 to 3.10 against the very interpreter that runs this, as check_layout.py does.

Takes the layout as JSON (enum members as their names) in its first argument, and prints {field: [expected, found]}.
Fields that this version lacks, and those that are the same in all of these versions, are not in it.
"""

import ctypes
import gc
import json
import os
import struct
import sys
import threading

LAYOUT = json.loads(sys.argv[1])
RESULTS = {}
VERSION = sys.version_info[:2]


def word(address):
    return struct.unpack("<Q", ctypes.string_at(address, 8))[0]


def integer(address):
    return struct.unpack("<i", ctypes.string_at(address, 4))[0]


def call(name, *arguments):
    function = getattr(ctypes.pythonapi, name)
    function.restype = ctypes.c_void_p
    return function(*map(ctypes.c_void_p, arguments)) or 0


def offset(field):
    part, name = field.split(".")
    return LAYOUT[part] and LAYOUT[part][name]


def check(field, expected, found):
    RESULTS[field] = [expected, found]


def check_word(field, expected, base):
    if offset(field) is not None:
        check(field, expected, word(base + offset(field)))


INTERPRETER = call("PyInterpreterState_Head")
THREAD = call("PyThreadState_Get")
RUNTIME = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime")) if VERSION >= (3, 7) else 0


def check_runtime():
    if not RUNTIME:
        check("runtime.interpreters_head", 0, offset("runtime.interpreters_head"))
        return
    check_word("runtime.interpreters_head", call("PyInterpreterState_Head"), RUNTIME)
    check_word("runtime.current_thread_state", THREAD, RUNTIME)
    check_word("runtime.finalizing", 0, RUNTIME)
    # The GIL: interval, last holder, locked, switch number. That it is this thread's, and held, is the proof.
    gil = RUNTIME + offset("runtime.gil")
    check("runtime.gil", [int(1e6 * sys.getswitchinterval()), THREAD, 1], [word(gil), word(gil + 8), integer(gil + 16)])


def check_interpreter():
    check("interpreter.size", True, 8 + max(o for n, o in LAYOUT["interpreter"].items() if n != "size" and o) < 1 << 17)
    newest = call("PyInterpreterState_ThreadHead", INTERPRETER)
    check_word("interpreter.threads_head", newest, INTERPRETER)
    check_word("interpreter.imports_modules", id(sys.modules), INTERPRETER)
    if VERSION < (3, 0):
        # After so many instructions 2.7 lets the GIL go, and would find a thread state that is not its own.
        sys.setcheckinterval(1 << 30)
        for _ in range(1000):
            pass  # the interval before this one comes to its end
    new, swap, this = ctypes.pythonapi.Py_NewInterpreter, ctypes.pythonapi.PyThreadState_Swap, ctypes.c_void_p(THREAD)
    # Between these two no Python function may be called: its frame would be another interpreter's.
    new()
    swap(this)
    second = call("PyInterpreterState_Head")
    check_word("interpreter.next", INTERPRETER, second)
    check_word("interpreter.id", 1, second)


def check_thread_state():
    threads = [threading.Thread(target=threading.Event().wait) for _ in range(2)]
    for thread in threads:
        thread.daemon = True
        thread.start()
    newest = call("PyInterpreterState_ThreadHead", INTERPRETER)
    check_word("thread_state.next", call("PyThreadState_Next", newest), newest)
    check_word("thread_state.interp", INTERPRETER, newest)
    check_word("thread_state.thread_id", threading.current_thread().ident, THREAD)
    check_exceptions()
    sizes = ("size", "status_active", "status_finalizing")
    ends = [value + 8 for name, value in LAYOUT["thread_state"].items() if name not in sizes and value is not None]
    check("thread_state.size", max(ends), offset("thread_state.size"))
    check("thread_state.status_active", 0, offset("thread_state.status_active"))
    check("thread_state.status_finalizing", 0, offset("thread_state.status_finalizing"))


def check_exceptions():
    try:
        raise ValueError
    except ValueError as err:
        check_word("thread_state.exception_handled", id(err), THREAD)
    # Nothing in Python runs while an exception is on its way: one that is put there must come out.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(ValueError))
    found, occurred = [], ctypes.pythonapi.PyErr_Occurred
    try:
        pointer = ctypes.c_void_p(id(ValueError))
        ctypes.memmove(THREAD + offset("thread_state.exception_raised"), ctypes.byref(pointer), 8)
        occurred()
    except (ValueError, SystemError) as err:
        found = [err, getattr(err, "__cause__", None)]
    check("thread_state.exception_raised", True, any(isinstance(one, ValueError) for one in found))


def check_collector():
    found = []

    def look(*_):
        if offset("runtime.gc_collecting") is not None:
            found.append(integer(RUNTIME + offset("runtime.gc_collecting")))
        if offset("interpreter.gc_collecting") is not None:
            found.append(integer(INTERPRETER + offset("interpreter.gc_collecting")))

    look()
    if VERSION >= (3, 3):
        gc.callbacks.append(look)
    gc.collect()
    del getattr(gc, "callbacks", [])[:]
    check("runtime.gc_collecting", [0, 1, 1], found)
    RESULTS["interpreter.gc_collecting"] = RESULTS["runtime.gc_collecting"]


def look(marker):
    frame = sys._getframe()
    expected, found, lasti = [], [], []
    address = word(THREAD + offset("thread_state.current_frame"))
    kinds = []
    while word(address + offset("frame.executable")) != id(frame.f_code):
        kinds.append(word(address + 8))
        address = word(address + offset("frame.previous"))
    # The functions of this module and of ctypes that look. On the C stack frames may be met by chance.
    check("thread_state.current_frame", [id(type(frame))] * len(kinds), kinds)
    while frame is not None:
        expected.append([id(frame), id(frame.f_code)])
        found.append([address, word(address + offset("frame.executable"))])
        lasti.append([frame.f_lasti, integer(address + offset("frame.instr_ptr")) * offset("frame.lasti_unit")])
        address = word(address + offset("frame.previous"))
        frame = frame.f_back
    for field in ("previous", "executable", "executable_mask", "owners_without_code"):
        RESULTS["frame." + field] = [[expected, 0], [found, address]]
    # The frame that looks goes on; those below it stand at their calls.
    check("frame.instr_ptr", [a for a, _ in lasti[1:]], [b for _, b in lasti[1:]])
    RESULTS["frame.lasti_unit"] = RESULTS["frame.instr_ptr"]
    check_word("frame.localsplus", id(marker), id(sys._getframe()))
    check("frame.size", True, offset("frame.instr_ptr") + 4 <= offset("frame.size") <= offset("frame.localsplus"))


def generate(marker):
    yield look(marker)


def sample(first, second="default"):
    captured = first

    def inner():
        return captured, second

    return inner


def check_code():
    code = sample.__code__
    names = ["filename", "name", "varnames", "cellvars", "freevars"]
    for name in names:
        check_word("code." + name, id(getattr(code, "co_" + name)), id(code))
    # Its attribute is made anew in 3.10.
    table = code.co_linetable if VERSION >= (3, 10) else code.co_lnotab
    check_word("code.linetable", id(table), id(code))
    for name in ("flags", "argcount", "kwonlyargcount", "firstlineno"):
        if offset("code." + name) is not None:
            check("code." + name, getattr(code, "co_" + name), integer(id(code) + offset("code." + name)))
    check("code.size", type(code).__basicsize__, offset("code.size"))
    check("code.code_adaptive", 0, offset("code.code_adaptive"))
    formats = {(2, 7): "UNSIGNED_LNOTAB", (3, 10): "PAIRS"}
    check("code.line_format", formats.get(VERSION, "LNOTAB"), offset("code.line_format"))


class Holder(object):
    __slots__ = ("__dict__", "in_a_slot")

    def __init__(self):
        self.first = "the first value"
        self.second = "the second value"


class HeldInteger(int):
    pass


class Plain(object):
    def __init__(self):
        self.first = "the first value"
        self.second = "the second value"


def at(value, field):
    return id(value) + offset("objects." + field)


def check_types():
    check("objects.object_size", object.__basicsize__, offset("objects.object_size"))
    instance = Holder()
    check_word("objects.ob_type", id(Holder), id(instance))
    check("objects.type_name", b"Holder", ctypes.string_at(word(at(Holder, "type_name"))))
    reprs = [word(at(kind, "type_repr")) for kind in (Holder, object, HeldInteger, int)]
    check("objects.type_repr", [True] * 3, [reprs[0] == reprs[1], reprs[2] == reprs[3], reprs[1] != reprs[3]])
    check("objects.type_members", b"in_a_slot", ctypes.string_at(word(word(at(Holder, "type_members")))))
    check_word("objects.type_base", id(int), id(HeldInteger))
    check("objects.type_dict", id(Holder.first_of_all), dict_at(word(at(Holder, "type_dict")))["first_of_all"])
    check_word("objects.type_mro", id(Holder.__mro__), id(Holder))
    check_word("objects.type_flags", Holder.__flags__, id(Holder))
    check_word("objects.type_basicsize", Holder.__basicsize__, id(Holder))
    check_word("objects.type_dictoffset", Holder.__dictoffset__, id(Holder))
    if VERSION >= (3, 6):
        check_word("objects.heap_type_qualname", id(Holder.__qualname__), id(Holder))


def dict_at(address):
    """{name: address of the value} of a dict whose address is known, by Python's own reading."""
    return {name: id(value) for name, value in ctypes.cast(address, ctypes.py_object).value.items()}


def check_containers():
    marker = object()
    pair, values = (0, marker), [0, marker, 0]
    check_word("objects.tuple_size", 2, id(pair))
    check("objects.tuple_items", id(marker), word(at(pair, "tuple_items") + 8))
    check_word("objects.list_size", 3, id(values))
    check("objects.list_items", id(marker), word(word(at(values, "list_items")) + 8))
    values = {marker}
    check_word("objects.set_used", 1, id(values))
    check_word("objects.set_mask", 7, id(values))
    table, key = word(at(values, "set_table")), offset("objects.set_entry_key")
    check("objects.set_table", [0] * 7 + [id(marker)], sorted(word(table + 16 * slot + key) for slot in range(8)))
    RESULTS["objects.set_entry_key"] = RESULTS["objects.set_table"]
    generator = (x for x in ())
    check_word("objects.function_code", id(sample.__code__), id(sample))
    if VERSION >= (3, 6):
        check_word("objects.function_qualname", id(sample.__qualname__), id(sample))
        check_word("objects.generator_qualname", id(generator.__qualname__), id(generator))
    data = bytearray(b"some bytes")
    check("objects.bytearray_start", b"some", ctypes.string_at(word(at(data, "bytearray_start")), 4))


def check_numbers_and_strings():
    whole, data = 3 << 90 | 5, b"some bytes"
    check("objects.float_value", 1.5, struct.unpack("<d", ctypes.string_at(at(1.5, "float_value"), 8))[0])
    if VERSION == (2, 7):
        check_word("objects.int_value", 77, id(77))
    check_word("objects.long_tag", 4, id(whole))
    check("objects.long_has_tag", False, offset("objects.long_has_tag"))
    check("objects.long_digits", [5, 0, 0, 3], [integer(at(whole, "long_digits") + 4 * i) for i in range(4)])
    check_word("objects.bytes_size", len(data), id(data))
    check("objects.bytes_data", data, ctypes.string_at(at(data, "bytes_data"), len(data)))
    check("objects.text_is_bytes", VERSION == (2, 7), offset("objects.text_is_bytes"))
    plain, wide = b"plain".decode() * 3, b"\xce\xa9mega".decode("utf-8") * 3
    check_word("objects.unicode_length", 15, id(plain))
    if VERSION == (2, 7):
        pointer = word(at(wide, "unicode_pointer"))
        encoding, size = ("utf-16-le", 2) if sys.maxunicode == 0xFFFF else ("utf-32-le", 4)
        check("objects.unicode_pointer", wide, ctypes.string_at(pointer, len(wide) * size).decode(encoding))
        check("objects.unicode_char_size", size, offset("objects.unicode_char_size"))
        for field in ("state", "ascii_data", "compact_data", "kind_shift"):
            check("objects.unicode_" + field, 0, offset("objects.unicode_" + field))
        return
    check("objects.unicode_ascii_data", plain, ctypes.string_at(at(plain, "unicode_ascii_data"), 15).decode())
    found = ctypes.string_at(at(wide, "unicode_compact_data"), 30)
    check("objects.unicode_compact_data", wide, found.decode("utf-16-le"))
    states = [integer(at(text, "unicode_state")) for text in (plain, "\xe9" * 3, wide, "\U0001d11e" * 3)]
    found = [state >> offset("objects.unicode_kind_shift") & 31 for state in states]
    check("objects.unicode_state", [1 | 8 | 16, 1 | 8, 2 | 8, 4 | 8], found)
    RESULTS["objects.unicode_kind_shift"] = RESULTS["objects.unicode_state"]


def check_dict_table():
    key, value = "a key", object()
    table = {key: value}
    check("objects.dict_used", 1, word(at(table, "dict_used")))
    check("objects.dict_mask", 7, word(at(table, "dict_mask")))
    slots = word(at(table, "dict_table"))
    found = [[word(slots + 24 * slot + 8), word(slots + 24 * slot + 16)] for slot in range(8)]
    check("objects.dict_table", [[id(key), id(value)]], [pair for pair in found if pair[0]])
    check("objects.dict_values_items", 0, offset("objects.dict_values_items"))


def check_dict():
    key, value = "a key", object()
    table = {key: value}
    keys = word(at(table, "dict_keys"))
    check("objects.keys_size", 8, word(keys + offset("objects.keys_size")))
    check("objects.keys_nentries", 1, word(keys + offset("objects.keys_nentries")))
    entries = keys + offset("objects.keys_indices") + 8
    found = [word(entries + 8 * number) for number in range(3)]
    check("objects.keys_indices", [hash(key) & (1 << 64) - 1, id(key), id(value)], found)
    RESULTS["objects.dict_keys"] = RESULTS["objects.keys_indices"]
    check("objects.dict_used", 1, word(at(table, "dict_used")))
    instance = Plain()
    attributes = instance.__dict__
    values = word(at(attributes, "dict_values"))
    check("objects.dict_values", True, values != 0 and word(at(table, "dict_values")) == 0)
    check("objects.dict_values_items", id(instance.second), word(values + offset("objects.dict_values_items") + 8))
    cached = word(at(Plain, "heap_type_cached_keys"))
    check("objects.heap_type_cached_keys", word(at(attributes, "dict_keys")), cached)


def plain(value):
    """``value`` as JSON can take it: in 2.7, and beside it, bytes are text."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.decode("latin-1") if isinstance(value, bytes) else value


Holder.first_of_all = object()
# Through a generator, called by a lambda, called by C.
sorted([0], key=lambda marker: next(generate(marker)) or 0)
check_runtime()
check_interpreter()
check_collector()
check_thread_state()
check_code()
check_types()
check_containers()
check_numbers_and_strings()
if VERSION == (2, 7):
    check_dict_table()
else:
    check_dict()
print(json.dumps({field: plain(pair) for field, pair in RESULTS.items() if offset(field) is not None}))
sys.stdout.flush()
os._exit(0)  # the second interpreter is left alone
