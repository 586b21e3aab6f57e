"""The screen of ``nbspy top``: what keys do, and the lines that are shown. Knows no terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rich.text import Text

from nbspy.plain_text import printable, shorten
from nbspy.views.top_table import Row, Sort, TopCounts

MIN_WIDTH: Final = 20
_HELP: Final = (
    "1  order by own share of the last second",
    "2  order by total share of the last second",
    "3  order by own time since the beginning",
    "4  order by total time since the beginning",
    "l  lines or functions",
    "t  only threads whose name has a text in it, or whose id it is (pid 42: of that process)",
    "/  only functions with a text in their name or file",
    "p  or space: pause; the sampling goes on",
    "r  reset: count the times anew",
    "q  end",
    "",
    "Own: in the function itself. Total: in it and all that it calls.",
    "100 % is one thread that does nothing else. Waiting threads count with --idle.",
)
_PROMPTS: Final = {"/": "search", "t": "thread"}
_ENTER: Final = ("\r", "\n")
_RUBOUT: Final = ("\x7f", "\b")
_ESCAPE: Final = "\x1b"
_MAX_TYPED: Final = 200


@dataclass(slots=True)
class Screen:
    """What the person has chosen."""

    sort: Sort = Sort.OWN_SHARE
    by_line: bool = False
    paused: bool = False
    help: bool = False
    search: str = ""
    thread: str = ""
    prompt: str = ""
    """ "search" or "thread" while one is typed."""
    quit: bool = False
    reset: bool = False
    """Set by a key; whoever counts takes it back."""

    def press(self, key: str) -> None:
        """Take one key, or an escape sequence, which means nothing here."""
        if self.prompt:
            self._type(key)
        elif self.help:
            self.help = False
        elif key in {sort.value for sort in Sort}:
            self.sort = Sort(key)
        elif key in _PROMPTS:
            self.prompt = _PROMPTS[key]
        elif key == _ESCAPE:
            self.search = self.thread = ""
        else:
            self._switch(key.lower())

    def _switch(self, key: str) -> None:
        if key == "l":
            self.by_line = not self.by_line
        elif key in ("p", " "):
            self.paused = not self.paused
        elif key == "r":
            self.reset = True
        elif key in ("?", "h"):
            self.help = True
        elif key == "q":
            self.quit = True

    def _type(self, key: str) -> None:
        text = getattr(self, self.prompt)
        if key in _ENTER:
            self.prompt = ""
        elif key == _ESCAPE:
            setattr(self, self.prompt, "")
            self.prompt = ""
        elif key in _RUBOUT:
            setattr(self, self.prompt, text[:-1])
        elif len(key) == 1 and key.isprintable() and len(text) < _MAX_TYPED:
            setattr(self, self.prompt, text + key)


def lines(counts: TopCounts, screen: Screen, title: str, state: str, width: int, height: int) -> list[Text]:
    """Return the lines that fill a terminal of this size, at most ``height`` of at most ``width`` characters.

    ``title`` says what is sampled, ``state`` how it goes: figures, or that it has ended.
    """
    width = max(width, MIN_WIDTH)
    header = counts.header()
    figures = (
        f"GIL {header.gil_share:4.0%}   active {header.active_share:4.0%}"
        f"   threads {header.threads}   processes {header.processes}"
    )
    top = [Text(shorten(printable(title), width), style="bold"), Text(shorten(state, width)), Text(figures[:width])]
    if screen.help:
        body = [Text(), *(Text(shorten(line, width)) for line in _HELP)]
    else:
        room = max(0, height - len(top) - 2)
        rows = counts.rows(sort=screen.sort, by_line=screen.by_line, thread=screen.thread, search=screen.search)
        body = [_heading(screen, width), *(_line(row, screen, width) for row in rows[:room])]
        if not rows:
            body.append(Text(_nothing(screen), style="dim"))
    shown = [*top, *body][: max(1, height - 1)]
    shown += [Text()] * (height - 1 - len(shown))
    page = [*shown, _footer(screen, counts, width)][:height]
    for line in page:
        line.truncate(width)  # by cells: some characters take two
    return page


def _heading(screen: Screen, width: int) -> Text:
    text = Text(style="reverse")
    for sort, label in zip(Sort, ("%Own", "%Total", "OwnTime", "TotalTime"), strict=True):
        column = f"{label:>9} "
        text.append(column, style="bold underline" if sort is screen.sort else "")
    text.append("Line" if screen.by_line else "Function")
    text.truncate(width)
    text.pad_right(max(0, width - text.cell_len))
    return text


def _line(row: Row, screen: Screen, width: int) -> Text:
    text = Text(no_wrap=True)
    text.append(f"{row.own_share:>9.1%} ", style="bold red" if row.own_share >= 0.5 else "")
    text.append(f"{row.total_share:>9.1%} ")
    text.append(f"{_seconds(row.own_s):>9} ")
    text.append(f"{_seconds(row.total_s):>9} ")
    room = width - text.cell_len
    place = f" ({row.place})"
    if len(row.name) + len(place) > room:  # the name says more than the whole of its place
        place = f" ({shorten(row.place, max(8, room // 2 - 3))})"
    text.append(shorten(row.name, max(4, room - len(place))), style="reverse" if screen.search else "bold")
    text.append(place, style="cyan")
    text.truncate(width)
    return text


def _nothing(screen: Screen) -> str:
    if screen.search or screen.thread:
        return "  nothing fits; Esc clears the filters"
    return "  no thread has been active (--idle counts those that wait)"


def _footer(screen: Screen, counts: TopCounts, width: int) -> Text:
    if screen.prompt:
        return Text(shorten(f"{screen.prompt}: {getattr(screen, screen.prompt)}_", width), style="reverse")
    parts = [f"search {screen.search!r}"] if screen.search else []
    if screen.thread:
        parts.append(f"threads {screen.thread!r} ({counts.threads_that_fit(screen.thread)})")
    if screen.paused:
        parts.append("PAUSED")
    keys = "q end  ? help  1-4 order  l lines  t threads  / search  p pause  r reset"
    return Text(shorten("   ".join([*parts, keys]), width), style="reverse")


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f}s" if seconds < 1000 else f"{seconds / 60:.0f}m"
