from __future__ import annotations

import os

from .interpreters import Interpreter, start_target


def test_start_target_when_the_block_ends_leaves_no_process(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "announce.py", "one", "two") as target:
        assert target.info["pid"] == target.pid
        assert tuple(target.info["version"]) == interpreter.version
        assert target.info["arguments"] == ["one", "two"]
        assert target.ask("hello") == ["hello"]

    assert target.process.returncode is not None
    assert not os.path.exists(f"/proc/{target.pid}")
