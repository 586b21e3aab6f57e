"""Calling functions of C libraries: each is typed once, where it is looked up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def bind(library: Any, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """Return the function ``name`` of a ctypes library with its types; raises AttributeError where it has none."""
    function = getattr(library, name)
    function.restype = result
    function.argtypes = arguments
    found: Callable[..., Any] = function
    return found
