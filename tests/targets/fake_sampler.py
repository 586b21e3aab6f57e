"""Stands in for the sampler process: ``fake_sampler.py MODE STREAM`` sends the file STREAM and then misbehaves.

Like the real one it waits for a line on its standard input before it begins, and takes the next byte, or the end
of the input, as the request to stop.
"""

import os
import signal
import sys

from nbspy import wire


def send(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def end(reason: str, kind: str = "", message: str = "", help: str = "") -> bytes:
    return wire.encode(wire.End(99, 1_000_000_000, reason, kind, message, help))


def never_return() -> None:
    while True:
        signal.pause()


def main() -> None:
    mode, path = sys.argv[1:3]
    with open(path, "rb") as file:
        stream = file.read()
    if mode == "never-begins":
        never_return()
    if sys.stdin.buffer.raw.readline() != b"go\n":
        sys.exit("no go")
    if mode == "refuses":
        send(wire.MAGIC + end("error", "not-python", "process 42 is no Python", "look at another"))
    elif mode == "dies-before-hello":
        sys.exit("Traceback: boom")
    elif mode == "dies":
        send(stream[:-3])
        sys.exit("Traceback: boom")
    elif mode == "is-killed":
        send(stream)
        os.kill(os.getpid(), signal.SIGKILL)
    elif mode == "garbage":
        send(b"hello, world\n" * 10)
        never_return()
    elif mode == "garbage-later":
        send(stream + b"\xff\xff\xff\xff")
        never_return()
    elif mode == "never-ends":
        send(stream)
        never_return()
    elif mode == "lingers":
        send(stream)
        os.close(1)
        never_return()
    elif mode == "target-ends":
        send(stream + end("target-ended"))
    elif mode == "duration":
        send(stream + end("duration"))
    elif mode == "until-stopped":
        for start in range(0, len(stream), 7):  # pieces that cut records
            send(stream[start : start + 7])
        sys.stdin.buffer.raw.read(1)
        send(end("stopped"))
    else:
        sys.exit(f"no mode {mode}")


main()
