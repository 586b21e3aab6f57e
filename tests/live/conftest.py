"""Fixtures of the live tests: they run once per interpreter found."""

from __future__ import annotations

import os
import sys

import pytest

from .interpreters import Interpreter, find_interpreters


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder as live."""
    for item in items:
        if "tests/live/" in item.nodeid.replace("\\", "/"):
            item.add_marker(pytest.mark.live)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give ``interpreter`` every supported CPython of this machine; a test without any is skipped by name.

    The mark ``oldest(major, minor)`` leaves out those that lack what the test is about.
    """
    if "interpreter" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("oldest")
    oldest = (2, 7) if mark is None else mark.args
    found = find_interpreters(oldest=oldest) if sys.platform == "linux" else []
    if not found:
        reason = f"no CPython from {oldest[0]}.{oldest[1]} found on PATH, under pyenv or in NBSPY_TEST_PYTHONS"
        metafunc.parametrize("interpreter", [pytest.param(None, marks=pytest.mark.skip(reason=reason))])
        return
    metafunc.parametrize("interpreter", found, ids=[interpreter.id for interpreter in found], scope="session")


@pytest.fixture(scope="session")
def current_interpreter() -> Interpreter:
    """The interpreter the tests run in, for live tests that one version is enough for."""
    for interpreter in find_interpreters():
        if interpreter.version == sys.version_info[:3] and interpreter.path == _own_path():
            return interpreter
    return Interpreter(sys.version_info[:3], _own_path(), "current")


def _own_path() -> str:
    return os.path.realpath(sys.executable)
