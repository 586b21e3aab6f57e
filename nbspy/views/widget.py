"""The explorer: the live view of a session as a notebook widget.

This is the Python half, and a thin one: it hands the bundle and the stream's bytes to the browser, which
does everything else. Traits are set from the main thread only; the stream goes out as custom messages from
the relay's thread (see :mod:`nbspy.views.relay`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.resources import files
from typing import Any, Final

import anywidget
import traitlets

from nbspy.byte_log import ByteLog
from nbspy.errors import NbspyError, UsageError
from nbspy.model.builder import profile_from_stream
from nbspy.model.encoding import stream_of
from nbspy.model.profile import Profile
from nbspy.model.summary import headline
from nbspy.model.tables import ThreadInfo
from nbspy.views.relay import MESSAGE_BYTES, Relay, RelayCounters, Stream
from nbspy.views.view_settings import TABS, Tab, selected, with_rule, with_selection

CLOSED_ESM: Final = """export default { render({ model, el }) {
  const note = document.createElement("p");
  note.textContent = "This page was loaded anew while the cell ran: the notebook's file does not keep this picture. "
    + "The menu ⋯ saves it as a page; the cell, run again, puts it into the notebook.";
  el.append(note);
  const show = (message) => {
    if (message.type !== "saved") return;
    const frame = document.createElement("iframe");
    frame.title = "nbspy";
    frame.sandbox = "allow-scripts allow-downloads";
    frame.style = "width:100%;box-sizing:border-box;border:1px solid #8884;border-radius:6px";
    frame.style.height = `${model.get("height")}px`;
    frame.srcdoc = message.page;
    el.replaceChildren(frame, note);
  };
  model.on("msg:custom", show);
  model.send({ type: "request", offset: 0 });
  return () => model.off("msg:custom", show);
} };"""
"""What a finished explorer is, and leaves in the saved widget state instead of a copy of the bundle.

A page that was loaded anew while the cell ran does not know which output is to be replaced by the saved form: it asks
for the widget once the kernel is free, and is given the saved page.
"""


def bundle() -> str:
    """Return the widget's js bundle; raises :class:`NbspyError` where the installation lacks it."""
    try:
        return files("nbspy").joinpath("static", "widget.js").read_text(encoding="utf-8")
    except OSError as err:
        raise NbspyError(
            "the explorer's script nbspy/static/widget.js is missing", "reinstall nbspy, or build it: make bundle"
        ) from err


