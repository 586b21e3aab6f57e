"""Names as an attacker would choose them: each would write ``owned`` to the console where it is taken for markup."""

from __future__ import annotations

from typing import Final

from nbspy.model.builder import profile_from_stream
from nbspy.model.profile import Profile
from nbspy.stack_trace import Frame, LocalVariable, ProcessInfo, StackTrace
from nbspy.wire import State
from tests.unit.streams import Run, StreamWriter

OWNED: Final = "console.log('owned')"
NAMES: Final = {
    "script": f"<script>{OWNED}</script>",
    "image": f'<img src=x onerror="{OWNED}">',
    "svg": f"<svg onload={OWNED}><set attributeName=onmouseover to={OWNED}></svg>",
    "double quote": f'" onmouseover="{OWNED}" autofocus onfocus="{OWNED}',
    "single quote": f"' onload='{OWNED}' x='",
    "end of script": f"</script><script>{OWNED}</script>",
    "end of style": f"</style><script>{OWNED}</script>",
    "end of title": f"</title><script>{OWNED}</script>",
    "end of comment": f"--><script>{OWNED}</script><!--",
    "end of cdata": f"]]><script>{OWNED}</script><![CDATA[",
    "entity": "&lt;script&gt;&#x22;&apos;&unknown;",
    "frame": f'<iframe srcdoc="<script>parent.{OWNED}</script>"></iframe>',
    "template": "{{7*7}} ${7*7} %(x)s %s {0} `x`",
    "address": f"javascript:{OWNED}",
    "rich": "[bold red]x[/] [link=http://x]y[/link]",
    "escape": "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x9b31m",
    "control": "".join(map(chr, range(32))) + "\x7f" + "".join(map(chr, range(0x80, 0xA0))),
    "right to left": "\u202egnp.exe\u202c \u2066x\u2069 \u200f\u061c",
    "line separators": "a\u2028b\u2029c\x85d\r\ne",
    "no character": "\ufffe\uffff\ufeff\x00",
    "surrogates": "a\ud800b\udfffc",
    "long": "x" * (1 << 20),
    "long and wide": "\U0001f40d" * (1 << 18),
}


def profile() -> Profile:
    """Return a profile in which each of :data:`NAMES` is a function, a file, a thread and the command line."""
    names = list(NAMES.values())
    writer = StreamWriter([f"t{number}" for number in range(len(names))])
    runs = [
        Run(f"f{i}@s{i}:{i + 1};inner", i, 0, 10, int(State.ACTIVE | (State.GIL if i % 2 else 0)))
        for i in range(len(names))
    ]
    made = profile_from_stream(writer.add(runs).stream())
    # Written into the tables: no stream carries a lone surrogate, but an importer may.
    for place, text in enumerate(made.tables.strings):
        if text[:1] in ("f", "s") and text[1:].isdigit():
            made.tables.strings[place] = names[int(text[1:])]
    threads = tuple(
        type(thread)(thread.id, thread.process, thread.os_thread_id, thread.thread_id, name, 0)
        for thread, name in zip(made.threads, names, strict=True)
    )
    return Profile(
        hello=made.hello, tables=made.tables, runs=made.runs, run_count=len(made.runs), threads=threads,
        processes=made.processes, labels={}, status=made.status, end=made.end,
    )  # fmt: skip


def traces() -> list[StackTrace]:
    """Return a stack trace for each name, which is all the text in it, cut as what reads a target cuts it."""
    return [
        StackTrace(
            1, number, name, number, True, False,
            (Frame(name, name, name, name, 3, (LocalVariable(name, 1, True, name),)),),
            ProcessInfo(1, name, ProcessInfo(0, name)),
        )
        for number, name in enumerate((name[:4096] for name in NAMES.values()), 1)
    ]  # fmt: skip
