"""The made-up day: what is fed is what its halves hold, however short it is."""

from __future__ import annotations

import shutil

import pytest

from bench import day
from bench.made_up_day import RATE_HZ, STACKS, THREADS

SECONDS = 7
HOURS = SECONDS / 3600


def forget(_text: str) -> None:
    pass


def test_kernels_half_has_every_sample_and_stack() -> None:
    held = day.kernel(HOURS, forget)
    assert held.exact
    assert held.samples == SECONDS * RATE_HZ * THREADS
    assert held.stacks >= STACKS


def test_samplers_half_has_every_sample() -> None:
    held = day.sampler(HOURS, forget, stacks=5000)
    assert held.exact
    assert held.stacks in range(4000, 5001)


@pytest.mark.skipif(
    shutil.which("node") is None or not (day.JS / "node_modules" / ".bin" / "esbuild").exists(),
    reason="node 20 and js/node_modules are needed: make bundle",
)
def test_explorers_model_has_every_sample_and_stack() -> None:
    held = day.model(HOURS, forget)
    assert held.exact
    assert held.stacks >= STACKS
