"""Hold numpy's and, where asked, pandas' objects; say what they are; wait for the end of stdin."""

import json
import sys

import numpy

SCALARS = [
    numpy.float64(1.5),
    numpy.float64("nan"),
    numpy.float64(-0.0),
    numpy.float32(0.1),
    numpy.float32(1e20),
    numpy.float32(3.4028235e38),
    numpy.float16(0.1),
    numpy.float16(65504),
    numpy.int8(-5),
    numpy.uint8(250),
    numpy.int16(-300),
    numpy.uint16(60000),
    numpy.int32(-(2**31)),
    numpy.uint32(2**32 - 1),
    numpy.int64(-(2**63)),
    numpy.uint64(2**64 - 1),
    numpy.longlong(7),
    numpy.bool_(True),
    numpy.bool_(False),
    numpy.complex128(1 + 2j),
    numpy.complex128(-0.5 - 1e20j),
    numpy.complex64(0.1 - 3j),
    numpy.datetime64("2026-11-23"),
    numpy.datetime64("2026-11-23T10:20:30.123456"),
    numpy.datetime64("2026-11-23T10:20:30"),
    numpy.datetime64("1926-11-23T10:20:30.123456789"),
    numpy.datetime64("2026-11"),
    numpy.datetime64("2026"),
    numpy.datetime64("2026-11-23T10"),
    numpy.datetime64("2026-11-23T10:20"),
    numpy.datetime64("NaT"),
    numpy.timedelta64(5, "D"),
    numpy.timedelta64(-7, "ns"),
    numpy.timedelta64(7),
]
EVERY = numpy.arange(24, dtype=numpy.int32).reshape(2, 3, 4)
# Array, dtype, shape and values as they are to be shown.
ARRAYS = [
    (numpy.array([]), "float64 (0,) []"),
    (numpy.array(1.5), "float64 () 1.5"),
    (numpy.array([1, 2, 3]), "int64 (3,) [1, 2, 3]"),
    (EVERY[:, ::2, ::-1][:, :, :2], "int32 (2, 2, 2) [[[3, 2], [11, 10]], [[15, 14], [23, 22]]]"),
    (numpy.zeros((2, 2), dtype=numpy.float32), "float32 (2, 2) [[0.0, 0.0], [0.0, 0.0]]"),
    (numpy.array([0.1, 1e300], dtype=">f8"), "float64 (2,) [0.1, 1e+300]"),
    (numpy.array([1, 258], dtype=">u2"), "uint16 (2,) [1, 258]"),
    (numpy.array([True, False]), "bool (2,) [True, False]"),
    (numpy.array(["a", "it's"]), 'U4 (2,) [\'a\', "it\'s"]'),
    (numpy.array([b"a", b"bcd"]), "S3 (2,) [b'a', b'bcd']"),
    (numpy.array([None, [1], "x"], dtype=object), "object (3,) [None, [1], 'x']"),
    (numpy.array([1 + 2j]), "complex128 (1,) [1+2j]"),
    (numpy.array(["2026-11-23"], dtype="M8[D]"), "datetime64 (1,)"),
    (numpy.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), "void96 (1,)"),
    (numpy.array([[1]], order="F", dtype=numpy.uint8), "uint8 (1, 1) [[1]]"),
]
SHAPES = []
if "pandas" in sys.argv:
    import pandas

    frame = pandas.DataFrame({"a": [1, 2, 3], "b": [1.5, 2.5, 3.5], "c": ["x", "y", "z"], "d": [4, 5, 6]})
    SHAPES = [
        (frame, "<pandas.DataFrame (3, 4)>"),
        (frame.set_index("a"), "<pandas.DataFrame (3, 3)>"),
        (pandas.DataFrame(), "<pandas.DataFrame (0, 0)>"),
        (frame["b"], "<pandas.Series (3,)>"),
        (frame.set_index("a")["d"], "<pandas.Series (3,)>"),
        (frame.index, "<pandas.RangeIndex (3,)>"),
        (pandas.Index([1, 2]), "<pandas.Index (2,)>"),
        (pandas.date_range("2026-01-01", periods=4), "<pandas.DatetimeIndex (4,)>"),
    ]

print(
    json.dumps(
        {
            "ready": True,
            "version": numpy.__version__,
            "scalars": [[id(value), repr(value)] for value in SCALARS],
            "arrays": [[id(value), f"<numpy.ndarray {expected}>"] for value, expected in ARRAYS],
            "shapes": [[id(value), expected] for value, expected in SHAPES],
        }
    )
)
sys.stdout.flush()
sys.stdin.read()
