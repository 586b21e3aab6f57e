"""Reprs against Python's own word, in every interpreter; a target prints ``repr`` of what it holds."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from nbspy.cpython import runtime
from nbspy.cpython.page_cache import PageCache
from nbspy.cpython.remote_types import RemoteTypes
from nbspy.cpython.reprs import repr_of
from nbspy.target import open_target

from .interpreters import Interpreter, Target, start_target

PYTHON_LIMITS_INTS_AT = 4000
"""Characters of an int that are shown, whatever the limit."""


@contextmanager
def types_in(path: str, script: str, *arguments: str) -> Iterator[tuple[Target, RemoteTypes]]:
    with start_target(path, script, *arguments) as target:
        process = open_target(target.pid)
        try:
            yield target, RemoteTypes(PageCache(process.memory), runtime.locate(process).layout)
        finally:
            process.close()


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


@pytest.mark.parametrize("limit", [128, 20, 1, 8192])
def test_given_values_of_every_kind_then_their_reprs_are_pythons_own(interpreter: Interpreter, limit: int) -> None:
    with types_in(interpreter.path, "locals.py", "tell") as (target, types):
        compared = 0
        for group, values in target.info["groups"].items():
            for address, code_points in values:
                expected = "".join(map(chr, code_points))
                assert repr_of(types, address, limit) == cut(expected, limit), group
                compared += 1
    assert compared > 120


def test_given_values_only_their_code_can_describe_then_they_are_not_mistaken_for_it(interpreter: Interpreter) -> None:
    with types_in(interpreter.path, "locals.py", "tell") as (target, types):
        for address, expected in target.info["opaque"]:
            assert repr_of(types, address, 1000) == expected


@pytest.mark.oldest(3, 7)
def test_given_values_of_the_standard_library_then_their_reprs_are_what_it_says(interpreter: Interpreter) -> None:
    with types_in(interpreter.path, "modern_values.py") as (target, types):
        info = target.info
        for address, expected in [*info["alike"], *info["opaque"], info["enumeration"]]:
            assert repr_of(types, address, 1000) == expected
        assert repr_of(types, info["own_repr"], 1000).startswith("<OwnRepr _value_=1, _name_='ONE'")


def test_given_an_address_that_is_no_object_then_it_is_unreadable(interpreter: Interpreter) -> None:
    with types_in(interpreter.path, "locals.py", "tell") as (target, types):
        for address in (0, 8, 1 << 63, (1 << 64) - 8):
            assert repr_of(types, address, 100) == "<unreadable>"
        for within in range(8, 512, 8):
            assert len(repr_of(types, target.info["long"] + within, 100)) <= 100


def in_ci_or_skip(package: str) -> None:
    if importlib.util.find_spec(package) is not None:
        return
    message = f"{package} is not installed; to get it: pip install {package}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def test_given_numpys_scalars_and_arrays_then_they_show_type_shape_and_values() -> None:
    in_ci_or_skip("numpy")
    with types_in(sys.executable, "arrays.py") as (target, types):
        assert int(target.info["version"].partition(".")[0]) >= 2, "scalars are compared with numpy 2's own reprs"
        for address, expected in [*target.info["scalars"], *target.info["arrays"]]:
            assert repr_of(types, address, 1000) == expected


def test_given_pandas_objects_then_they_show_type_and_shape() -> None:
    in_ci_or_skip("pandas")
    with types_in(sys.executable, "arrays.py", "pandas") as (target, types):
        assert len(target.info["shapes"]) >= 8
        for address, expected in target.info["shapes"]:
            assert repr_of(types, address, 1000) == expected
