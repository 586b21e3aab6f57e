"""Collapsed stacks, the text format of flame graph tools: ``root;...;leaf count``, one line a distinct stack.

A frame is ``name (file:line)``. Where there are several processes, the first frame is ``process PID: COMMAND``. Counts
are thread samples. Lines are sorted, so that two files can be compared.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import BinaryIO, Final

from nbspy.exporters.format import Exporter, chosen
from nbspy.model.process_frames import process_text
from nbspy.model.profile import Profile
from nbspy.model.tables import FrameInfo, ThreadInfo
from nbspy.options import ContentOptions
from nbspy.plain_text import call_site


def write_collapsed(profile: Profile, stream: BinaryIO, options: ContentOptions) -> None:
    """Write ``profile`` to ``stream`` in UTF-8."""

    @cache
    def frame(info: FrameInfo) -> str:
        return frame_text(info, options)

    counts: Counter[str] = Counter()
    several = len(profile.processes) > 1
    for stack in chosen(profile, options).stacks():
        frames = [*roots(stack.thread, options, several=several), *map(frame, stack.frames)]
        if stack.frames or options.threads:  # a thread without Python frames has no line
            counts[";".join(frames)] += stack.count
    for line, count in sorted(counts.items()):
        stream.write(f"{line} {count}\n".encode())


def frame_text(frame: FrameInfo, options: ContentOptions) -> str:
    """Return a frame as the options ask for it, without the format's separator."""
    line = frame.first_line if options.function else frame.line
    file = frame.file if options.full_filenames else frame.short_file
    return _escaped(call_site(frame.name, file, 0 if options.nolineno else line))


def roots(thread: ThreadInfo, options: ContentOptions, *, several: bool) -> list[str]:
    """Return what stands at the root of a thread's stacks: its process, where there are several, and the thread."""
    texts = [_escaped(process_text(thread.process))] if several and not options.merge_processes else []
    return [*texts, thread_text(thread)] if options.threads else texts


def thread_text(thread: ThreadInfo) -> str:
    """Return a thread as the frame at the root of its stacks."""
    text = f"thread ({thread.shown_id})"
    return _escaped(call_site(f"{text}: {thread.name}" if thread.name else text, None, 0))


def _escaped(text: str) -> str:
    return text.replace(";", "\\x3b")


COLLAPSED: Final = Exporter(
    "collapsed",
    ".txt",
    "collapsed stacks for flame graph tools, one line a distinct stack",
    write_collapsed,
    (".folded", ".collapsed", ".raw"),
)
