"""Our own pipes, files and processes, on both kinds of system as far as this machine can tell."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from nbspy.host import WINDOWS, Host
from nbspy.host import windows as windows_module
from nbspy.host.posix import PosixHost
from nbspy.host.windows import WindowsHost

HOSTS = [pytest.param(WindowsHost(), id="windows")]
if not WINDOWS:
    HOSTS.append(pytest.param(PosixHost(linux=sys.platform == "linux", macos=False), id="posix"))
PATIENCE_S = 30.0


@dataclass
class Pipe:
    reader: int
    writer: int


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reader, writer = os.pipe()
    made = Pipe(reader, writer)
    yield made
    for descriptor in (made.reader, made.writer):
        if descriptor >= 0:
            os.close(descriptor)


@pytest.mark.parametrize("host", HOSTS)
def test_output_is_never_waited_for_and_loses_nothing(host: Host, pipe: Pipe) -> None:
    output = host.output(pipe.writer)
    data = os.urandom(1 << 20)
    accepted = 0
    full = False
    while not full:
        try:
            accepted += output.write(memoryview(data)[accepted:])
        except BlockingIOError:
            full = True
    assert 0 < accepted < len(data)
    received = bytearray()

    def read() -> None:
        while len(received) < len(data):
            received.extend(os.read(pipe.reader, 1 << 16))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while accepted < len(data):
        try:
            accepted += output.write(memoryview(data)[accepted:])
        except BlockingIOError:
            output.wait(PATIENCE_S)
    output.finish(PATIENCE_S)
    reader.join(PATIENCE_S)
    assert bytes(received) == data


@pytest.mark.parametrize("host", HOSTS)
def test_output_without_a_reader_is_broken(host: Host, pipe: Pipe) -> None:
    output = host.output(pipe.writer)
    os.close(pipe.reader)
    pipe.reader = -1

    def write_until_told() -> None:
        while True:
            output.write(memoryview(b"x"))
            output.finish(PATIENCE_S)

    with pytest.raises(OSError, match=r"[Bb]roken|reset|invalid"):
        write_until_told()


@pytest.mark.parametrize("host", HOSTS)
def test_switch_begins_with_a_line_and_is_thrown_by_whatever_follows(host: Host, pipe: Pipe) -> None:
    switch = host.switch(pipe.reader)
    os.write(pipe.writer, b"go")
    os.write(pipe.writer, b"\n")
    assert switch.wait_for_line()
    assert not switch.wait_for_more(0.01)
    os.write(pipe.writer, b"s")
    assert switch.wait_for_more(PATIENCE_S)


@pytest.mark.parametrize("host", HOSTS)
def test_switch_is_thrown_by_the_end_of_its_input(host: Host, pipe: Pipe) -> None:
    switch = host.switch(pipe.reader)
    os.write(pipe.writer, b"go\n")
    assert switch.wait_for_line()
    os.close(pipe.writer)
    pipe.writer = -1
    assert switch.wait_for_more(PATIENCE_S)


@pytest.mark.parametrize("host", HOSTS)
def test_switch_that_ends_before_its_line_says_so(host: Host, pipe: Pipe) -> None:
    switch = host.switch(pipe.reader)
    os.close(pipe.writer)
    pipe.writer = -1
    assert not switch.wait_for_line()


@pytest.mark.parametrize("host", HOSTS)
def test_rest_of_a_pipe_is_read_though_another_holds_it_open(host: Host) -> None:
    heir = "subprocess.Popen([sys.executable, '-c', 'input()'], stdin=0)"
    code = f"import subprocess, sys; {heir}; sys.stderr.write('last')"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as child:
        child.wait(PATIENCE_S)
        assert host.read_rest(child.stderr, 100) == b"last"


class FakeLocks:
    """``msvcrt.locking``: one byte of a file, for one opened file, or OSError."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        self._locked: dict[tuple[int, int, int], int] = {}

    def locking(self, file: int, mode: int, count: int) -> None:
        assert (mode, count) == (self.LK_NBLCK, 1)
        status = os.fstat(file)
        place = (status.st_dev, status.st_ino, os.lseek(file, 0, os.SEEK_CUR))
        if self._locked.setdefault(place, file) != file:
            raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("host", HOSTS)
def test_file_that_is_marked_is_written_by_somebody(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(host, WindowsHost) and not WINDOWS:
        locks = FakeLocks()
        monkeypatch.setattr(windows_module, "importlib", SimpleNamespace(import_module=lambda _: locks))
    path = tmp_path / "recording"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    if isinstance(host, PosixHost):  # the fake below never lets a lock go
        assert not host.is_written(path)
    host.mark_written(file)
    os.write(file, b"record")
    assert host.is_written(path)
    assert path.read_bytes() == b"record"
    os.close(file)
    assert not host.is_written(tmp_path / "none")


@pytest.mark.parametrize("host", HOSTS)
def test_cache_folder_is_the_given_one_or_below_the_home(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    given = os.path.abspath("given")
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    assert host.cache_folder() == Path(given)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert host.cache_folder().is_relative_to(Path.home())


def test_a_mac_keeps_caches_in_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert PosixHost(linux=False, macos=True).cache_folder() == Path.home() / "Library" / "Caches"


@pytest.mark.parametrize("host", HOSTS)
def test_folder_is_private_and_ours(host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    assert host.make_private(folder) == ""
    if isinstance(host, PosixHost):
        assert folder.stat().st_mode & 0o777 == 0o700
