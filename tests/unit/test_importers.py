"""Reading profiles: what is written comes back, other profilers' files are read, damage is one clear line."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbspy
from nbspy import exporters, importers
from nbspy.errors import NbspyError, StreamError, UsageError
from nbspy.model.builder import profile_from_stream
from nbspy.model.encoding import stream_of
from nbspy.model.profile import Profile
from nbspy.options import ContentOptions
from nbspy.wire import State
from tests.unit.streams import Run, StreamWriter, profile_of

DATA = Path(__file__).parents[1] / "data"
ACTIVE, GIL, IDLE = int(State.ACTIVE), int(State.ACTIVE | State.GIL), 0
THREADS = ("MainThread", "w;1", "")


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Return a profile as a sampler makes it: the runs of a thread do not overlap."""
    runs = []
    for thread in range(3):
        at_us = 0
        for _ in range(draw(st.integers(0, 6))):
            at_us += draw(st.sampled_from([0, 0, 50_000]))
            stack = draw(st.lists(st.sampled_from(["a@x.py:3", "b@x.py:4", "c@y.py:5"]), min_size=1, max_size=5))
            weight_us = draw(st.integers(1, 90_000))
            state = draw(st.sampled_from([ACTIVE, GIL, IDLE]))
            runs.append(Run(";".join(stack), thread, at_us, draw(st.integers(1, 9)), state, weight_us))
            at_us += weight_us
    return StreamWriter(THREADS).add(runs).profile()


def written(profile: Profile, name: str, **options: bool) -> bytes:
    stream = io.BytesIO()
    exporters.get(name).write(profile, stream, ContentOptions(**options))
    return stream.getvalue()


def stacks(profile: Profile, *, with_lines: bool = True) -> dict[tuple[object, ...], list[int]]:
    """Return [samples, ns] for each thread and stack that has samples."""
    sums: dict[tuple[object, ...], list[int]] = {}
    for stack in profile.stacks():
        frames = tuple((f.name, f.short_file, f.line if with_lines else 0) for f in stack.frames)
        total = sums.setdefault((stack.thread.shown_name, *frames), [0, 0])
        total[0] += stack.count
        total[1] += stack.weight_ns
    return sums


def timeline(profile: Profile) -> list[tuple[object, ...]]:
    runs = profile.runs
    columns = (runs.thread, runs.start_ns, runs.state, runs.count, runs.weight_us)
    return sorted((profile.threads[thread].shown_name, *rest) for thread, *rest in zip(*columns, strict=True))


@given(profiles())
def test_given_a_recording_when_read_back_then_it_is_equal(profile: Profile) -> None:
    again = importers.read(written(profile, "nbspy"))
    assert (stacks(again), timeline(again), again.hello) == (stacks(profile), timeline(profile), profile.hello)


@given(profiles())
def test_given_speedscope_when_read_back_then_counts_times_and_states_are_there(profile: Profile) -> None:
    again = importers.read(written(profile, "speedscope", idle=True))
    assert stacks(again) == stacks(profile)
    assert timeline(again) == timeline(profile)
    assert again.hello.pid == profile.hello.pid


@given(profiles())
def test_given_pprof_when_read_back_then_counts_and_times_are_there(profile: Profile) -> None:
    again = importers.read(written(profile, "pprof", idle=True))
    assert stacks(again) == stacks(profile)
    assert {thread.process.pid for thread in again.threads} <= {42}


@given(profiles())
def test_given_collapsed_stacks_when_read_back_then_counts_are_there(profile: Profile) -> None:
    if not profile.thread_sample_count:
        with pytest.raises(StreamError, match="the file is empty"):
            importers.read(written(profile, "collapsed", idle=True))
        return
    again = importers.read(written(profile, "collapsed", idle=True, threads=True))
    counts = {key: samples for key, (samples, _) in stacks(again).items()}
    assert counts == {key: samples for key, (samples, _) in stacks(profile).items()}


@given(profiles(), st.sampled_from(["nbspy", "speedscope", "pprof", "collapsed"]), st.data())
def test_given_any_damage_then_it_is_a_profile_or_one_clear_line(
    profile: Profile, name: str, data: st.DataObject
) -> None:
    whole = bytearray(written(profile, name, idle=True))
    if name == "pprof":
        whole = bytearray(gzip.decompress(whole))
    for _ in range(data.draw(st.integers(0, 3))):
        if whole:
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    del whole[data.draw(st.integers(0, len(whole))) :]
    read = read_or_refused(bytes(whole))
    if isinstance(read, Profile):
        assert profile_from_stream(stream_of(read)).thread_sample_count == read.thread_sample_count
    else:
        assert "\n" not in read


