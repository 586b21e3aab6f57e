"""Where a Chromium is that Playwright can drive; nothing is ever downloaded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
APPLICATIONS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def find_browser() -> str | None:
    """Return the path of the browser: NBSPY_TEST_BROWSER, else the first known one; None where there is none."""
    chosen = os.environ.get("NBSPY_TEST_BROWSER")
    if chosen:
        return chosen
    found = (shutil.which(name) for name in NAMES)
    return next(filter(None, found), None) or next((path for path in APPLICATIONS if Path(path).exists()), None)