class Explorer(anywidget.AnyWidget):
    """A live view of one stream: call trees, threads, timeline.

    It may be shown any number of times: all views share one model, so the stream is sent once. A view that
    missed bytes sends ``{"type": "request", "offset": K}`` and gets everything from ``K`` on, as soon as the
    kernel can listen.

    What a view is set to can be read and set here: ``explorer.focus("decode")``, ``explorer.select(time=(0, 10**9))``,
    ``explorer.selection``. Setting works at once, also while a cell runs. What was clicked in the browser is known
    here when the kernel is idle again: a busy kernel hears nobody.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int(420, min=120, max=4000, help="Height of the view in pixels.").tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], default_value="auto").tag(sync=True)
    view = traitlets.Dict(help="What the view is set to: see nbspy/views/view_settings.py.").tag(sync=True)

    def __init__(
        self, stream: Stream, *, profile: Callable[[], Profile] | None = None, summary: str = "", **traits: Any
    ) -> None:
        """``profile`` gives what was seen so far; None: it is read from the stream."""
        super().__init__(_esm=bundle(), **traits)
        self._summary = summary
        self._finished = False
        self._saved: Callable[[], str] | None = None
        self.shown_late = False
        """Whether a view was given the saved page: it would go with the model."""
        self._stream = stream
        self._read_profile = profile or (lambda: profile_from_stream(stream.read(0, stream.size)))
        self._other: bytes | None = None
        self._relay = Relay(stream, self.send)
        self._times_set = 0
        """How often the view was set from here: it is told what it wrote to be known as older or newer."""
        self._last_set: dict[str, Any] = {}
        self.on_msg(self._answer)

    @property
    def counters(self) -> RelayCounters:
        """What the relay sent, and what it cost."""
        return self._relay.counters

    # What is seen

    @property
    def profile(self) -> Profile:
        """All that was seen so far."""
        return self._read_profile()

    @property
    def selection(self) -> Profile:
        """The profile of what the view shows: its time, threads and states, and of stacks in focus.

        Threads that are idle for more than 99 % of that time are left out, as there: see :meth:`select`.

        It knows what was clicked up to the last moment in which the kernel was idle.
        """
        return selected(self.profile, self.view)

    def select(
        self,
        *,
        threads: Iterable[ThreadInfo | int | str] | int | str | None = None,
        time: tuple[int, int] | None = None,
        states: str | None = None,
        idle_threads: bool = False,
    ) -> None:
        """Show a part: threads by row, OS id or name; ``time`` in ns; ``states`` as ``active``, ``gil``, ...

        None means all; but of all threads those that are idle for more than 99 % of that time are left out, where
        others are not and ``idle_threads`` does not ask for them. Raises :class:`UsageError` for what there is none of.
        """
        self._set(with_selection(self.view, self.profile, threads, time, states, idle_threads))

    def focus(self, *functions: str) -> None:
        """Show only stacks through ``functions``, from there on."""
        self._set(with_rule(self.view, "focus", functions))

    def hide(self, *functions: str) -> None:
        """Leave ``functions`` out: their time becomes their callers'."""
        self._set(with_rule(self.view, "hide", functions))

    def drop(self, *functions: str) -> None:
        """Leave out all stacks through ``functions``."""
        self._set(with_rule(self.view, "drop", functions))

    def collapse(self, *functions: str) -> None:
        """Count what ``functions`` call as their own time."""
        self._set(with_rule(self.view, "collapse", functions))

    def show(self, tab: Tab, function: str | None = None) -> None:
        """Open a tab; the sandwich and the source of ``function``."""
        if tab not in TABS:
            raise UsageError(f"no tab is called {tab!r}", f"tabs are {', '.join(TABS)}")
        subject = {} if function is None else {"subject": {"name": function, "file": "", "line": 0}}
        self._set({**self.view, **subject, "tab": tab})

    def search(self, text: str) -> None:
        """Search for text, ``file:line``, or a regular expression between slashes."""
        self._set({**self.view, "query": text})

    def reset(self) -> None:
        """Show everything, as at first."""
        self._set({})

    def compare(self, before: Profile | None) -> None:
        """Show what changed since the profile ``before``; None ends that."""
        self._other = None if before is None else stream_of(before)
        self._send_other()

    # What the browser hears

    def start(self, on_end: Callable[[], None] | None = None) -> None:
        """Begin to send the stream; ``on_end`` is called, from the relay's thread, when all of it is sent.

        Call it after the first display: nobody hears what is sent before.
        """
        self._relay.start(on_end)

    def finish(self, saved: Callable[[], str] | None = None) -> None:
        """Send no more, and drop the bundle; main thread only. Replace the views first: they go blind.

        ``saved`` makes the page that a view is given which comes back later.
        """
        self._finished, self._saved = True, saved
        self._relay.stop()
        self._esm = CLOSED_ESM

    def _set(self, settings: dict[str, Any]) -> None:
        # Views follow what is set here, and not what one of them wrote.
        self._times_set += 1
        self._last_set = {**settings, "set": self._times_set}
        self._last_set.pop("by_view", None)
        self.view = self._last_set

    @traitlets.observe("view")
    def _keep_what_was_set_last(self, change: Any) -> None:
        """What a view wrote before it had what was set here may come here after that: then it does not count."""
        if "by_view" in change["new"] and change["new"].get("set", 0) != self._times_set:
            self.view = self._last_set

    def _send_other(self) -> None:
        data = self._other or b""
        for offset in range(0, max(1, len(data)), MESSAGE_BYTES):
            piece = data[offset : offset + MESSAGE_BYTES]
            self.send({"type": "compare", "offset": offset, "total": len(data)}, [piece])

    def _answer(self, _widget: object, content: object, _buffers: object) -> None:
        if not isinstance(content, dict) or content.get("type") != "request":
            return
        if self._finished:
            if self._saved is not None:
                self.shown_late = True
                self.send({"type": "saved", "page": self._saved()})
            return
        offset = content.get("offset")
        if isinstance(offset, bool) or not isinstance(offset, int):
            return
        if self._relay.running:
            self._relay.rewind(offset)
        else:
            self._relay.send_from(offset)
        if offset == 0 and self._other is not None:
            self._send_other()

    def __repr__(self) -> str:
        return self._summary or "nbspy explorer"


def explore(profile: Profile, *, height: int = 420, theme: str = "auto") -> Explorer:
    """Return an explorer of a profile that is whole; see :meth:`nbspy.Profile.explore`."""
    stream = ByteLog()
    stream.append(stream_of(profile.with_sources()))
    stream.close()
    return Explorer(stream, profile=lambda: profile, summary=headline(profile), height=height, theme=theme)
