"""The demo target as a process of its own, for the demo, the notebooks and JupyterLab."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "notebooks" / "demo_target.py"


@contextmanager
def demo_target(*options: str) -> Iterator[int]:
    """Start the demo target and give its pid once all its threads are at work; end it afterwards."""
    command = [sys.executable, str(TARGET), *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        announcement = process.stdout.readline()
        if not announcement:
            raise RuntimeError(f"the demo target did not start; try it by hand: {sys.executable} {TARGET}")
        yield json.loads(announcement)["pid"]
    finally:
        process.stdin.close()  # its signal to end
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
