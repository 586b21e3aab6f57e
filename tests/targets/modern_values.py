"""Values that need a newer Python (3.7): say where they lie and what Python says of them, wait for the end of stdin."""

import dataclasses
import enum
import json
import pathlib
import sys
import typing


@dataclasses.dataclass
class Data:
    name: str
    count: int = 3
    nested: typing.Any = None


class Color(enum.Enum):
    RED = 1
    GREEN = "it's"


class Level(enum.IntEnum):
    LOW = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class OwnRepr(enum.Enum):
    ONE = 1

    def __repr__(self):
        return "made up"


class Typed(typing.NamedTuple):
    x: int
    y: str = "default"


class Abstract(typing.Generic[typing.TypeVar("T")]):
    pass


async def coroutine():
    pass


async def asynchronous():
    yield 1


async_generator = asynchronous()
awaitable = coroutine()

ALIKE = [
    Color.RED,
    Color.GREEN,
    Level.LOW,
    Access.READ,
    [Color.RED, {Level.LOW: Access.WRITE}],
    Typed(1),
    pathlib.Path("/usr/lib/it's/../x"),
    pathlib.PurePosixPath("relative") / "further" / "on",
    pathlib.PureWindowsPath("c:/one/two"),
    pathlib.Path(),
    pathlib.Path("/asked/for/its/text"),
    Data,
    Color,
    async_generator,
    awaitable,
    Abstract,
    ValueError("one"),
    OSError(2, "No such file"),
]
str(ALIKE[-8])
OPAQUE = [
    (Data("it's", nested=Data("")), "<Data name=\"it's\", count=3, nested=<Data name='', count=3, nested=None>>"),
    (OwnRepr.ONE, None),
]

print(
    json.dumps(
        {
            "ready": True,
            # Enumerations are types, and shown by name.
            "alike": [[id(v), repr(v)] for v in ALIKE if not isinstance(v, enum.EnumMeta)],
            "enumeration": [id(Color), "<class '__main__.Color'>"],
            "opaque": [[id(value), text] for value, text in OPAQUE if text],
            "own_repr": id(OwnRepr.ONE),
        }
    )
)
sys.stdout.flush()
sys.stdin.read()
awaitable.close()
