"""Tidy tables of a profile, as DataFrames of pandas or polars, or as a pyarrow Table.

``samples``: one row a run, which is some samples of a thread one after the other with the same stack and state.

| column      | type        | meaning                                                                             |
|-------------|-------------|-------------------------------------------------------------------------------------|
| time_ns     | int64       | when the run began, from the start of the recording                                 |
| weight_ns   | int64       | until the first sample after the run; sums of it are time                           |
| samples     | uint32      | how many samples it is                                                              |
| process     | categorical | the process's command line                                                          |
| pid         | int64       |                                                                                     |
| thread      | categorical | the thread's name, or words with its id                                             |
| thread_id   | int64       | the operating system's id; Python's where that is not known                         |
| state       | categorical | ``active+gil``, ``active``, ``gil-wait`` or ``idle``, and behind it `` gc``,          |
|             |             | `` exception``, `` finalizing``                                                     |
| active, gil | bool        | whether it ran, or held the GIL                                                     |
| stack_id    | uint32      | 0 is the empty stack                                                                |

``stacks``: one row for each frame of each stack that has samples: ``stack_id``, ``depth`` (uint32; 0 is the root),
``frame_id``. It is as long as all stacks together. ``frames``: one row a frame of those: ``frame_id``, ``name``,
``file``, ``short_file``, ``module`` (categorical), ``line``, ``first_line`` (int32; 0 is not known).

    samples, stacks, frames = (profile.to_pandas(table) for table in ("samples", "stacks", "frames"))
    by_stack = samples[samples.active].groupby("stack_id").weight_ns.sum()
    on_stack = stacks.merge(frames[["frame_id", "name"]]).drop_duplicates(["stack_id", "name"])
    total = on_stack.join(by_stack, on="stack_id").groupby("name", observed=True).weight_ns.sum()
"""

from __future__ import annotations

import importlib
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbspy.errors import NbspyError, UsageError
from nbspy.model.call_tree import stack_of
from nbspy.model.profile import Profile
from nbspy.model.selection import ACTIVE_STATES, GIL_STATES
from nbspy.model.tables import state_word

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

