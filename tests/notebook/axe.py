"""axe-core in a page: what it finds wrong for people who cannot see it well, or not at all."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page

AXE = Path(__file__).resolve().parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"
_HOW = "axe-core is not there, accessibility was not checked: npm ci in js/"
_RUN = """([selector, only]) => axe.run(selector ? document.querySelector(selector) : document, {
    resultTypes: ['violations'], ...(only.length ? {runOnly: {type: 'rule', values: only}} : {}),
})"""


def violations(place: Page | Frame, selector: str = "", only: Sequence[str] = ()) -> list[str]:
    """Return each violation of any rule, best practices too, in the element (none: the whole document).

    ``only``: the rules to look at; none: all. Without axe-core it warns; in CI it fails.
    """
    if not AXE.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(_HOW)
        warnings.warn(_HOW, stacklevel=2)
        return []
    if not place.evaluate("() => 'axe' in window"):
        place.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = place.evaluate(_RUN, [selector, list(only)])
    assert found["testEngine"]["name"] == "axe-core"
    return [
        f"{one['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
