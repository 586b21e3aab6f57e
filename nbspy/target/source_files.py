"""Short names and modules of source files, as the target sees them.

A file's short name begins at the folder above its outermost package: ``/usr/lib/python3.12/json/decoder.py`` is
``json/decoder.py`` of module ``json.decoder``. A folder is a package while it holds ``__init__.py``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final

_CELL = re.compile(r"(?:^|[/\\])ipykernel_\d+[/\\](\d+)\.py$")
_WINDOWS_PATH = re.compile(r"[A-Za-z]:\\|\\\\")
_FROZEN = re.compile(r"<frozen ([\w.]+)>$")
_MAX_DEPTH: Final = 64
_MAX_FOLDERS: Final = 100_000


class SourceFiles:
    """Names for the files of one target; asks the file system once a folder."""

    def __init__(self, resolve_path: Callable[[str], str]) -> None:
        self._resolve = resolve_path
        self._is_package: dict[str, bool] = {}
        self._names: dict[str, tuple[str, str]] = {}

    def names(self, filename: str) -> tuple[str, str]:
        """Return (short file name, module) of the file a code object was compiled from; "" for no module."""
        known = self._names.get(filename)
        if known is None:
            known = self._names[filename] = self._derive(filename)
        return known

    def _derive(self, filename: str) -> tuple[str, str]:
        cell = _CELL.search(filename)
        if cell is not None:
            return f"cell {cell[1]}", ""
        frozen = _FROZEN.match(filename)
        if frozen is not None:
            return filename, frozen[1]
        if filename.startswith("<") and filename.endswith(">"):
            return filename, ""
        separator = "\\" if _WINDOWS_PATH.match(filename) else "/"
        folder, _, base = filename.rpartition(separator)
        parts = [base]
        for _ in range(_MAX_DEPTH):
            if not folder or not self._has_marker(folder, separator):
                break
            folder, _, name = folder.rpartition(separator)
            parts.insert(0, name)
        short = "/".join(parts)
        stem = [*parts[:-1], base.rpartition(".")[0] if base.endswith((".py", ".pyc", ".pyw")) else base]
        if stem[-1] == "__init__" and len(stem) > 1:
            stem.pop()
        return short, ".".join(stem)

    def _has_marker(self, folder: str, separator: str) -> bool:
        known = self._is_package.get(folder)
        if known is None:
            if len(self._is_package) >= _MAX_FOLDERS:
                return False
            known = "\0" not in folder and os.path.exists(self._resolve(f"{folder}{separator}__init__.py"))
            self._is_package[folder] = known
        return known
