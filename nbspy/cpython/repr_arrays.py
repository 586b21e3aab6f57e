"""Reprs of numpy's scalars and arrays, and the shapes of pandas' objects.

Mirrors ``numpy/_core/include/numpy/ndarraytypes.h`` and ``arrayscalars.h``, the same in 1.x and 2.x but for where
``PyArray_Descr`` keeps the size of an element. Scalars are written as numpy 2 writes them. An array is written as
``<numpy.ndarray DTYPE SHAPE FIRST VALUES>``: what numpy itself prints depends on options and on all of its values.
"""

from __future__ import annotations

import datetime
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from nbspy.cpython.attributes import instance_attribute
from nbspy.cpython.objects import WORD_BYTES, int_size, read_digits, read_words
from nbspy.cpython.remote_types import RemoteType
from nbspy.cpython.repr_containers import list_addresses, tuple_addresses
from nbspy.cpython.repr_writer import Formatter, ReprWriter
from nbspy.errors import CorruptTarget, MemoryFault

MAX_DIMENSIONS: Final = 64
"""``NPY_MAXDIMS``: 32 in 1.x."""
_MAX_ELEMENT_BYTES: Final = 1 << 20
_MAX_SHOWN_BYTES: Final = 1 << 14
_NOT_A_TIME: Final = -(1 << 63)
_MAX_STRUCT_WORDS: Final = 64

# Elements


@dataclass(frozen=True, slots=True)
class ElementType:
    """``PyArray_Descr``."""

    kind: str
    """``dtype.kind``: b, i, u, f, c, S, U, O, M, m, V, T."""
    size: int
    big_endian: bool

    @property
    def name(self) -> str:
        """Return ``dtype.name``; for texts ``dtype.str`` without the byte order, as people write it."""
        if self.kind in "SU":
            return f"{self.kind}{self.size // (4 if self.kind == 'U' else 1)}"
        word = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex", "O": "object", "V": "void"}
        plain = word.get(self.kind) or {"M": "datetime64", "m": "timedelta64", "T": "StringDType"}.get(self.kind, "?")
        return f"{plain}{8 * self.size}" if self.kind in "iufcV" else plain


_SHORTEST: Final = {2: ("e", range(3, 6), 1e3), 4: ("f", range(6, 10), 1e6)}
"""Size of a float -> its struct code, how many digits may be needed to tell it from all others, and from where on
numpy (2.4) writes it with an exponent."""
_COMPLEX_PART: Final = {8: 4, 16: 8}


def element_text(kind: str, data: bytes, big_endian: bool = False) -> str | None:
    """Return an element as numpy shows it within an array; None for kinds that are not shown."""
    order = "big" if big_endian else "little"
    if kind == "b":
        return str(data != b"\0")
    if kind in "iu":
        return str(int.from_bytes(data, "big" if big_endian else "little", signed=kind == "i"))
    if kind == "f" and len(data) in (2, 4, 8):
        return _float_text(data, big_endian)
    if kind == "c" and len(data) in _COMPLEX_PART:
        half = len(data) // 2
        real, imaginary = (_float_text(part, big_endian) for part in (data[:half], data[half:]))
        sign = "" if imaginary.startswith("-") else "+"
        return f"{_without_zero(real)}{sign}{_without_zero(imaginary)}j"
    if kind == "S":
        return repr(data.rstrip(b"\0"))
    if kind == "U":
        points = struct.unpack(f"{'>' if order == 'big' else '<'}{len(data) // 4}I", data)
        if any(point > 0x10FFFF for point in points):
            raise CorruptTarget("what should be a text holds no characters")
        return repr("".join(map(chr, points)).rstrip("\0"))
    return None


def _float_text(data: bytes, big_endian: bool) -> str:
    """Return the shortest text that is this float and no other of its size."""
    order = ">" if big_endian else "<"
    if len(data) == 8:
        return repr(struct.unpack(order + "d", data)[0])
    code, digits, limit = _SHORTEST[len(data)]
    (value,) = struct.unpack(order + code, data)
    for count in digits:
        mantissa, _, exponent = f"{value:.{count - 1}e}".partition("e")
        try:
            same = struct.pack(order + code, float(f"{mantissa}e{exponent}")) == data
        except OverflowError:  # rounded up beyond the largest
            continue
        if same and limit <= abs(value) < math.inf:
            return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{exponent}"
        if same:
            return repr(float(f"{mantissa}e{exponent}"))
    return repr(value)


def _without_zero(text: str) -> str:
    return text.removesuffix(".0")


# Scalars


def _scalar(name: str, kind: str, size: int) -> Formatter:
    """``PyDoubleScalarObject`` and the like: the value is the only field."""

    def write(writer: ReprWriter, address: int, kind_of_value: RemoteType) -> None:
        data = writer.memory.read(address + writer.layout.objects.object_size, size)
        text = element_text(kind, data)
        writer.add(f"np.{text}_" if kind == "b" else f"np.{name}({text})")

    return write


