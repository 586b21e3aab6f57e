"""Several profiles as one: of one process recorded twice, or of several processes recorded at once."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Literal

import msgspec

from nbspy import wire
from nbspy.errors import UsageError
from nbspy.model.assembly import Assembler
from nbspy.model.profile import Profile
from nbspy.model.tables import ThreadInfo

Alignment = Literal["clock", "start"]
_ThreadKey = tuple[int, int | None, int, str, int]


def merge(profiles: Sequence[Profile], align: Alignment = "clock") -> Profile:
    """Return one profile with the samples of all ``profiles``.

    ``align``: ``clock`` puts each at the time of day at which it was recorded, ``start`` lets all begin at 0; where
    a time of day is not known, it is ``start``. Processes are one where pid and command line are equal; threads,
    where process, ids and name are. The counters of the samplers are added up, and what else a header says is said
    by the first.
    """
    if not profiles:
        raise UsageError("nothing to merge", "give at least one profile")
    offsets_ns = _offsets(profiles, align)
    assembler, threads = Assembler(), dict[_ThreadKey, int]()
    labels: dict[str, str] = {}
    notices: list[wire.Notice] = []
    for profile, offset_ns in zip(profiles, offsets_ns, strict=True):
        _add(assembler, threads, profile, offset_ns)
        labels.update(profile.labels)
        notices += [msgspec.structs.replace(notice, time_ns=notice.time_ns + offset_ns) for notice in profile.notices]
    first = profiles[offsets_ns.index(0)].hello
    status = _status(profiles, offsets_ns)
    hello = msgspec.structs.replace(profiles[0].hello, started_unix_ns=first.started_unix_ns)
    return assembler.profile(hello, labels=labels, status=status, notices=notices)


def _offsets(profiles: Sequence[Profile], align: Alignment) -> list[int]:
    """Return for each profile where on the common time its own begins; the earliest begins at 0."""
    if align not in ("clock", "start"):
        raise UsageError(f"align {align!r}", "it is 'clock' or 'start'")
    started = [profile.hello.started_unix_ns for profile in profiles]
    if align == "start" or min(started) <= 0:
        return [0] * len(profiles)
    return [(one - min(started)) // 1000 * 1000 for one in started]


def _add(assembler: Assembler, threads: dict[_ThreadKey, int], profile: Profile, offset_ns: int) -> None:
    nodes = _node_map(assembler, profile)
    thread_ids = [_thread(assembler, threads, thread) for thread in profile.threads]
    runs = profile.runs
    columns = (runs.start_ns, runs.thread, runs.node, runs.state, runs.count, runs.weight_us)
    for start_ns, thread, node, state, count, weight_us in zip(*columns, strict=True):
        assembler.run(
            thread_ids[thread], nodes[node], start_ns + offset_ns, state=state, count=count, weight_us=weight_us
        )


def _thread(assembler: Assembler, threads: dict[_ThreadKey, int], thread: ThreadInfo) -> int:
    of = thread.process
    process = assembler.process(of.pid, of.command_line, of.parent_pid, python_version=of.python_version)
    key = (process.id, thread.os_thread_id, thread.thread_id, thread.name, thread.interpreter)
    if key not in threads:
        threads[key] = assembler.thread(
            process,
            thread.name,
            os_thread_id=thread.os_thread_id,
            thread_id=thread.thread_id,
            interpreter=thread.interpreter,
        )
    return threads[key]


def _node_map(assembler: Assembler, profile: Profile) -> array[int]:
    """Return for each node of ``profile`` its node in the assembler; only frames and nodes in use are taken over."""
    strings, frames, nodes = profile.tables.strings, profile.tables.frames, profile.tables.nodes
    length = len(nodes)
    used = bytearray(length)
    for node in profile.runs.node:
        used[node] = 1
    for node in range(length - 1, 0, -1):
        if used[node]:
            used[nodes.parent[node]] = 1
    frame_ids: dict[int, int] = {}

    def frame(i: int) -> int:
        if i not in frame_ids:
            frame_ids[i] = assembler.frame(
                strings[frames.name[i]],
                strings[frames.file[i]],
                frames.line[i],
                qualname=strings[frames.qualname[i]],
                short_file=strings[frames.short_file[i]],
                module=strings[frames.module[i]],
                first_line=frames.first_line[i],
                flags=frames.flags[i],
            )
        return frame_ids[i]

    mapped = array("I", bytes(4 * length))
    for node in range(1, length):
        if used[node]:
            mapped[node] = assembler.node(mapped[nodes.parent[node]], frame(nodes.frame[node]))
    return mapped


def _status(profiles: Sequence[Profile], offsets_ns: Sequence[int]) -> wire.Status | None:
    """Return the sums of the samplers' counters; None where a profile has none, or is a selection."""
    told = [profile.status for profile in profiles if profile.status is not None and not profile.is_selection]
    if len(told) < len(profiles):
        return None
    sums = {name: sum(getattr(one, name) for one in told) for name in wire.Status.__struct_fields__}
    sums["time_ns"] = max(p.span_ns[1] + offset for p, offset in zip(profiles, offsets_ns, strict=True))
    # Of the stops' distribution no more is known than its worst.
    for name in ("stop_median_ns", "stop_p99_ns"):
        sums[name] = max(getattr(one, name) for one in told)
    return wire.Status(**{**sums, "sequence": 0})
