"""Recordings: written beside the pipe, kept within bounds, listed, and loaded as far as they are good."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import nbspy
from nbspy import cli, importers, recordings, session, wire
from nbspy.errors import NbspyError, StreamError
from nbspy.model.profile import Profile
from nbspy.recordings import State
from nbspy.sampling import recording
from nbspy.sampling.recording import RecordingFile
from nbspy.sampling.stream_writer import StreamWriter as SamplersWriter

from .streams import Run, StreamWriter, hello, status
from .test_session import FAKE

END = wire.End(99, 2 * 10**9, "stopped", "", "", "")
HOUR = 3600.0


def whole(**changes: object) -> bytes:
    writer = StreamWriter().add([Run("main;work", count=5), Run("main;rest", start_us=50_000, count=3)])
    writer.records[0] = hello(started_unix_ns=1_700_000_000 * 10**9, **changes)
    writer.records += [status(time_ns=10**9, samples=8), END]
    return writer.stream()


WHOLE = whole()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of recordings, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "nbspy" / "recordings"
    folder.mkdir(parents=True, mode=0o700)
    return folder


def keep(place: Path, pid: int, data: bytes = WHOLE, age_s: float = HOUR) -> Path:
    """Leave a recording there that was written ``age_s`` ago."""
    path = place / f"20260101-000000-{pid:06}-pid{pid}.nbspy"
    path.write_bytes(data)
    written = path.stat().st_mtime - age_s
    os.utime(path, (written, written))
    return path


# --- writing ----------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "r.nbspy"


def test_given_records_when_written_then_the_file_has_them_and_is_its_owners_alone(path: Path) -> None:
    file = RecordingFile(str(path), 100)
    file.write(b"first")
    assert path.read_bytes() == b"first", "the first are there when write returns: nothing can come before them"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    file.write(b"second")
    file.close()
    assert path.read_bytes() == b"firstsecond"
    assert file.problem == ""


def test_given_a_file_that_is_there_then_it_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    file = RecordingFile(str(path), 100)
    file.write(b"x")
    file.close()
    assert (path.read_text(), file.problem) == ("precious", os.strerror(errno.EEXIST))


def test_given_a_link_then_nothing_is_written_through_it(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    file = RecordingFile(str(path), 100)
    file.write(b"x")
    assert file.problem
    assert not (tmp_path / "elsewhere").exists()


def test_given_no_folder_then_it_is_a_problem_and_no_error(tmp_path: Path) -> None:
    file = RecordingFile(str(tmp_path / "no" / "r"), 100)
    file.write(b"x")
    file.close()
    assert file.problem == os.strerror(errno.ENOENT)


def test_given_the_bound_then_the_file_ends_with_the_last_that_fits(path: Path) -> None:
    file = RecordingFile(str(path), 10)
    for records in (b"12345", b"6789", b"too long", b"x"):
        file.write(records)
    file.close()
    assert path.read_bytes() == b"123456789"
    assert "size" in file.problem


@contextlib.contextmanager
def writes(monkeypatch: pytest.MonkeyPatch, write: object) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(recording.os, "write", write)  # type: ignore[attr-defined]
        yield


def test_given_a_full_disk_then_the_file_holds_whole_records_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, room = os.write, 12
    full = threading.Event()

    def write(file: int, data: bytes) -> int:
        nonlocal room
        if room == 0:
            full.set()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = real(file, bytes(data)[:room])
        room -= taken
        return taken

    with writes(monkeypatch, write):
        file = RecordingFile(str(path), 1000)
        for records in (b"1234567", b"8901234", b"more"):
            file.write(records)
        file.close()
    assert full.is_set()
    assert path.read_bytes() == b"1234567"
    assert file.problem == os.strerror(errno.ENOSPC)


def test_given_a_disk_that_stands_still_then_writing_does_not_wait(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_QUEUED_BYTES", 50)
    monkeypatch.setattr(recording, "CLOSE_TIMEOUT_S", 0.05)
    real, stuck, free = os.write, threading.Event(), threading.Event()

    def write(file: int, data: bytes) -> int:
        if bytes(data) != b"first":
            stuck.set()
            free.wait(30)
        return real(file, data)

    with writes(monkeypatch, write):
        file = RecordingFile(str(path), 10_000)
        file.write(b"first")
        file.write(b"0123456789")
        assert stuck.wait(30)
        for _ in range(10):
            file.write(b"0123456789")  # returns although the disk does not
        assert "too slowly" in file.problem
        file.close()
        free.set()
        assert file._thread is not None
        file._thread.join(30)
    head, *taken = path.read_bytes().split(b"0123456789")
    assert head == b"first"
    assert 1 <= len(taken) <= 7, "what waited is written, and nothing after the gap"
    assert set(taken) == {b""}


def test_given_a_writer_with_a_recording_then_pipe_and_file_say_the_same(path: Path) -> None:
    reading, writing = os.pipe()
    writer = SamplersWriter(writing)
    file = RecordingFile(str(path), 1 << 20)
    writer.record_to(file)
    writer.put(hello())
    writer.flush()
    assert path.read_bytes().startswith(wire.MAGIC)
    for number in range(3):
        writer.put(status(sequence=number))
        writer.flush()
    writer.put(END)
    os.close(reading)  # the kernel is gone
    writer.flush()
    file.close()
    os.close(writing)
    assert writer.broken
    records = [wire.decode(body) for body in wire.FrameSplitter().feed(path.read_bytes())]
    assert [type(record).__name__ for record in records] == ["Hello", "Status", "Status", "Status", "End"]


def test_given_no_recording_then_the_writer_keeps_nothing() -> None:
    reading, writing = os.pipe()
    writer = SamplersWriter(writing)
    writer.put(hello())
    assert (writer.recording_problem, bytes(writer._unrecorded)) == ("", b"")
    os.close(reading)
    os.close(writing)


# --- where they lie, and how long --------------------------------------------------------------------


def test_given_a_new_path_then_its_folder_is_private_and_its_name_is_time_and_pid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = recordings.new_path(4242)
    assert made.parent == tmp_path / "cache" / "nbspy" / "recordings"
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    assert made.name.endswith("-pid4242.nbspy")
    assert recordings._NAME.fullmatch(made.name)
    assert not made.exists()


def test_given_a_folder_open_to_others_then_it_is_closed(place: Path) -> None:
    place.chmod(0o777)
    recordings.new_path(1)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_given_a_relative_cache_folder_then_it_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert recordings.folder() == tmp_path / ".cache" / "nbspy" / "recordings"


def test_given_a_link_for_a_folder_then_nothing_is_kept_there(place: Path, tmp_path: Path) -> None:
    place.rmdir()
    place.symlink_to(tmp_path)
    with pytest.raises(NbspyError, match="it is a link"):
        recordings.new_path(1)


def test_given_a_folder_of_another_user_then_nothing_is_kept_there(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(NbspyError, match="another user's"):
        recordings.new_path(1)


def test_given_a_file_in_the_way_then_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    with pytest.raises(NbspyError, match="cannot be kept in"):
        recordings.new_path(1)


def test_given_no_home_then_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(NbspyError, match="no home folder"):
        recordings.folder()


def test_given_old_ones_when_a_session_starts_then_they_go_and_nothing_else(place: Path) -> None:
    old, young = keep(place, 1, age_s=15 * 24 * HOUR), keep(place, 2, age_s=13 * 24 * HOUR)
    foreign = place / "thesis.nbspy"
    foreign.touch()
    os.utime(foreign, (0, 0))
    link = place / "20200101-000000-000000-pid9.nbspy"
    link.symlink_to(young)
    recordings.new_path(3)
    assert not old.exists()
    assert young.exists()
    assert foreign.exists()
    assert link.is_symlink()


def test_given_too_much_then_the_oldest_go_until_it_fits(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "MAX_FILE_BYTES", 100)
    monkeypatch.setattr(recordings, "MAX_TOTAL_BYTES", 350)
    paths = [keep(place, pid, bytes(100), age_s=pid * HOUR) for pid in (1, 2, 3, 4)]
    recordings.clean(place)
    assert [path.exists() for path in paths] == [True, True, False, False]


def test_given_one_that_is_being_written_then_it_stays(place: Path) -> None:
    running, fresh = keep(place, 1, age_s=30 * 24 * HOUR), keep(place, 2, age_s=0)
    with running.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert recordings.in_use(running)
        recordings.clean(place)
        assert running.exists()
        recordings.clean(place, now=fresh.stat().st_mtime + 30)
        assert fresh.exists()
    assert not recordings.in_use(running)
    recordings.clean(place)
    assert not running.exists()


# --- listing ------------------------------------------------------------------------------------------


def test_given_recordings_then_each_tells_what_it_is(place: Path) -> None:
    cut = WHOLE[: len(WHOLE) - len(wire.encode(END))]
    kept = [
        keep(place, 1),
        keep(place, 2, cut),
        keep(place, 3, cut[:-3]),
        keep(place, 4, b"foreign"),
        keep(place, 5, b""),
    ]
    with keep(place, 6, cut).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = recordings.listing()
    states = [State.RUNNING, State.DAMAGED, State.DAMAGED, State.CUT, State.CUT, State.WHOLE]
    assert [recording.state for recording in found] == states
    newest_whole = found[-1]
    assert newest_whole.path == kept[0]
    assert (newest_whole.pid, newest_whole.command_line) == (42, "python demo.py")
    assert newest_whole.started_unix == 1_700_000_000
    assert (newest_whole.duration_ns, newest_whole.size) == (2 * 10**9, len(WHOLE))
    assert found[1].pid == 5, "the name tells where the file does not"


def test_given_no_folder_then_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert recordings.listing() == []
    assert recordings.table([]).title.startswith("There are no recordings in ")


def test_given_a_folder_that_cannot_be_listed_then_it_is_said(place: Path) -> None:
    place.rmdir()
    place.touch()
    with pytest.raises(NbspyError, match="cannot list"):
        recordings.listing()


def test_given_hostile_contents_then_the_table_is_text(place: Path) -> None:
    keep(place, 1, whole(command_line="\x1b[31m<b>\n", pid=-5))
    keep(place, 2, whole(command_line="x" * 10_000))
    records = [hello(started_unix_ns=2**63 - 1), status(time_ns=-(2**62))]
    keep(place, 3, wire.MAGIC + b"".join(map(wire.encode, records)))
    table = recordings.table(recordings.listing())
    assert "\x1b" not in table.text()
    assert "<b>" not in table.html()
    assert max(map(len, table.text().splitlines())) < 300


def test_given_recordings_then_the_command_line_lists_them(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = keep(place, 1)
    assert cli.main(["recordings"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == f"Recordings in {place}"
    assert path.name in out
    assert "whole" in out


# --- loading what is good -------------------------------------------------------------------------------


def load(data: bytes) -> tuple[Profile, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        profile = importers.read(data)
    return profile, [str(warning.message) for warning in caught]


def boundaries() -> list[int]:
    ends = [len(wire.MAGIC)]
    for body in wire.FrameSplitter().feed(WHOLE):
        ends.append(ends[-1] + 4 + len(body))
    return ends


FIRST = boundaries()[1]


def used(profile: Profile) -> None:
    """Do with a profile what everyone does with one."""
    assert profile.summary()
    assert profile.thread_sample_count >= 0
    assert profile.functions() is not None
    repr(profile)


@given(cut=st.integers(0, len(WHOLE)))
@example(cut=FIRST)
def test_given_a_cut_anywhere_then_all_up_to_the_last_whole_record_is_there(cut: int) -> None:
    if cut < FIRST:
        with pytest.raises(StreamError):
            importers.read(WHOLE[:cut])
        return
    profile, told = load(WHOLE[:cut])
    good = max(end for end in boundaries() if end <= cut)
    assert len(told) == (cut != good)
    expected, _ = load(WHOLE[:good])
    assert profile.functions() == expected.functions()
    assert [notice.text for notice in profile.notices] == told
    if told:
        assert f"the last {cut - good:,} bytes are no whole record" in told[0]
    used(profile)


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(1, 255)), min_size=1, max_size=4))
@settings(max_examples=300)
def test_given_flipped_bits_then_it_is_a_profile_or_one_clear_error(flips: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for position, bits in flips:
        data[position] ^= bits
    refusal = ""
    try:
        profile, told = load(bytes(data))
    except StreamError as err:
        refusal = str(err)
    assert "\n" not in refusal
    assert len(refusal) < 500
    if refusal:
        return
    assert all("what comes before that is here" in text for text in told)
    used(profile)


@given(st.binary(max_size=200), st.integers(0, len(WHOLE)))
def test_given_something_else_in_the_middle_then_what_comes_before_is_kept(noise: bytes, at: int) -> None:
    data = WHOLE[:at] + noise
    try:
        profile, _ = load(data)
    except StreamError:
        assert at < FIRST or noise
        return
    used(profile)


@given(
    flips=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(1, 255)), max_size=4), cut=st.integers(0, 99)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_given_any_damage_then_the_list_shows_it(place: Path, flips: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(WHOLE)
    for position, bits in flips:
        data[position] ^= bits
    keep(place, 1, bytes(data[: len(data) - cut]))
    (found,) = recordings.listing()
    assert found.state in State
    assert recordings.table([found]).text()


def test_given_damage_then_position_and_reason_are_told(tmp_path: Path) -> None:
    ends = boundaries()
    path = tmp_path / "x.nbspy"
    path.write_bytes(WHOLE[: ends[4]] + b"\x03\0\0\0abc" + WHOLE[ends[4] :])
    with pytest.warns(UserWarning, match=f"damaged at byte {ends[4]} of {len(WHOLE) + 7}"):
        profile = nbspy.load(path)
    assert profile.notices[-1].text.startswith("This recording is damaged")


def test_given_a_newer_minor_version_then_it_opens_and_what_is_new_is_passed_over() -> None:
    minor = wire.FORMAT_VERSION[1] + 7
    newer = wire.MAGIC
    for body in wire.FrameSplitter().feed(whole(format=(1, minor))):
        newer += framed([*msgspec.msgpack.decode(body), {"new": "field"}]) + framed([77, 0, "a kind of tomorrow"])
    profile, told = load(newer)
    assert told == []
    assert profile.functions() == load(WHOLE)[0].functions()
    assert profile.hello.format == (1, minor)


def framed(fields: list[object]) -> bytes:
    body = msgspec.msgpack.encode(fields)
    return len(body).to_bytes(4, "little") + body


@pytest.mark.parametrize("rest", [["9.1"], ["9.1", 1, "other", "fields"], [], [None]])
def test_given_another_major_version_then_it_is_refused_by_name(rest: list[object]) -> None:
    with pytest.raises(StreamError) as caught:
        importers.read(wire.MAGIC + framed([0, 1, [2, 3], *rest]))
    writer = "nbspy 9.1" if rest[:1] == ["9.1"] else "another nbspy"
    expected = f"written by {writer} in format 2.3, and this nbspy {nbspy.__version__} reads format 1"
    assert expected in caught.value.message
    assert "nbspy that wrote it" in caught.value.help


@pytest.mark.parametrize("data", [wire.MAGIC, wire.MAGIC + b"\x10", wire.MAGIC[:5], b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_given_nothing_to_save_then_it_is_one_clear_error(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(StreamError, match=r"x: ") as caught:
        nbspy.load(tmp_path / "x")
    assert "\n" not in str(caught.value)


# --- the session's part -----------------------------------------------------------------------------------


@pytest.fixture
def fake_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """Make sessions start a fake sampler; return the list of recordings that samplers were told to make."""
    (tmp_path / "stream").write_bytes(WHOLE[: -len(wire.encode(END))])
    asked: list[Path | None] = []

    def command(pid: int, options: object, requested_ns: int, path: Path | None, plan: int | None) -> list[str]:
        asked.append(path)
        return [sys.executable, str(FAKE), "refuses" if pid == 7 else "until-stopped", str(tmp_path / "stream")]

    monkeypatch.setattr(session, "sampler_command", command)
    return asked


def test_given_a_session_then_its_sampler_is_told_where_to_record(place: Path, fake_command: list[Path | None]) -> None:
    with session.attach(1) as running:
        assert running.recording is not None
    with session.attach(1, recording=False) as silent:
        assert silent.recording is None
    assert fake_command == [running.recording, None]
    assert running.profile.notices == ()


def test_given_no_room_for_recordings_then_the_session_runs_and_says_so(
    place: Path, fake_command: list[Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.rmdir()
    place.touch()
    with session.attach(1) as running:
        assert running.recording is None
    (notice,) = running.profile.notices
    assert notice.text.startswith("Nothing is recorded to disk: recordings cannot be kept in ")
    assert fake_command == [None]


def test_given_labels_then_they_are_in_the_recording_too(place: Path, fake_command: list[Path | None]) -> None:
    with session.attach(1) as running:
        assert running.recording is not None
        running.recording.write_bytes(WHOLE)  # as the sampler would
        running.add_labels({"/src/demo.py": "In[3]"})
    running.add_labels({"/src/demo.py": "In[4]"})
    assert nbspy.load(running.recording).labels == {"/src/demo.py": "In[3]"}


def test_given_an_attach_that_fails_then_no_file_is_left(place: Path, fake_command: list[Path | None]) -> None:
    with pytest.raises(NbspyError):
        session.attach(7)
    assert list(place.iterdir()) == []


def test_given_a_full_disk_when_a_label_is_added_then_the_file_stays_whole(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = keep(place, 1)
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: real(file, data[:3]))
        recordings.append(path, b"a whole record")
    assert path.read_bytes() == WHOLE
    recordings.append(place / "missing", b"x")
    assert not (place / "missing").exists()
    monkeypatch.setattr(recordings, "MAX_FILE_BYTES", len(WHOLE))
    recordings.append(path, b"x")
    assert path.read_bytes() == WHOLE