_UNITS: Final = ("Y", "M", "W", "", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "generic")
"""``NPY_DATETIMEUNIT``."""
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_SECONDS: Final = {"h": 3600, "m": 60}
_EPOCH: Final = datetime.datetime(1970, 1, 1)


def _write_datetime(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    value, unit = _time_and_unit(writer, address)
    text = None if unit is None else "NaT" if value == _NOT_A_TIME else _date_text(value, unit)
    if text is None:
        writer.add(f"<{kind.name} at {address:#x}>")
    else:
        writer.add(f"np.datetime64('{text}','{unit}')" if text == "NaT" or unit == "h" else f"np.datetime64('{text}')")


def _write_timedelta(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    value, unit = _time_and_unit(writer, address)
    if unit is None:
        writer.add(f"<{kind.name} at {address:#x}>")
    elif unit == "generic":
        writer.add("np.timedelta64('NaT')" if value == _NOT_A_TIME else f"np.timedelta64({value})")
    else:
        number = "'NaT'" if value == _NOT_A_TIME else str(value)
        writer.add(f"np.timedelta64({number},'{unit}')")


def _time_and_unit(writer: ReprWriter, address: int) -> tuple[int, str | None]:
    """``PyDatetimeScalarObject`` is value, unit, multiple; no unit for multiples, which are rare."""
    value, unit, multiple = struct.unpack("<qii", writer.memory.read(address + writer.layout.objects.object_size, 16))
    return value, _UNITS[unit] if 0 <= unit < len(_UNITS) and multiple == 1 else None


def _date_text(value: int, unit: str) -> str | None:
    """Return ISO 8601 as numpy writes it, as precise as the unit; None beyond the years that Python counts."""
    try:
        if unit in "YM":
            year, month = (1970 + value, 0) if unit == "Y" else (1970 + value // 12, value % 12)
            return f"{year:04d}" if unit == "Y" else f"{year:04d}-{month + 1:02d}"
        if unit in "WD":
            return (_EPOCH + datetime.timedelta(days=value * (7 if unit == "W" else 1))).date().isoformat()
        if unit in _SECONDS:
            moment = _EPOCH + datetime.timedelta(seconds=value * _SECONDS[unit])
            return moment.isoformat(timespec="hours" if unit == "h" else "minutes")
        if unit in _PER_SECOND:
            seconds, fraction = divmod(value, _PER_SECOND[unit])
            text = (_EPOCH + datetime.timedelta(seconds=seconds)).isoformat(timespec="seconds")
            digits = len(str(_PER_SECOND[unit])) - 1
            return f"{text}.{fraction:0{digits}d}" if digits else text
    except OverflowError:
        return None
    return None


# Arrays


def write_array(writer: ReprWriter, address: int, kind: RemoteType) -> None:
    """``PyArrayObject`` is data, number of dimensions, dimensions, strides, base, element type."""
    data, dimensions, dimensions_at, strides_at, _, element_at = writer.own_words(address, 6)
    count = dimensions & 0xFFFFFFFF
    if count > MAX_DIMENSIONS:
        raise CorruptTarget("what should be an array has too many dimensions")
    shape = read_words(writer.memory, dimensions_at, count) if count else ()
    strides = _signed_words(writer, strides_at, count)
    element = read_element_type(writer, element_at)
    lengths = ", ".join(map(str, shape)) + ("," if count == 1 else "")
    with writer.entered(address, "<numpy.ndarray ...>") as first:
        if first:
            writer.add(f"<numpy.ndarray {element.name} ({lengths})")
            if element.kind == "O" or element_text(element.kind, bytes(min(element.size, 32))) is not None:
                writer.add(" ")
                _write_elements(writer, element, data, shape, strides)
            writer.add(">")


def read_element_type(writer: ReprWriter, address: int) -> ElementType:
    """Return the ``PyArray_Descr`` at ``address``: type, codes, and the size, whose place numpy 2 has changed."""
    _, codes, third, fourth = writer.own_words(address, 4)
    # 1.x: size and alignment, two ints. 2.x: the flags, which fill one, and then the size.
    size = third & 0xFFFFFFFF if third >> 32 else fourth
    kind, order = chr(codes & 0xFF), chr(codes >> 16 & 0xFF)
    if not kind.isalpha() or not 0 <= size <= _MAX_ELEMENT_BYTES:
        raise CorruptTarget("what should be the type of an array's elements is none")
    return ElementType(kind, size, order == ">")


def _signed_words(writer: ReprWriter, address: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}q", writer.memory.read(address, count * WORD_BYTES)) if count else ()


def _write_elements(
    writer: ReprWriter, element: ElementType, data: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    """Write nested brackets, as ``tolist()`` would have them."""
    if not shape:
        _write_element(writer, element, data)
        return
    writer.add("[")
    for place in range(shape[0]):
        if place:
            writer.add(", ")
        _write_elements(writer, element, data + place * strides[0], shape[1:], strides[1:])
    writer.add("]")


def _write_element(writer: ReprWriter, element: ElementType, address: int) -> None:
    if element.kind == "O":
        writer.value(read_words(writer.memory, address, 1)[0])
        return
    data = writer.memory.read(address, min(element.size, _MAX_SHOWN_BYTES)) if element.size else b""
    writer.add(element_text(element.kind, data, element.big_endian) or "?")


# pandas


def write_frame(writer: ReprWriter, address: int, kind: RemoteType) -> bool:
    """A DataFrame or a Series: name and shape; False where it keeps its data in another way than is known here."""
    manager = instance_attribute(writer.memory, writer.layout, address, "_mgr")
    if manager is None:
        return False
    blocks, axes = _held(writer, manager, "blocks", "tuple"), _held(writer, manager, "axes", "list")
    if blocks is None or axes is None:
        return False
    index = list(list_addresses(writer, axes))[-1:]
    rows = _index_length(writer, index[0]) if index else None
    columns = 0
    for block in tuple_addresses(writer, blocks):
        shape = next((_shape(writer, array) for array in _pointers_to(writer, block, "numpy.ndarray")), ())
        columns += shape[0] if len(shape) == 2 else 1
        rows = shape[-1] if rows is None and shape else rows
    lengths = f"{'?' if rows is None else rows}, {columns}" if kind.short_name != "Series" else f"{rows},"
    writer.add(f"<{_pandas_name(writer, kind)} ({lengths})>")
    return True


def write_index(writer: ReprWriter, address: int, kind: RemoteType) -> bool:
    """An Index of any kind: name and length."""
    length = _index_length(writer, address)
    if length is None:
        return False
    writer.add(f"<{_pandas_name(writer, kind)} ({length},)>")
    return True


def _pandas_name(writer: ReprWriter, kind: RemoteType) -> str:
    module, name = writer.types.module_and_qualname(kind)
    return f"pandas.{name}" if module.partition(".")[0] == "pandas" else name


def _index_length(writer: ReprWriter, address: int) -> int | None:
    memory, layout = writer.memory, writer.layout
    steps = instance_attribute(memory, layout, address, "_range")
    if steps is not None and writer.types.of(steps).name == "range":
        length = writer.own_words(steps, 4)[3]
        return read_digits(memory, layout, length, 0, int_size(memory, layout, length)[0])
    values = instance_attribute(memory, layout, address, "_data")
    if values is not None and writer.types.of(values).name != "numpy.ndarray":
        values = next(_pointers_to(writer, values, "numpy.ndarray"), None)
    return None if values is None else _shape(writer, values)[0]


def _shape(writer: ReprWriter, address: int) -> tuple[int, ...]:
    _, dimensions, dimensions_at = writer.own_words(address, 3)
    if not 0 < dimensions & 0xFFFFFFFF <= MAX_DIMENSIONS:
        raise CorruptTarget("what should be an array has too many dimensions, or none")
    return read_words(writer.memory, dimensions_at, dimensions & 0xFFFFFFFF)


def _held(writer: ReprWriter, address: int, name: str, type_name: str) -> int | None:
    """Return an attribute that is kept in the instance's dict, or in a struct of Cython's."""
    found = instance_attribute(writer.memory, writer.layout, address, name)
    return next(_pointers_to(writer, address, type_name), None) if found is None else found


def _pointers_to(writer: ReprWriter, address: int, type_name: str) -> Iterator[int]:
    """Yield the objects of a type that an object made by Cython refers to: where its fields lie is not told."""
    count = min(writer.types.of(address).basicsize // WORD_BYTES, _MAX_STRUCT_WORDS)
    for pointer in read_words(writer.memory, address, count):
        try:
            if pointer and writer.types.of(pointer).name == type_name:
                yield pointer
        except (CorruptTarget, MemoryFault):
            continue


_NUMBERS: Final = (
    *(("int", "i", size) for size in (1, 2, 4, 8)),
    *(("uint", "u", size) for size in (1, 2, 4, 8)),
    *(("float", "f", size) for size in (2, 4, 8)),
    *(("complex", "c", size) for size in (8, 16)),
)
FORMATS: Final[Mapping[str, Formatter]] = {
    "numpy.ndarray": write_array,
    "numpy.datetime64": _write_datetime,
    "numpy.timedelta64": _write_timedelta,
    **{f"numpy.{name}": _scalar(name, "b", 1) for name in ("bool", "bool_")},
    **{f"numpy.{name}{8 * size}": _scalar(f"{name}{8 * size}", kind, size) for name, kind, size in _NUMBERS},
    "numpy.longlong": _scalar("int64", "i", 8),
    "numpy.ulonglong": _scalar("uint64", "u", 8),
}
LIBRARY: Final[tuple[tuple[str, Callable[[ReprWriter, int, RemoteType], bool]], ...]] = (
    ("pandas/core/frame.py", write_frame),
    ("pandas/core/series.py", write_frame),
    ("pandas/core/indexes/base.py", write_index),
)