@given(profiles(), st.booleans(), st.data())
def test_given_a_damaged_page_then_it_is_a_profile_or_one_clear_line(
    profile: Profile, inside: bool, data: st.DataObject
) -> None:
    """``inside``: the damage is in the recording, not in its packing."""

    def damaged(content: bytes) -> bytes:
        changed = bytearray(content)
        for _ in range(data.draw(st.integers(1, 3))):
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
        del changed[data.draw(st.integers(1, len(changed))) :]
        return bytes(changed)

    stream = stream_of(profile)
    packed = base64.b64encode(zlib.compress(damaged(stream) if inside else stream))
    opened, closed = b'<script type="application/octet-stream" id="nbspy-data">', b"</script>"
    page = b"<!DOCTYPE html>" + opened + (packed if inside else damaged(packed)) + closed
    read = read_or_refused(page)
    assert isinstance(read, Profile) or "\n" not in read


def read_or_refused(data: bytes) -> Profile | str:
    try:
        return importers.read(data)
    except StreamError as err:
        return err.message


COMMAND = '71:"python -c \nimport x; print(f(1); 2)\n"'
PY_SPY = f"""\
process {COMMAND};thread (71): MainThread;<module> (<string>:6);work (app.py:5) 62
process {COMMAND};thread (84): worker x;Thread.run (threading.py:982);work (app.py:5) 59
"""
CPYTHON = """\
tid:31727;<frozen runpy>:_run_code:87;g.py:<module>:7;g.py:f:3 1999
tid:31727;<frozen runpy>:_run_code:87;g.py:<module>:7 5
"""


def test_given_py_spys_raw_with_processes_and_threads_then_each_is_told_apart() -> None:
    profile = importers.read(PY_SPY.encode())
    (process,) = profile.processes
    assert (process.pid, process.command_line) == (71, "python -c \nimport x; print(f(1); 2)\n")
    assert [(thread.name, thread.os_thread_id) for thread in profile.threads] == [("MainThread", 71), ("worker x", 84)]
    assert [(f.name, f.short_file, f.self_samples) for f in profile.top(1)] == [("work", "app.py", 121)]


def test_given_cpythons_collapsed_then_names_files_and_lines_are_told_apart() -> None:
    profile = importers.read(CPYTHON.encode())
    assert [(thread.os_thread_id, thread.name) for thread in profile.threads] == [(31727, "")]
    (longest,) = (stack for stack in profile.stacks() if stack.count == 1999)
    assert [(f.file, f.name, f.line) for f in longest.frames] == [
        ("<frozen runpy>", "_run_code", 87),
        ("g.py", "<module>", 7),
        ("g.py", "f", 3),
    ]
    assert "have no times" in profile.notices[0].text


def test_given_other_tools_collapsed_stacks_then_a_frame_is_a_name() -> None:
    profile = importers.read(b"# a comment\r\nstart_thread;std::sort(int*, int*);[libc.so]  3\r\n\r\nmain 0\n")
    (stack,) = profile.stacks()
    assert [frame.name for frame in stack.frames] == ["start_thread", "std::sort(int*, int*)", "[libc.so]"]
    assert stack.count == 3


def speedscope(*profiles: dict[str, object], **extra: object) -> bytes:
    frames = [{"name": "main", "file": "/usr/lib/python3.13/json/decoder.py", "line": 3}, {"name": "b"}]
    return json.dumps({"$schema": "", "shared": {"frames": frames}, "profiles": profiles, **extra}).encode()


def evented(*events: tuple[str, int, float]) -> dict[str, object]:
    rows = [{"type": kind, "frame": frame, "at": at} for kind, frame, at in events]
    return {"type": "evented", "name": "t", "unit": "seconds", "startValue": 0, "endValue": 9, "events": rows}


def sampled(**changes: object) -> dict[str, object]:
    made = {"samples": [[0], [0, 1], []], "weights": [0.5, 1.5, 1], "startValue": 2, "endValue": 5}
    return {"type": "sampled", "name": "t", "unit": "milliseconds", **made, **changes}


def test_given_anothers_sampled_profile_then_samples_count_once_and_empty_ones_are_gaps() -> None:
    profile = importers.read(speedscope(sampled(), name="a tool"))
    assert timeline(profile) == [("t", 2_000_000, ACTIVE, 1, 500), ("t", 2_500_000, ACTIVE, 1, 1500)]
    assert profile.hello.command_line == "a tool"
    assert profile.top(1)[0].name == "b"
    assert profile.frame(0).short_file == "json/decoder.py"


def test_given_an_evented_profile_then_stretches_between_events_are_samples() -> None:
    events = [("O", 0, 1), ("O", 1, 1.5), ("C", 1, 2), ("C", 0, 4)]
    profile = importers.read(speedscope(evented(*events)))
    assert timeline(profile) == [
        ("t", 1_000_000_000, ACTIVE, 1, 500_000),
        ("t", 1_500_000_000, ACTIVE, 1, 500_000),
        ("t", 2_000_000_000, ACTIVE, 1, 2_000_000),
    ]


