"""What a kernel says to its front end, without a browser: live while it is busy, frozen afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

import pytest

from nbspy.views.relay import MESSAGE_BYTES
from nbspy.views.widget import CLOSED_ESM
from tests.notebook.kernels import Kernel, Message, ReceivedStream, running_kernel
from tools.demo_process import demo_target

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def pid() -> Iterator[int]:
    with demo_target() as pid:
        yield pid


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with running_kernel() as kernel:
        yield kernel


def shows_widget(message: Message) -> bool:
    return (
        message["msg_type"] == "display_data"
        and "application/vnd.jupyter.widget-view+json" in (message["content"]["data"])
    )


def freezes(message: Message) -> bool:
    return message["msg_type"] == "update_display_data"


def plain(lines: list[str]) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


def test_samples_arrive_while_the_cell_is_busy_and_its_output_is_frozen_at_the_end(
    kernel: Kernel, pid: int, tmp_path: Path
) -> None:
    flag = tmp_path / "enough"
    body = f"import os\nwhile not os.path.exists({str(flag)!r}): pass"
    execution = kernel.start(f"%%profile_remote {pid} --rate 200\n{body}")
    display = execution.until(shows_widget)
    stream = ReceivedStream()
    counts: list[int] = []

    def grew_three_times(message: Message) -> bool:
        if stream.add(message) and stream.sample_count > (counts[-1] if counts else 0):
            counts.append(stream.sample_count)
        return len(counts) >= 3

    execution.until(grew_three_times)
    assert not execution.idle
    flag.touch()
    assert execution.finish()["status"] == "ok"

    [frozen] = execution.of_type("update_display_data")
    assert frozen["content"]["transient"] == display["content"]["transient"]
    assert "<iframe" in frozen["content"]["data"]["text/html"]
    assert "sandbox" in frozen["content"]["data"]["text/html"]
    assert "crunch" in frozen["content"]["data"]["text/html"].partition("<iframe")[0]
    assert "crunch" in frozen["content"]["data"]["text/plain"]
    sent = [buffer for m in execution.of_type("comm_msg") for buffer in m["buffers"]]
    assert max(len(buffer) for buffer in sent) <= MESSAGE_BYTES


def test_explorer_is_closed_without_its_bundle(kernel: Kernel, pid: int) -> None:
    execution, _ = kernel.run(f"%%profile_remote {pid}\npass")
    model = execution.of_type("display_data")[0]["content"]["data"]["application/vnd.jupyter.widget-view+json"]
    said = [m for m in execution.messages if m["content"].get("comm_id") == model["model_id"]]
    states = [m["content"]["data"]["state"] for m in said if "state" in m["content"].get("data", {})]
    assert [state["_esm"] for state in states if "_esm" in state][-1] == CLOSED_ESM
    kernel.until(lambda m: m["msg_type"] == "comm_close" and m["content"]["comm_id"] == model["model_id"])


def test_page_that_was_loaded_anew_meanwhile_is_given_what_is_saved(kernel: Kernel, pid: int) -> None:
    execution, _ = kernel.run(f"%%profile_remote {pid}\npass")
    model = execution.of_type("display_data")[0]["content"]["data"]["application/vnd.jupyter.widget-view+json"]
    # It asks when the kernel is free.
    asked = {"method": "custom", "content": {"type": "request", "offset": 0}}
    session = kernel.client.session
    kernel.client.shell_channel.send(session.msg("comm_msg", {"comm_id": model["model_id"], "data": asked}))
    answer = kernel.until(lambda m: m["content"].get("data", {}).get("method") == "custom")
    said_late = answer["content"]["data"]["content"]
    assert said_late["type"] == "saved"
    assert said_late["page"].startswith("<!DOCTYPE html>")
    [frozen] = execution.of_type("update_display_data")
    assert escape(said_late["page"]) in frozen["content"]["data"]["text/html"]
    # Closed, the model would take the picture along.
    wait = "import asyncio\nfrom nbspy.views.live import CLOSE_DELAY_S\nawait asyncio.sleep(CLOSE_DELAY_S + 0.5)\n"
    _, reply = kernel.run(f"{wait}assert _explorer.comm is not None")
    assert reply["status"] == "ok"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("import asyncio\nawait asyncio.sleep(0.01)\n40 + 2", "42"),
        ("x = 6\nx * 7", "42"),
        ("where = %pwd\nlen(where) > 0", "True"),
        ('text = """a\n  b\n"""\ntext', "'a\\n  b\\n'"),
    ],
)
def test_body_behaves_as_in_any_cell(kernel: Kernel, pid: int, body: str, value: str) -> None:
    execution, reply = kernel.run(f"%%profile_remote {pid}\n{body}")
    assert reply["status"] == "ok"
    [result] = execution.of_type("execute_result")
    assert result["content"]["data"]["text/plain"] == value
    assert execution.messages.index(execution.of_type("update_display_data")[0]) > execution.messages.index(result)


def test_awaiting_cell_can_profile_itself(kernel: Kernel) -> None:
    execution, reply = kernel.run("%%profile_cell\nimport asyncio\nawait asyncio.sleep(0.05, 'slept')")
    assert reply["status"] == "ok"
    assert execution.of_type("execute_result")[0]["content"]["data"]["text/plain"] == "'slept'"
    assert len(execution.of_type("update_display_data")) == 1


def test_error_shows_the_cells_own_line_and_freezes(kernel: Kernel, pid: int) -> None:
    execution, reply = kernel.run(f"%%profile_remote {pid}\nx = 1\n\n1 / 0")
    assert reply["status"] == "error"
    assert reply["ename"] == "ZeroDivisionError"
    shown = plain(execution.of_type("error")[0]["content"]["traceback"])
    assert "----> 4 1 / 0" in shown
    assert "nbspy/" not in shown
    assert len(execution.of_type("update_display_data")) == 1


def test_profile_is_the_value_and_cells_have_their_numbers(kernel: Kernel) -> None:
    code = "%%profile_cell --rate 500\ndef spin():\n    return sum(i * i for i in range(3_000_000))\nresult = spin()"
    _, reply = kernel.run(code)
    number = reply["execution_count"]
    execution, reply = kernel.run("profile = _; text = str([f for f in profile.functions()])\nprofile is _profile")
    assert reply["status"] == "ok"
    assert execution.of_type("execute_result")[0]["content"]["data"]["text/plain"] == "True"
    execution, _ = kernel.run("print(profile.summary())")
    text = "".join(m["content"]["text"] for m in execution.of_type("stream"))
    assert f"In[{number}]" in text
    assert "spin" in text


def test_background_session_freezes_while_the_kernel_is_idle(kernel: Kernel, pid: int) -> None:
    execution, reply = kernel.run(f"%profile_remote {pid} -d 0.5")
    assert reply["status"] == "ok"
    [display] = [message for message in execution.messages if shows_widget(message)]
    assert not execution.of_type("execute_result")  # the explorer is the output; the value is in _
    frozen = execution.of_type("update_display_data") or [kernel.until(freezes)]
    assert frozen[0]["content"]["transient"] == display["content"]["transient"]
    execution, _ = kernel.run("print(type(_).__name__, _.running, _.profile.sample_count > 10)")
    assert execution.of_type("stream")[0]["content"]["text"] == "Session False True\n"


def test_session_that_is_shown_again_has_the_same_explorer(kernel: Kernel, pid: int) -> None:
    first, _ = kernel.run(f"session = %profile_remote {pid}")
    again, _ = kernel.run("session")
    assert first.of_type("display_data")[0]["content"] == again.of_type("display_data")[0]["content"]
    execution, _ = kernel.run("session.stop();")
    assert len(execution.of_type("update_display_data")) == 1
    frozen, _ = kernel.run("session")
    assert "<iframe" in frozen.of_type("display_data")[0]["content"]["data"]["text/html"]


def test_stop_freezes(kernel: Kernel, pid: int) -> None:
    kernel.run(f"%profile_remote {pid}")
    execution, reply = kernel.run("profile = %nbspy stop")
    assert reply["status"] == "ok"
    assert len(execution.of_type("update_display_data")) == 1


def test_interrupt_ends_a_cell_that_only_waits_and_keeps_what_was_seen(kernel: Kernel, pid: int) -> None:
    execution = kernel.start(f"%%profile_remote {pid}\n")
    stream = ReceivedStream()
    execution.until(lambda message: stream.add(message) and stream.sample_count > 0)
    kernel.manager.interrupt_kernel()
    assert execution.finish()["status"] == "ok"
    assert len(execution.of_type("update_display_data")) == 1
    _, reply = kernel.run("assert _profile.sample_count > 0")
    assert reply["status"] == "ok"


def test_interrupt_of_a_body_is_its_error_and_freezes(kernel: Kernel, pid: int) -> None:
    execution = kernel.start(f"%%profile_remote {pid}\nwhile True: pass")
    stream = ReceivedStream()
    execution.until(lambda message: stream.add(message) and stream.sample_count > 0)
    kernel.manager.interrupt_kernel()
    reply = execution.finish()
    assert reply["ename"] == "KeyboardInterrupt"
    assert len(execution.of_type("update_display_data")) == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("%%profile_remote 2147483647\nbody_ran = True", "ProcessNotFound"),
        ("%%profile_remote {pid} --rate 0\nbody_ran = True", "--rate"),
        ("%dump_remote 2147483647", "ProcessNotFound"),
    ],
)
def test_refusal_is_one_line_and_leaves_nothing(kernel: Kernel, pid: int, code: str, said: str) -> None:
    execution, reply = kernel.run(code.replace("{pid}", str(pid)))
    assert reply["status"] == "error"
    [shown] = execution.of_type("error")
    assert len(shown["content"]["traceback"]) == 1
    assert said in plain(shown["content"]["traceback"])
    assert not execution.of_type("comm_open")
    execution, _ = kernel.run("""
