"""The explorer: the live view of a session as a notebook widget.

This is the Python half, and a thin one: it hands the bundle and the stream's bytes to the browser, which
does everything else. Traits are set from the main thread only; the stream goes out as custom messages from
the relay's thread (see :mod:`nbspy.views.relay`).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

import anywidget
import traitlets

from nbspy.errors import NbspyError
from nbspy.views.relay import Relay, RelayCounters, Stream

CLOSED_ESM: Final = "export default {}"
"""What a closed explorer leaves in the saved widget state instead of a copy of the bundle."""


def bundle() -> str:
    """Return the widget's js bundle; raises :class:`NbspyError` where the installation lacks it."""
    try:
        return files("nbspy").joinpath("static", "widget.js").read_text(encoding="utf-8")
    except OSError as err:
        raise NbspyError(
            "the explorer's script nbspy/static/widget.js is missing", "reinstall nbspy, or build it: make bundle"
        ) from err


class Explorer(anywidget.AnyWidget):
    """A live icicle, thread table and timeline of one stream.

    It may be shown any number of times: all views share one model, so the stream is sent once. A view that
    missed bytes sends ``{"type": "request", "offset": K}`` and gets everything from ``K`` on, as soon as the
    kernel can listen.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int(420, min=120, max=4000, help="Height of the view in pixels.").tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], default_value="auto").tag(sync=True)

    def __init__(self, stream: Stream, *, summary: str = "", **traits: Any) -> None:
        super().__init__(_esm=bundle(), **traits)
        self._summary = summary
        self._finished = False
        self._relay = Relay(stream, self.send)
        self.on_msg(self._answer)

    @property
    def counters(self) -> RelayCounters:
        """What the relay sent, and what it cost."""
        return self._relay.counters

    def start(self, on_end: Callable[[], None] | None = None) -> None:
        """Begin to send the stream; ``on_end`` is called, from the relay's thread, when all of it is sent.

        Call it after the first display: nobody hears what is sent before.
        """
        self._relay.start(on_end)

    def finish(self) -> None:
        """Send no more, and drop the bundle; main thread only. Replace the views first: they go blind."""
        self._finished = True
        self._relay.stop()
        self._esm = CLOSED_ESM

    def _answer(self, _widget: object, content: object, _buffers: object) -> None:
        if self._finished or not isinstance(content, dict) or content.get("type") != "request":
            return
        offset = content.get("offset")
        if isinstance(offset, bool) or not isinstance(offset, int):
            return
        if self._relay.running:
            self._relay.rewind(offset)
        else:
            self._relay.send_from(offset)

    def __repr__(self) -> str:
        return self._summary or "nbspy explorer"
