"""Hold local variables of every kind, and print what Python itself says of them: names, kinds, ids, reprs.

Says so as one JSON line, then waits for the end of stdin, in a function whose locals they are.
"""

from __future__ import print_function

import collections
import json
import sys

PY3 = sys.version_info[0] == 3


class Plain(object):
    def __init__(self, **attributes):
        for name, value in sorted(attributes.items()):
            setattr(self, name, value)


class Empty(object):
    pass


class Slotted(object):
    __slots__ = ("first", "second", "unset")

    def __init__(self, first, second):
        self.first = first
        self.second = second


class SlottedBelow(Slotted):
    __slots__ = ("third",)


class OwnRepr(object):
    def __init__(self):
        self.held = [1, 2]

    def __repr__(self):
        return "made up"


class OwnReprText(str):
    def __repr__(self):
        return "made up"


class OwnReprNumber(int):
    def __repr__(self):
        return "made up"


class OwnReprList(list):
    def __repr__(self):
        return "made up"


class OwnReprDict(dict):
    def __repr__(self):
        return "made up"


class OwnReprError(ValueError):
    def __repr__(self):
        return "made up"


class Text(str):
    pass


class Number(int):
    pass


class Real(float):
    pass


class Items(list):
    pass


class Pair(tuple):
    pass


class Mapping(dict):
    pass


class Chosen(set):
    pass


class Meta(type):
    def __repr__(cls):
        return "made up"


class OfMeta(Meta("Base", (object,), {})):
    pass


class SomeError(Exception):
    pass


Point = collections.namedtuple("Point", "x y")


class Vector(Point):
    pass


class OwnReprPoint(Point):
    def __repr__(self):
        return "made up"


def some_function():
    pass


def generate():
    yield 1


def integers():
    found = [0, 1, -1, 255, 256, -5, -6, 10**9, -(10**9), 2**30 - 1, 2**30, -(2**30), 2**60, 2**63, -(2**64), 10**50]
    return found + [10**500, -(10**800), 7 * 10**1199 + 1]


def texts():
    return [
        "",
        "plain",
        "it's",
        'say "yes"',
        'it\'s "both"',
        "back\\slash",
        "tab\tnewline\nreturn\r\x00\x1b\x7f\x80\x9f\xa0\xad",
        "caf\xe9",
        "\xff" * 10,
        "\u03a9mega \u4e2d\u6587 \u200b\u2028\u202e\ufeff\uffff",
        "\U0001d11e clef \U0001f600 \U000e0001",
        "x" * 1000,
        "'" + "y" * 900,
    ]


def byte_strings():
    found = [b"", b"plain", b"it's", b'say "yes"', b'it\'s "both"', b"back\\slash", bytes(bytearray(range(256)))]
    return found + [b"z" * 1000]


def containers():
    deleted = {number: str(number) for number in range(30)}
    for number in range(25):
        del deleted[number]
    unicode_only = {"one": 1, "two": [2], "three": {"four": 4}}
    holes = {str(number) for number in range(40)}
    for number in range(35):
        holes.discard(str(number))
    return [
        [],
        [1],
        [1, "two", 3.0, None, [4, [5, [6]]]],
        (),
        (1,),
        (1, 2),
        ((1,), ((2,),), [(3,)]),
        {},
        {1: 2},
        unicode_only,
        {1: "int", "text": 2, (3,): [4], None: {}, 5.5: {"nested": {"deep": ()}}},
        deleted,
        Plain(b=1, a="two").__dict__,
        dict.fromkeys("abc"),
        set(),
        {1},
        {1, 2, 3, "four", (5,)},
        holes,
        set(range(100)),
        frozenset(),
        frozenset([1, "two"]),
        frozenset([frozenset([1])]),
        list(range(500)),
        {number: number for number in range(500)},
    ]


def cyclic():
    items = [1]
    items.append(items)
    mapping = {"self": None}
    mapping["self"] = mapping
    inner = []
    pair = (inner, 2)
    inner.append(pair)
    both = [{}]
    both[0]["up"] = both
    deep = []
    for _ in range(40):
        deep = [deep]
    return [items, mapping, pair, inner, both, deep]


def others():
    module_like = type(sys)("made_module")
    return [
        None,
        True,
        False,
        Ellipsis,
        NotImplemented,
        0.0,
        -0.0,
        1.5,
        1e300 * 1e10,
        -1e300 * 1e10,
        float("nan"),
        0.1,
        1e16,
        1e-5,
        123456789.123,
        2j,
        complex(1, -0.0),
        complex(-0.0, float("inf")),
        bytearray(b""),
        bytearray(b"it's"),
        slice(1, None, -2),
        Text("text"),
        Text("it's"),
        Number(-7),
        Real(2.5),
        Items([1, 2]),
        Pair((1,)),
        Mapping(of="a subclass"),
        Chosen([1]),
        int,
        type,
        object,
        type(None),
        Plain,
        collections.OrderedDict,
        SomeError,
        ValueError("text", 2),
        SomeError(),
        KeyError("key"),
        Point(1, "two"),
        Vector([3], None),
        sys,
        json,
        collections,
        module_like,
        some_function,
        generate,
        generate(),
        generate().__iter__,
        len,
        sys.exit,
        [].append,
        "".join,
        some_function.__code__,
        [some_function, (len, int)],
        str.__repr__,
        str.join,
        dict.__dict__["fromkeys"],
        Slotted.__dict__["first"],
        type.__dict__["__doc__"],
        {}.keys() if PY3 else None,
        {"a": 1}.items() if PY3 else None,
        {"a": [1]}.values() if PY3 else None,
    ]


