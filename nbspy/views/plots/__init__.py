"""Plotly figures of a profile: timeline, icicle, flame, gil, lines, compare (``profile.plot.timeline()``).

Each is a plain ``plotly.graph_objects.Figure``: restyle it, ``write_html``, ``write_image``. A figure is dark where
``plotly.io.templates.default`` is a dark template, or where ``theme="dark"`` says so. plotly is imported when the first
figure is made; it comes with ``pip install nbspy[plots]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nbspy.model.profile import Profile

if TYPE_CHECKING:
    import plotly.graph_objects

Theme = Literal["light", "dark"]


class Plots:
    """The figures of one profile; ``theme`` None means the one that plotly's default template has."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def timeline(self, theme: Theme | None = None) -> plotly.graph_objects.Figure:
        """Return threads x time: what state each thread was in, and which of them held the GIL."""
        from nbspy.views.plots.timeline import timeline

        return timeline(self._profile, theme)

    def icicle(
        self, theme: Theme | None = None, *, least_share: float = 0.002, hide_machinery: bool = True
    ) -> plotly.graph_objects.Figure:
        """Return the call tree of active threads, the root at the top; a click zooms.

        Calls with less than ``least_share`` of the time are left out, and the figure says how many. ``hide_machinery``:
        a stack with a notebook's cell in it begins at the cell.
        """
        from nbspy.views.plots.tree import tree

        return tree(self._profile, theme, least_share, hide_machinery, root_at_top=True)

    def flame(
        self, theme: Theme | None = None, *, least_share: float = 0.002, hide_machinery: bool = True
    ) -> plotly.graph_objects.Figure:
        """Return the same as :meth:`icicle` with the root at the bottom."""
        from nbspy.views.plots.tree import tree

        return tree(self._profile, theme, least_share, hide_machinery, root_at_top=False)

    def gil(self, theme: Theme | None = None) -> plotly.graph_objects.Figure:
        """Return who held the GIL and when, and below how many threads waited for it."""
        from nbspy.views.plots.gil import gil

        return gil(self._profile, theme)

    def lines(self, file: str | None = None, theme: Theme | None = None) -> plotly.graph_objects.Figure:
        """Return the heat of the lines of one file: time in the line itself, and with all that it called.

        ``file``: its name or short name; None: the file with most time of its own. The text of the lines is shown
        where this machine has the file. Raises :class:`UsageError` for a file that has no samples.
        """
        from nbspy.views.plots.lines import lines

        return lines(self._profile, file, theme)

    def compare(self, after: Profile, theme: Theme | None = None, *, n: int = 20) -> plotly.graph_objects.Figure:
        """Return the ``n`` functions whose share of time changed most from this profile to ``after``, and the noise."""
        from nbspy.views.plots.comparison import comparison

        return comparison(self._profile.compare(after), theme, n)

    def __repr__(self) -> str:
        return "<plots of a profile: timeline(), icicle(), flame(), gil(), lines(), compare(other)>"
