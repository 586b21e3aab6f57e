"""The self-contained page, and the notebook's frozen output that holds one."""

from __future__ import annotations

from nbspy.model.profile import Profile


def page_html(profile: Profile, stream: bytes | None = None, *, title: str = "nbspy") -> str:
    """A whole HTML page without outside references. ``stream``: the raw stream, where it is at hand."""
    raise NotImplementedError


def frozen_html(profile: Profile, stream: bytes | None = None, *, title: str = "nbspy", height_px: int = 560) -> str:
    """Plain summary tables, then the page in a sandboxed iframe (for ``handle.update(..., raw=True)``)."""
    raise NotImplementedError