_TYPES: Final = {"q": "int64", "I": "uint32", "i": "int32"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: numbers, switches, or texts as codes into ``categories``."""

    values: array[int]
    categories: tuple[str, ...] | None = None
    is_switch: bool = False


def to_pandas(profile: Profile, table: str = "samples") -> pandas.DataFrame:
    """Return a table as a pandas DataFrame; raises :class:`NbspyError` where pandas is not installed."""
    module, numpy = _module("pandas"), _module("numpy")

    def column(of: Column) -> Any:
        if of.categories is not None:
            codes = numpy.frombuffer(of.values, "uint32").astype("int32")
            return module.Categorical.from_codes(codes, categories=list(of.categories))
        values = numpy.frombuffer(of.values, "bool" if of.is_switch else _TYPES[of.values.typecode])
        return values.copy()  # a frame that people may write into

    frame: pandas.DataFrame = module.DataFrame({name: column(of) for name, of in columns(profile, table).items()})
    return frame


def to_polars(profile: Profile, table: str = "samples") -> polars.DataFrame:
    """Return a table as a polars DataFrame; raises :class:`NbspyError` where polars is not installed."""
    module = _module("polars")
    types = {"q": module.Int64, "I": module.UInt32, "i": module.Int32}

    def column(name: str, of: Column) -> Any:
        if of.categories is not None:
            return module.Series(name, [of.categories[code] for code in of.values], module.Categorical)
        if of.is_switch:
            return module.Series(name, list(map(bool, of.values)), module.Boolean)
        return module.Series(name, of.values.tolist(), types[of.values.typecode])

    frame: polars.DataFrame = module.DataFrame([column(name, of) for name, of in columns(profile, table).items()])
    return frame


def to_arrow(profile: Profile, table: str = "samples") -> pyarrow.Table:
    """Return a table as a pyarrow Table; raises :class:`NbspyError` where pyarrow is not installed."""
    arrow = _module("pyarrow")

    def column(of: Column) -> Any:
        if of.is_switch:
            return arrow.array(list(map(bool, of.values)), arrow.bool_())
        kind = getattr(arrow, _TYPES[of.values.typecode])()
        numbers = arrow.Array.from_buffers(kind, len(of.values), [None, arrow.py_buffer(of.values.tobytes())])
        if of.categories is None:
            return numbers
        return arrow.DictionaryArray.from_arrays(
            numbers.cast(arrow.int32()), arrow.array(of.categories, arrow.string())
        )

    made: pyarrow.Table = arrow.table({name: column(of) for name, of in columns(profile, table).items()})
    return made


def columns(profile: Profile, table: str) -> dict[str, Column]:
    """Return the columns of a table by name; raises :class:`UsageError` for a table that there is not."""
    if table not in _TABLES:
        raise UsageError(f"no table is called {table!r}", f"tables are {', '.join(_TABLES)}")
    return _TABLES[table](profile)


def _samples(profile: Profile) -> dict[str, Column]:
    runs, threads = profile.runs, profile.threads
    words = [state_word(state) for state in range(256)]
    thread_ids = [t.os_thread_id if t.os_thread_id is not None else _int64(t.thread_id) for t in threads]
    pids = [thread.process.pid for thread in threads]
    return {
        "time_ns": Column(array("q", runs.start_ns)),
        "weight_ns": Column(array("q", [us * 1000 for us in runs.weight_us])),
        "samples": Column(runs.count),
        "process": _texts([thread.process.command_line for thread in threads], runs.thread),
        "pid": Column(array("q", [pids[thread] for thread in runs.thread])),
        "thread": _texts([thread.shown_name for thread in threads], runs.thread),
        "thread_id": Column(array("q", [thread_ids[thread] for thread in runs.thread])),
        "state": _texts(words, runs.state),
        "active": Column(array("B", runs.state.tobytes().translate(ACTIVE_STATES)), is_switch=True),
        "gil": Column(array("B", runs.state.tobytes().translate(GIL_STATES)), is_switch=True),
        "stack_id": Column(runs.node),
    }


def _stacks(profile: Profile) -> dict[str, Column]:
    stack, depth, frame = array("I"), array("I"), array("I")
    for node in sorted(set(profile.runs.node)):
        frames = stack_of(profile.tables.nodes, node)
        stack.extend([node] * len(frames))
        depth.extend(range(len(frames)))
        frame.extend(frames)
    return {"stack_id": Column(stack), "depth": Column(depth), "frame_id": Column(frame)}


def _frames(profile: Profile) -> dict[str, Column]:
    used = sorted(set(_stacks(profile)["frame_id"].values))
    rows = [profile.frame(frame_id) for frame_id in used]
    positions = range(len(rows))
    return {
        "frame_id": Column(array("I", used)),
        "name": _texts([row.name for row in rows], positions),
        "file": _texts([row.file for row in rows], positions),
        "short_file": _texts([row.short_file for row in rows], positions),
        "module": _texts([row.module for row in rows], positions),
        "line": Column(array("i", [row.line for row in rows])),
        "first_line": Column(array("i", [row.first_line for row in rows])),
    }


_TABLES: Final[dict[str, Callable[[Profile], dict[str, Column]]]] = {
    "samples": _samples,
    "stacks": _stacks,
    "frames": _frames,
}


def _texts(texts: list[str], rows: Iterable[int]) -> Column:
    """Return the column of ``texts[row]``; the categories are those in use, in the order in which they come up."""
    codes: dict[str, int] = {}
    of_row: dict[int, int] = {}
    values = array("I")
    for row in rows:
        if row not in of_row:
            of_row[row] = codes.setdefault(texts[row], len(codes))
        values.append(of_row[row])
    return Column(values, tuple(codes))


def _int64(value: int) -> int:
    """Return an unsigned id as the int64 with its bits."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as err:
        raise NbspyError(f"{name} is not installed", f"pip install {name}") from err
