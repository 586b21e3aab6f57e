"""Tables of a profile in the libraries that people use: the same rows everywhere, and sums that agree."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from nbspy.errors import NbspyError, UsageError
from nbspy.exporters import dataframes
from nbspy.model.builder import profile_from_stream
from nbspy.model.profile import Profile
from tests.unit.streams import Run, StreamWriter, profile_of
from tests.unit.test_model_builder import runs

SMALL = Path(__file__).parents[1] / "data" / "small.nbspy"
TABLES = ("samples", "stacks", "frames")


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_from_stream(SMALL.read_bytes())


def rows(frame: Any) -> list[dict[str, Any]]:
    """Return a table of any library as rows of plain values."""
    if hasattr(frame, "to_pylist"):
        return list(frame.to_pylist())
    return list(frame.to_dicts() if hasattr(frame, "to_dicts") else frame.to_dict("records"))


def test_given_the_golden_profile_then_the_first_rows_are(profile: Profile) -> None:
    samples = rows(profile.to_pandas())
    assert samples[0] == {
        "time_ns": 0,
        "weight_ns": 40_000_000,
        "samples": 4,
        "process": "python demo.py",
        "pid": 42,
        "thread": "MainThread",
        "thread_id": 1000,
        "state": "active+gil",
        "active": True,
        "gil": True,
        "stack_id": 7,
    }
    assert [row["state"] for row in samples] == ["active+gil", "idle", "active+gil", "gil-wait", "active", "idle"]
    stacks, frames = (
        rows(profile.to_pandas("stacks")),
        {row["frame_id"]: row for row in rows(profile.to_pandas("frames"))},
    )
    leaf = max((row for row in stacks if row["stack_id"] == 7), key=lambda row: row["depth"])
    assert leaf["depth"] == 6
    names = ("name", "short_file", "line", "first_line")
    assert [frames[leaf["frame_id"]][name] for name in names] == ["fib", "fib.py", 4, 1]


@pytest.mark.parametrize("table", TABLES)
def test_the_libraries_have_the_same_rows_and_types(profile: Profile, table: Any) -> None:
    pandas, polars, arrow = (make(table) for make in (profile.to_pandas, profile.to_polars, profile.to_arrow))
    assert rows(pandas) == rows(polars) == rows(arrow)
    assert arrow.to_pandas().dtypes.astype(str).to_dict() == pandas.dtypes.astype(str).to_dict()
    assert polars.to_arrow().num_rows == len(pandas) > 0


def test_given_frames_then_the_recipe_of_the_docstring_gives_the_totals(profile: Profile) -> None:
    recipe = dataframes.__doc__ or ""
    names: dict[str, Any] = {"profile": profile}
    exec("\n".join(line[4:] for line in recipe.splitlines() if line.startswith("    ")), names)
    active = profile.select(states="active")
    assert names["total"].to_dict() == {row.name: row.total_ns for row in active.functions()} | {"pull": 0, "select": 0}


@given(runs)
def test_given_any_runs_then_counts_and_times_add_up(made: list[Run]) -> None:
    profile = StreamWriter(("x", "y", "z")).add(made).profile()
    frame = profile.to_pandas()
    assert frame.samples.sum() == profile.thread_sample_count
    assert frame.weight_ns.sum() == 1000 * sum(profile.runs.weight_us)
    assert set(profile.to_pandas("stacks").stack_id) == {node for node in profile.runs.node if node}


def test_given_an_empty_profile_then_the_tables_are_empty_with_all_columns() -> None:
    for table in TABLES:
        empty = profile_of()
        assert (
            list(empty.to_pandas(table).columns) == empty.to_polars(table).columns == empty.to_arrow(table).column_names
        )
        assert len(empty.to_pandas(table)) == 0


def test_given_a_table_that_there_is_not_then_the_tables_are_listed(profile: Profile) -> None:
    with pytest.raises(UsageError, match="no table is called 'x': tables are samples, stacks, frames"):
        profile.to_pandas("x")  # type: ignore[arg-type]


def test_given_no_library_then_it_is_said_how_to_get_it(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(NbspyError, match="polars is not installed: pip install polars"):
        dataframes.to_polars(profile)


def test_the_libraries_are_imported_when_they_are_asked_for_only() -> None:
    code = "import nbspy.files, nbspy.exporters.dataframes, sys; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"pandas", "numpy", "polars", "pyarrow", "plotly"}.isdisjoint(shown.stdout.split())
