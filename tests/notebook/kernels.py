"""A real kernel to talk to, message by message."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from nbspy.wire import FrameSplitter, Samples, decode

MESSAGE_TIMEOUT_S = 60.0

Message = dict[str, Any]


class Execution:
    """One execute request and what the kernel says until it is idle again."""

    def __init__(self, kernel: Kernel, code: str) -> None:
        self.messages: list[Message] = []
        self.idle = False
        self._kernel = kernel
        self._id = kernel.client.execute(code)

    def until(self, wanted: Callable[[Message], bool]) -> Message:
        """Read messages until one is ``wanted``; fails where the kernel becomes idle before."""
        for message in self._read():
            if wanted(message):
                return message
        raise AssertionError(f"the cell ended without it; it said {[m['msg_type'] for m in self.messages]}")

    def finish(self) -> Message:
        """Read to the end of the execution; return the content of its reply."""
        for _ in self._read():
            pass
        while True:
            reply = self._kernel.client.get_shell_msg(timeout=MESSAGE_TIMEOUT_S)
            if reply["parent_header"].get("msg_id") == self._id:
                content: Message = reply["content"]
                return content

    def of_type(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["msg_type"] == kind]

    def _read(self) -> Iterator[Message]:
        while not self.idle:
            message = self._kernel.next_message()
            self.messages.append(message)
            is_status = message["msg_type"] == "status" and message["parent_header"].get("msg_id") == self._id
            self.idle = is_status and message["content"]["execution_state"] == "idle"
            yield message


class Kernel:
    """A running kernel with nbspy loaded."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def start(self, code: str) -> Execution:
        return Execution(self, code)

    def run(self, code: str) -> tuple[Execution, Message]:
        execution = self.start(code)
        return execution, execution.finish()

    def next_message(self) -> Message:
        message: Message = self.client.get_iopub_msg(timeout=MESSAGE_TIMEOUT_S)
        return message

    def until(self, wanted: Callable[[Message], bool]) -> Message:
        """Read what an idle kernel says until one message is ``wanted``."""
        deadline = time.monotonic() + MESSAGE_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                message = self.next_message()
            except Empty:
                break
            if wanted(message):
                return message
        raise AssertionError("the message never came")


@contextmanager
def running_kernel() -> Iterator[Kernel]:
    manager, client = start_new_kernel(kernel_name="python3")
    kernel = Kernel(manager, client)
    try:
        _, reply = kernel.run("%load_ext nbspy")
        assert reply["status"] == "ok", reply
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


class ReceivedStream:
    """What a browser would know from the messages that reached it."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = False

    def add(self, message: Message) -> bool:
        """Take a comm message; return whether it is one of the stream's."""
        content = message["content"].get("data", {})
        if message["msg_type"] != "comm_msg" or content.get("method") != "custom":
            return False
        content = content["content"]
        if content.get("type") != "stream":
            return False
        piece = bytes(message["buffers"][0])
        if content["offset"] <= len(self.data) < content["offset"] + len(piece):
            self.data = self.data[: content["offset"]] + piece
        self.ended = content["ended"]
        return True

    @property
    def sample_count(self) -> int:
        """Rows of samples so far."""
        records = [decode(body) for body in FrameSplitter().feed(self.data)]
        return sum(len(record.thread) // 4 for record in records if isinstance(record, Samples))
