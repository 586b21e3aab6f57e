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

    The marks ``oldest(major, minor)`` and ``newest(major, minor)`` leave out those that lack what the test is about.
    """
    if "interpreter" not in metafunc.fixturenames:
        return
    oldest, newest = version_mark(metafunc, "oldest", (2, 7)), version_mark(metafunc, "newest", (3, 15))
    found = find_interpreters(oldest, newest) if sys.platform == "linux" else []
    if not found:
        versions = f"{oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]}"
        reason = f"no CPython {versions} found on PATH, under pyenv or in NBSPY_TEST_PYTHONS"
        metafunc.parametrize("interpreter", [pytest.param(None, marks=pytest.mark.skip(reason=reason))])
        return
    metafunc.parametrize("interpreter", found, ids=[interpreter.id for interpreter in found], scope="session")


def version_mark(metafunc: pytest.Metafunc, name: str, default: tuple[int, int]) -> tuple[int, int]:
    mark = metafunc.definition.get_closest_marker(name)
    return default if mark is None else (mark.args[0], mark.args[1])


@pytest.fixture(scope="session")
def current_interpreter() -> Interpreter:
    """The interpreter the tests run in, for live tests that one version is enough for."""
    for interpreter in find_interpreters():
        if interpreter.version == sys.version_info[:3] and interpreter.path == _own_path():
            return interpreter
    return Interpreter(sys.version_info[:3], _own_path(), "current")


def _own_path() -> str:
    return os.path.realpath(sys.executable)
