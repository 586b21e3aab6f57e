"""Profiles in files: written in any format, read back from those that hold stacks."""

from __future__ import annotations

import os
from pathlib import Path

from nbspy import exporters, importers
from nbspy.errors import NbspyError, StreamError
from nbspy.exporters.format import Exporter
from nbspy.model.profile import Profile
from nbspy.options import ContentOptions


def load(path: str | Path) -> Profile:
    """Return the profile in a file: a recording or page of nbspy, or another profiler's file.

    The format is told from the content: see :mod:`nbspy.importers` for what can be read. Raises :class:`StreamError`
    where it is none of them or is damaged, and :class:`NbspyError` where the file cannot be read. A recording that
    was cut short gives what is in it.
    """
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(importers.MAX_BYTES + 1)
    except OSError as err:
        raise NbspyError(f"cannot read {path}: {err.strerror or err}") from err
    try:
        return importers.read(data)
    except StreamError as err:
        raise StreamError(f"{path}: {err.message}", err.help) from err


def save(profile: Profile, path: str | Path, format: str | None = None, **content: bool) -> Path:
    """Write ``profile``; see :meth:`nbspy.model.ways_out.WaysOut.save`."""
    exporter = exporters.get(format) if format is not None else exporters.for_path(path)
    write(profile, Path(path), exporter, ContentOptions(**content))
    return Path(path)


def write(profile: Profile, path: Path, exporter: Exporter, options: ContentOptions) -> None:
    """Write ``profile`` to ``path``: a whole file or, where it fails, none.

    Raises :class:`NbspyError` where the file cannot be written.
    """
    if exporter.holds_source:
        profile = profile.with_sources()
    try:
        if path.exists() and not path.is_file():  # a pipe or a terminal: nothing to take the place of
            with path.open("wb") as stream:
                exporter.write(profile, stream, options)
            return
        whole = path.resolve()  # a link stays a link
        part = whole.with_name(f".{whole.name[:100]}.{os.getpid()}.part")
        try:
            with part.open("wb") as stream:
                exporter.write(profile, stream, options)
            part.replace(whole)
        finally:
            part.unlink(missing_ok=True)
    except OSError as err:
        raise NbspyError(f"cannot write {path}: {err.strerror or err}") from err
