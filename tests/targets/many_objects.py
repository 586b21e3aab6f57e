"""Hold objects of many shapes, announce where they lie (``id()``) and what they are, and wait for the end of stdin."""

import json
import sys
import types


class Plain:
    def __init__(self, **attributes):
        for name, value in attributes.items():
            setattr(self, name, value)


class Slotted(Plain):
    __slots__ = ("_other", "slot")


class Bare:
    __slots__ = ("slot",)


class Text(str):
    pass


class Number(int):
    pass


class Mapping(dict):
    pass


def with_dict(instance):
    instance.__dict__["through_dict"] = "seen"
    return instance


def without(instance, name):
    delattr(instance, name)
    return instance


def after_deletions():
    grown = {str(number): number for number in range(100)}
    for number in range(0, 100, 2):
        del grown[str(number)]
    return grown


def with_note(error):
    error.note = "on an exception"
    return error


def with_dict_replaced(instance):
    instance.__dict__ = {"name": "replaced"}
    return instance


STRINGS = [
    "",
    "a",
    "plain ascii, not interned " + str(1),
    "caf\xe9",
    "\xff" * 300,
    "\u03a9mega \u4e2d\u6587",
    "\U0001d11e clef \x00 nul",
    "\ud800 lone",
    "\ud83d\ude00 two lone surrogates",
    "\udfff\U0001f600",
    "x" * 1024,
    sys.intern("interned_name"),
    Text("of a subclass"),
    Text("\u03a9 of a subclass"),
]
LONG_STRING = "y" * 5000
INTEGERS = [0, 1, -1, 255, 257, -6, 2**30 - 1, 2**30, -(2**30), 2**31, 2**63, -(2**64), 10**50, True, Number(-7)]
BYTES = [b"", b"\x00\xff", b"x" * 1000]
DICTS = [
    {},
    {"a": 1},
    {1: "one", "two": 2, (3,): 3.0},
    {str(number): number for number in range(1000)},
    {number: number for number in range(10000)},
    after_deletions(),
    Mapping(of="a subclass"),
    Plain(first=1, second=2).__dict__,
    with_dict(Plain(first=1)).__dict__,
    without(Plain(first=1, second=2, third=3), "second").__dict__,
    dict.fromkeys("abc", None),
]
MODULE = types.ModuleType("made")
MODULE.attribute = "of a module"
MANY = {f"attribute_{number}": f"value {number}" for number in range(200)}
INSTANCES = [
    # instance, attributes it holds, attributes it does not: vars() would give it a dict, getattr() does not.
    (Plain(), [], ["name", ""]),
    (Plain(name="inline", café="non-ascii"), ["name", "café"], ["nam", "names", "first"]),
    (Plain(other="second shape", name="later"), ["name", "other"], ["café"]),
    (with_dict(Plain(name="kept")), ["name", "through_dict"], ["other"]),
    (without(Plain(name="gone", other="kept"), "name"), ["other"], ["name"]),
    (with_dict_replaced(Plain(other="lost")), ["name"], ["other"]),
    (Plain(**MANY), list(MANY), ["attribute_200"]),
    (Slotted(name="beside slots", _other="in a slot"), ["name"], ["_other", "slot"]),
    (Bare(), [], ["slot"]),
    (with_note(ValueError("with a plain dict")), ["note"], ["args"]),
    (MODULE, ["attribute", "__name__"], ["other"]),
    (sys, ["path", "modules"], ["other"]),
]
TYPES = [1, "", {}, Plain(), Text(), ValueError(), int, Plain, None, types.SimpleNamespace()]

print(
    json.dumps(
        {
            "ready": True,
            "modules": id(sys.modules),
            "sys_path": id(sys.path),
            # As code points: JSON would join surrogates.
            "strings": [[id(value), list(map(ord, value))] for value in STRINGS],
            "long_string": id(LONG_STRING),
            "integers": [[id(value), str(int(value))] for value in INTEGERS],
            "bytes": [[id(value), value.hex()] for value in BYTES],
            "dicts": [[id(value), [[id(key), id(item)] for key, item in value.items()]] for value in DICTS],
            "instances": [
                [id(instance), [[name, id(getattr(instance, name))] for name in held], missing]
                for instance, held, missing in INSTANCES
            ],
            "types": [[id(value), type(value).__name__] for value in TYPES],
        }
    )
)
sys.stdout.flush()
sys.stdin.read()
