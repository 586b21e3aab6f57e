"""What happens to a notebook: nothing is left running, and what was seen is kept.

That a cell raises, is interrupted or shows a session twice is in ``tests/notebook/test_protocol.py``.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

import pytest

from tests.notebook.kernels import Execution, Kernel, running_kernel

from .interpreters import Interpreter, Target, start_target
from .sessions import check_unharmed


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with running_kernel() as kernel:
        yield kernel


@pytest.fixture
def target(current_interpreter: Interpreter) -> Iterator[Target]:
    with start_target(current_interpreter.path, "faults.py", "forking") as target:
        yield target


def said(execution: Execution) -> str:
    return "".join(message["content"]["text"] for message in execution.of_type("stream"))


SAMPLERS = """
from nbspy.sampler_process import running_samplers
print(*[sampler.pid for sampler in running_samplers()])
"""


def test_extension_is_loaded_twice_unloaded_and_loaded_again(kernel: Kernel, target: Target) -> None:
    execution, reply = kernel.run("%load_ext nbspy")
    assert reply["status"] == "ok"
    _, reply = kernel.run(f"%profile_remote {target.pid}")
    assert reply["status"] == "ok"
    [sampler] = map(int, said(kernel.run(SAMPLERS)[0]).split())
    _, reply = kernel.run("%unload_ext nbspy")
    assert reply["status"] == "ok"
    assert said(kernel.run(SAMPLERS)[0]).strip() == "", f"the sampler {sampler} outlives the extension"
    _, reply = kernel.run(f"%profile_remote {target.pid}")
    assert reply["status"] == "error", "there is no such magic now"
    assert said(kernel.run(SAMPLERS)[0]).strip() == ""
    _, reply = kernel.run("%load_ext nbspy\n%reload_ext nbspy")
    assert reply["status"] == "ok"
    execution, reply = kernel.run(f"%%profile_remote {target.pid}\n6 * 7")
    assert reply["status"] == "ok"
    [result] = execution.of_type("execute_result")
    assert result["content"]["data"]["text/plain"] == "42"
    assert len(execution.of_type("update_display_data")) == 1
    check_unharmed(target)


def test_profile_inside_a_profile_keeps_both(kernel: Kernel, target: Target) -> None:
    body = f"""%%profile_cell
outer_ran = True
get_ipython().run_cell("%%profile_remote {target.pid}\\ninner_ran = True")
inner = _profile
raise ValueError("the outer one ends so")
"""
    execution, reply = kernel.run(body)
    assert (reply["status"], reply["ename"]) == ("error", "ValueError")
    assert len(execution.of_type("update_display_data")) == 2
    execution, reply = kernel.run(
        "print(outer_ran, inner_ran, inner.hello.pid, _profile.hello.pid == __import__('os').getpid())"
    )
    assert said(execution).strip() == f"True True {target.pid} True"
    assert said(kernel.run(SAMPLERS)[0]).strip() == ""
    check_unharmed(target)


def test_kernel_restarted_in_the_middle_leaves_no_sampler_and_a_recording(target: Target) -> None:
    with running_kernel() as kernel:
        kernel.run(f"%profile_remote {target.pid} --rate 200")
        [sampler] = map(int, said(kernel.run(SAMPLERS)[0]).split())
        ended = os.pidfd_open(sampler)
        try:
            kernel.manager.restart_kernel(now=True)
            assert select.select([ended], [], [], 30)[0], "the sampler outlives its kernel"
        finally:
            os.close(ended)
        check_unharmed(target)
        kernel.client.wait_for_ready(timeout=60)
        execution, reply = kernel.run(
            "import nbspy\nfrom nbspy import recordings\n"
            f"[found] = [one for one in recordings.listing() if one.pid == {target.pid}]\n"
            "print(found.state.name, nbspy.load(found.path).hello.pid)"
        )
        assert reply["status"] == "ok", reply
        assert said(execution).strip() == f"WHOLE {target.pid}"
        _, reply = kernel.run(f"%load_ext nbspy\n%profile_remote {target.pid} -d 0.1")
        assert reply["status"] == "ok"
    check_unharmed(target)
