"""What a profile becomes outside the model: files, DataFrames, figures.

The model is pure and imports nothing of that. These methods are only its names for them: the package binds each
name to a function in a room below (``nbspy/__init__.py`` says where), and imports that at the first use.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import nbspy

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from nbspy.views.plots import Plots
    from nbspy.views.widget import Explorer

TableName = Literal["samples", "frames", "stacks"]


class WaysOut:
    """The part of :class:`nbspy.model.profile.Profile` whose work is done elsewhere."""

    def save(self, path: str | Path, format: str | None = None, **content: bool) -> Path:
        """Write the profile to ``path``, and return the path.

        ``format``: one of :func:`nbspy.exporters.names`; None: the one that the suffix of ``path`` names
        (``.nbspy``, ``.html``, ``.svg``, ...). ``content``: the switches ``gil``, ``idle``, ``threads``,
        ``function``, ``nolineno`` and ``full_filenames``, as in the shell. Raises :class:`UsageError` for a format
        that there is not, and :class:`NbspyError` where the file cannot be written; no part of a file is left then.
        """
        return Path(_bound("save")(self, path, format, **content))

    def to_pandas(self, table: TableName = "samples") -> pandas.DataFrame:
        """Return a tidy table as a pandas DataFrame; see :mod:`nbspy.exporters.dataframes` for the columns.

        ``samples``: one row a run of equal samples of a thread. ``stacks``: one row for each frame of each stack.
        ``frames``: one row a frame. Raises :class:`NbspyError` where pandas is not installed.
        """
        frame: pandas.DataFrame = _bound("to_pandas")(self, table)
        return frame

    def to_polars(self, table: TableName = "samples") -> polars.DataFrame:
        """Return the same as :meth:`to_pandas`, as a polars DataFrame."""
        frame: polars.DataFrame = _bound("to_polars")(self, table)
        return frame

    def to_arrow(self, table: TableName = "samples") -> pyarrow.Table:
        """Return the same as :meth:`to_pandas`, as a pyarrow Table."""
        made: pyarrow.Table = _bound("to_arrow")(self, table)
        return made

    def explore(self, *, height: int = 420, theme: str = "auto") -> Explorer:
        """Return the explorer of the profile, a widget: show it in a notebook, set it, and ask what it shows.

        ``height``: in pixels. ``theme``: ``light``, ``dark``, or ``auto`` for the notebook's. See
        :class:`nbspy.views.widget.Explorer`.
        """
        explorer: Explorer = _bound("explore")(self, height=height, theme=theme)
        return explorer

    @property
    def plot(self) -> Plots:
        """Plotly figures of the profile: ``profile.plot.timeline()``; see :class:`nbspy.views.plots.Plots`."""
        plots: Plots = _bound("Plots")(self)
        return plots


def _bound(name: str) -> Any:
    return nbspy.way_out(name)
