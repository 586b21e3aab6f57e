"""Several processes in one profile: selected, told apart or merged, and written so."""

from __future__ import annotations

import io
import re

import pytest

from nbspy import exporters, importers, wire
from nbspy.errors import UsageError
from nbspy.model.builder import profile_from_stream
from nbspy.model.encoding import stream_of
from nbspy.model.profile import Profile
from nbspy.options import ContentOptions
from nbspy.wire import FrameFlag

from .streams import Run, StreamWriter


@pytest.fixture
def profile() -> Profile:
    """Two processes that do the same, one of them something besides."""
    writer = StreamWriter(("MainThread",))
    rows = [wire.ProcessRow(1, 77, 42, "python; 'demo'.py " + "x" * 400, 5, 9, "3.12.1")]
    writer.records.append(wire.Processes(9, rows))
    writer.records.append(wire.Threads(10, [wire.ThreadRow(1, 1, 2000, 7, "MainThread", 0)]))
    writer.add([Run("main;work", count=3), Run("main;work", thread=1, count=2), Run("", thread=1), Run("", thread=0)])
    writer.add([Run("main", thread=1, count=4)])
    return writer.profile()


def text(profile: Profile, options: ContentOptions, name: str = "collapsed") -> str:
    stream = io.BytesIO()
    exporters.get(name).write(profile, stream, options)
    return stream.getvalue().decode()


def test_given_a_pid_when_selected_then_only_its_samples_are_there(profile: Profile) -> None:
    assert profile.select(processes=77).thread_sample_count == 7
    assert profile.select(processes=[profile.processes[0]]).thread_sample_count == 4
    assert profile.select(processes=profile.processes[1], threads=profile.threads[1]).thread_sample_count == 7
    assert profile.select(processes=[42, 77], threads=2000).thread_sample_count == 7
    assert profile.select(processes=42, threads=2000).thread_sample_count == 0
    with pytest.raises(UsageError, match=r"no process fits 5: processes are 42, 77"):
        profile.select(processes=5)


def test_given_several_processes_when_told_apart_then_each_stack_begins_with_its_own(profile: Profile) -> None:
    apart = profile.told_apart()
    stacks = {
        (stack.thread.process.pid, *(frame.name for frame in stack.frames)): stack.count for stack in apart.stacks()
    }
    second = "process 77: python; 'demo'.py "
    assert {(pid, name[: len(second)], *rest): count for (pid, name, *rest), count in stacks.items()} == {
        (42, "process 42: python demo.py", "main", "work"): 3,
        (42, "process 42: python demo.py"): 1,
        (77, second, "main", "work"): 2,
        (77, second, "main"): 4,
        (77, second): 1,
    }
    assert max(len(name) for _, name, *_ in stacks) <= 140
    (root,) = {stack.frames[0].flags for stack in apart.stacks()}
    assert root == FrameFlag.SYNTHETIC
    assert apart.thread_sample_count == profile.thread_sample_count
    assert {row.name for row in profile.functions()} == {"main", "work"}, "the profile itself is as it was"
    tree = apart.call_tree()
    assert [apart.frame(tree.frame[row]).name.partition(":")[0] for row in tree.children(0)] == [
        "process 77",
        "process 42",
    ]


def test_given_collapsed_stacks_then_processes_are_told_apart_or_merged(profile: Profile) -> None:
    apart = text(profile, ContentOptions()).splitlines()
    assert apart[0] == "process 42: python demo.py;main (demo.py:1);work (demo.py:1) 3"
    assert len(apart) == 3
    assert r"process 77: python\x3b 'demo'.py" in apart[1]
    assert (
        text(profile, ContentOptions(merge_processes=True))
        == "main (demo.py:1) 4\nmain (demo.py:1);work (demo.py:1) 5\n"
    )
    with_threads = text(profile, ContentOptions(threads=True)).splitlines()
    assert with_threads[1].startswith("process 42: python demo.py;thread (1000): MainThread;main")
    assert "process 42: python demo.py" in text(profile, ContentOptions(), "flamegraph")
    assert "process 42: python demo.py" not in text(profile, ContentOptions(merge_processes=True), "flamegraph")


def test_given_collapsed_stacks_when_they_are_read_then_the_processes_are_those(profile: Profile) -> None:
    read = importers.read(text(profile, ContentOptions()).encode())
    assert sorted(process.pid for process in read.processes) == [42, 77]
    assert read.select(processes=77).thread_sample_count == 6


def test_given_a_stream_made_anew_then_what_it_says_of_processes_is_the_same(profile: Profile) -> None:
    again = profile_from_stream(stream_of(profile))
    assert again.processes == profile.processes
    assert (again.processes[1].started_ns, again.processes[1].ended_ns, again.processes[1].python_version) == (
        5,
        9,
        "3.12.1",
    )
    merged = profile.merge(profile)
    assert [process.python_version for process in merged.processes] == ["", "3.12.1"]


def test_given_several_processes_then_the_summary_tells_whose_the_threads_are(profile: Profile) -> None:
    summary = profile.summary()
    assert "2 processes" in summary
    assert summary.count("MainThread") == 2
    assert re.search(r"^ *77 +MainThread", summary, re.MULTILINE)


def test_given_a_process_that_is_renamed_then_its_threads_are_of_the_new_name(profile: Profile) -> None:
    writer = StreamWriter(("MainThread",)).add([Run("main")])
    writer.records.append(wire.Processes(9, [wire.ProcessRow(0, 42, 1, "gunicorn: worker", 0, 99)]))
    (thread,) = writer.profile().threads
    assert (thread.process.command_line, thread.process.ended_ns) == ("gunicorn: worker", 99)