def test_given_a_unit_that_is_no_time_then_a_notice_says_what_is_shown() -> None:
    profile = importers.read(speedscope(sampled(unit="bytes")))
    assert "counts in bytes" in profile.notices[0].text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"%PDF-1.7\0\xff", "in no format that is known"),
        (b"Dear reader,\nthis is a letter.\n", "in no format that is known"),
        (b"a;b 3\na;b\n", "line 2 is no collapsed stack"),
        (b'process 7:"x\n', "cut short"),
        (b"a 99999999999\n", "line 1 of the collapsed stacks: .*out of range"),
        (b"\x1f\x8b\x08\0", "cut short"),
        (gzip.compress(b"a;b 3\n", mtime=0)[:-6], "cut short"),
        (b"\x1f\x8bgarbage", "damaged"),
        (b'{"traceEvents":[]}', "Chrome trace events, which nbspy writes but does not read"),
        (b'{"meta":{"preprocessedProfileVersion":1}}', "a profile for the Firefox Profiler"),
        (b'{"profiles":[],"shared":', "damaged or cut short"),
        (b'{"profiles":[{}],"shared":{"frames":[]}}', "not as its schema says"),
        (b"<!DOCTYPE html><p>", "holds no nbspy recording"),
        (speedscope(sampled(weights=[1])), "3 samples with 1 weights"),
        (speedscope(sampled(samples=[[0], [7], []])), "not as its schema says"),
        (speedscope(sampled(samples=[[0], [-1], []])), "has -1 for a frame"),
        (speedscope(sampled(weights=[1, 1e300, 1])), "out of range"),
        (speedscope(sampled(weights=[1, "x", 1])), "has 'x' for a time"),
        (speedscope(evented(("O", 0, 2), ("C", 0, 1))), "not in the order of time"),
        (speedscope(evented(("O", 0, 1), ("C", 1, 2))), "not the innermost"),
        (b"\x0a\x02\x10\x01\x32\x00", "not a pprof profile, or a damaged one: string 1 is used"),
        (b"\x0a\x7f\x00", "longer than its message"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_given_a_foreign_or_damaged_file_then_one_line_says_so(data: bytes, words: str) -> None:
    with pytest.raises(StreamError, match=words):
        importers.read(data)


def test_given_a_file_that_unpacks_without_end_then_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importers.source, "MAX_BYTES", 1000)
    with pytest.raises(StreamError, match="more than"):
        importers.read(gzip.compress(b"a;b 3\n" * 1000))


def test_given_deep_json_then_it_is_refused() -> None:
    with pytest.raises(StreamError, match="damaged or cut short"):
        importers.read(b'{"profiles":' + b"[" * 200_000 + b'"shared"')


def test_given_a_pprof_of_another_writer_without_counts_then_the_period_gives_them() -> None:
    from nbspy.exporters.protobuf import data, number, numbers, text

    sample_type = data(1, number(1, 1) + number(2, 2))
    strings = b"".join(text(6, one) for one in ("", "cpu", "microseconds", "f"))
    inlined = data(4, number(1, 1) + data(4, number(1, 1)) + data(4, number(1, 2)))
    functions = data(5, number(1, 1) + number(2, 3)) + data(5, number(1, 2) + number(2, 1))
    samples = data(2, number(1, 1) + number(2, 40_000)) + data(2, numbers(1, [1]) + numbers(2, [-1]))
    period = data(11, number(1, 1) + number(2, 2)) + number(12, 10_000)
    profile = importers.read(sample_type + samples + inlined + functions + strings + period)
    (stack,) = profile.stacks()
    assert (stack.count, stack.weight_ns) == (4, 40_000_000)
    assert [frame.name for frame in stack.frames] == ["cpu", "f"], "the first line of a location is the innermost"


# Files


def test_given_a_suffix_when_saved_and_loaded_then_the_format_follows(tmp_path: Path) -> None:
    profile = profile_from_stream((DATA / "small.nbspy").read_bytes())
    for name in ("x.nbspy", "x.html", "x.speedscope.json", "x.pb.gz", "x.txt"):
        path = profile.save(tmp_path / name, idle=True)
        assert nbspy.load(path).thread_sample_count == profile.thread_sample_count
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert profile.save(tmp_path / "y.json", "jsonl").read_bytes().startswith(b'{"type":"meta"')
    with pytest.raises(UsageError, match=r"'z.json' does not tell the format"):
        profile.save(tmp_path / "z.json")


def test_given_a_file_that_cannot_be_written_then_none_is_left(tmp_path: Path) -> None:
    profile = profile_of(Run("a"))
    with pytest.raises(NbspyError, match=r"cannot write .*No such file"):
        profile.save(tmp_path / "no" / "x.nbspy")
    (tmp_path / "x.nbspy").write_text("before")
    with pytest.raises(UsageError):
        profile.save(tmp_path / "x.nbspy", "jpeg")
    with pytest.raises(NbspyError, match="cannot read"):
        nbspy.load(tmp_path / "missing")
    assert (tmp_path / "x.nbspy").read_text() == "before"
    with pytest.raises(StreamError, match=r"x\.nbspy: the file is in no format"):
        nbspy.load(tmp_path / "x.nbspy")
    assert Counter(path.name for path in tmp_path.iterdir()) == {"x.nbspy": 1}
