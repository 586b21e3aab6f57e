"""Where a Chromium is that Playwright can drive; nothing is ever downloaded."""

from __future__ import annotations

import shutil
from typing import Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS: Final = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)


def find_browser() -> str | None:
    """Return the path of the first known browser on PATH; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)