import threading
print("body_ran" in globals(), [thread.name for thread in threading.enumerate() if "nbspy" in thread.name])
""")
    assert execution.of_type("stream")[0]["content"]["text"] == "False []\n"


def test_request_is_answered_when_the_kernel_is_idle(kernel: Kernel, pid: int) -> None:
    execution, _ = kernel.run(f"session = %profile_remote {pid}")
    model = execution.of_type("display_data")[0]["content"]["data"]["application/vnd.jupyter.widget-view+json"]
    stream = ReceivedStream()
    kernel.until(lambda message: stream.add(message) and stream.sample_count > 5)
    late = ReceivedStream()
    content = {"comm_id": model["model_id"], "data": {"method": "custom", "content": {"type": "request", "offset": 0}}}
    kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", content))
    kernel.until(lambda message: late.add(message) and late.sample_count >= stream.sample_count)
    assert late.data.startswith(stream.data)
    kernel.run("%nbspy stop")


def test_background_session_that_outlives_an_unattended_notebook_leaves_what_was_seen(pid: int) -> None:
    """As nbclient, papermill and nbconvert run it: the session is never stopped, and no browser hears the widget."""
    import nbclient
    import nbformat

    wait = "while session.sample_count < 30: session.stream.wait_beyond(session.stream.size, 1)"
    cells = ["%load_ext nbspy", f"session = %profile_remote {pid} --rate 200", wait]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()

    [output] = notebook.cells[1].outputs
    html = output["data"]["text/html"]
    assert "<iframe" in html
    assert "crunch" in html.partition("<iframe")[0]
    assert "crunch" in output["data"]["text/plain"]
    seen = re.search(r"([\d,]+) samples", output["data"]["text/plain"])
    assert seen is not None
    assert int(seen[1].replace(",", "")) >= 30


def test_attended_background_session_is_left_to_its_widget(kernel: Kernel, pid: int) -> None:
    kernel.run(f"session = %profile_remote {pid}")
    execution, _ = kernel.run("1 + 1")
    assert execution.of_type("update_display_data") == []
    kernel.run("%nbspy stop")