def say(values):
    print(json.dumps(values))
    sys.stdout.flush()


def described(value):
    """Python's own word on a value: as code points, because JSON would join surrogates."""
    return [id(value), list(map(ord, repr(value)))]


def with_attributes(cls, *names):
    """An instance whose attributes were set in this order."""
    instance = cls()
    for name in names:
        setattr(instance, name, name.upper())
    return instance


def opaque():
    """Objects whose repr only their code knows, and what is to be shown of them; ``@`` stands for the address."""
    module = __name__
    cycle = Plain()
    cycle.me = cycle
    listed = Items()
    listed.append(OwnReprList([listed]))
    shared = [with_attributes(Empty, *names) for names in (("a", "b", "c"), ("c", "a"), ("b", "c", "a"))]
    found = [
        (Empty(), "<%s.Empty at @>" % module),
        (Plain(b=1, a="two"), "<Plain a='two', b=1>"),
        (cycle, "<Plain me=<Plain ...>>"),
        (Slotted(1, "two"), "<Slotted first=1, second='two'>"),
        (SlottedBelow([1], None), "<SlottedBelow first=[1], second=None>"),
        (OwnRepr(), "<OwnRepr held=[1, 2]>"),
        (OwnReprText("it's"), '<OwnReprText "it\'s">'),
        (OwnReprNumber(-7), "<OwnReprNumber -7>"),
        (OwnReprList([1, [2]]), "<OwnReprList [1, [2]]>"),
        (listed, "[<OwnReprList [[...]]>]"),
        (OwnReprDict(a=1), "<OwnReprDict {'a': 1}>"),
        (OwnReprError("text"), "<OwnReprError ('text',)>"),
        (OwnReprPoint(1, 2), "<OwnReprPoint (1, 2)>"),
        (OfMeta, "<class '%s.OfMeta'>" % module),
        (object(), "<object at @>"),
        (
            iter([]),
            "<list%siterator at @>" % ("_" if PY3 else ""),
        ),
    ]
    if sys.version_info >= (3, 6):
        found += zip(shared, ["<Empty a='A', b='B', c='C'>", "<Empty c='C', a='A'>", "<Empty b='B', c='C', a='A'>"])
    return found


KEPT = {
    "integers": integers(),
    "texts": texts(),
    "byte_strings": byte_strings(),
    "containers": containers(),
    "cyclic": cyclic(),
    "others": others(),
}
OPAQUE = opaque()


def tell():
    """Say where all of the above lies, and what Python says of it."""
    groups = {name: [described(value) for value in values] for name, values in KEPT.items()}
    shown = [[id(value), text.replace("@", hex(id(value)).rstrip("L"))] for value, text in OPAQUE]
    say({"ready": True, "groups": groups, "opaque": shown, "long": id(KEPT["containers"][-2])})
    sys.stdin.readline()


def older_arguments(first, second=2, *rest, **more):
    """What 2.7 has of the function below."""
    local = [first, second]
    shared = "in a cell"

    def inner(argument, kept_by_innermost):
        own = (argument, shared, first)

        def innermost():
            kept = [shared, second, kept_by_innermost]
            comprehended = [len(str(leaked)) for leaked in kept]
            say_locals(sys._getframe())
            sys.stdin.readline()
            return kept, comprehended

        return innermost(), own

    return inner("argument of inner", b"kept by the innermost"), local, rest, more


if PY3:
    exec(
        """
def arguments(first, second=2, *rest, only, other="by default", **more):
    local = [first, only]
    shared = "in a cell"
    unbound = None
    del unbound

    def inner(argument, kept_by_innermost):
        nonlocal shared
        own = (argument, shared, first)

        def innermost():
            kept = [shared, only, kept_by_innermost]
            comprehended = [sorted(dumped for dumped in (lambda: kept)()) if False else 1 for hidden in "ab"]
            say_locals(sys._getframe())
            sys.stdin.readline()
            return kept, comprehended

        return innermost(), own

    return inner("argument of inner", b"kept by the innermost"), local, rest, more
"""
    )


def say_locals(frame):
    """Print, leaf first, the function names, arguments and variables that Python sees from ``frame`` on."""
    said = []
    while frame is not None and frame.f_code.co_name != "<module>":
        code = frame.f_code
        count = code.co_argcount + getattr(code, "co_kwonlyargcount", 0)
        count += bool(code.co_flags & 4) + bool(code.co_flags & 8)
        found = sorted(frame.f_locals.items())
        said.append([code.co_name, list(code.co_varnames[:count]), [[n, id(v), repr(v)] for n, v in found]])
        frame = frame.f_back
    say({"ready": True, "frames": said})


def changing():
    """Be busy with variables that change all the time."""
    count, text, items = 0, "", []
    while True:
        count += 1
        text = str(count)
        items = [count, text]
        if count % 1000 == 0:
            items.append({"count": count})
        if count == 1000:
            say({"ready": True})


if __name__ == "__main__":
    if sys.argv[1] == "arguments" and not PY3:
        older_arguments(1, "two", 3.0, None, extra=[1])
    elif sys.argv[1] == "arguments":
        arguments(1, "two", 3.0, None, only={"a": 1}, extra=[1])  # noqa: F821
    elif sys.argv[1] == "changing":
        changing()
    else:
        tell()
