"""The bundle in a plain page: a fake anywidget model stands in for the notebook, and replays streams into it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

STATIC = Path(__file__).resolve().parents[2] / "nbspy" / "static"

_HTML = """<!doctype html><meta charset="utf-8">%(policy)s<body data-jp-theme-light="%(light)s"
 style="margin:12px;background:%(background)s"><div id="output" style="width:%(width)s"></div></body>"""

# What anywidget gives a widget: a model with traits, events and messages. Messages to the kernel are kept.
_HOST = """async ({code, traits, asData}) => {
  const listeners = new Map();
  const model = {
    traits, sent: [], saved: 0,
    get: (name) => model.traits[name],
    set: (name, value) => { model.traits[name] = value; model.emit('change:' + name); },
    save_changes: () => { model.saved += 1; },
    on: (name, listener) => { listeners.set(name, [...(listeners.get(name) ?? []), listener]); },
    off: (name, listener) => { listeners.set(name, (listeners.get(name) ?? []).filter((one) => one !== listener)); },
    send: (content) => { model.sent.push(content); },
    emit: (name, ...args) => { for (const one of listeners.get(name) ?? []) one(...args); },
    count: () => [...listeners.values()].reduce((sum, list) => sum + list.length, 0),
  };
  const url = asData ? `data:text/javascript;charset=utf-8,${encodeURIComponent(code)}`
    : URL.createObjectURL(new Blob([code], {type: 'text/javascript'}));
  const widget = (await import(url)).default;
  window.host = {
    model, widget, cleanups: [],
    receive: (message, bytes) => {
      const data = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
      model.emit('msg:custom', {type: 'stream', ...message}, [new DataView(data.buffer)]);
    },
    render: () => { host.cleanups.push(widget.render({model, el: document.getElementById('output')})); },
  };
  host.cleanups.push(widget.initialize({model}));
  host.render();
}"""


class Replay:
    """A page with one explorer, and the kernel's side of its messages."""

    def __init__(
        self, page: Page, *, dark: bool = False, width: str = "auto", height: int = 420, policy: str = ""
    ) -> None:
        """``policy``: the host's content policy; where it forbids blob: addresses, the host imports from data:."""
        self.page = page
        self.sent = 0
        background = "#111" if dark else "#fff"
        meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">' if policy else ""
        words = {"light": str(not dark).lower(), "background": background, "width": width, "policy": meta}
        page.set_content(_HTML % words)
        code = (STATIC / "widget.js").read_text(encoding="utf-8")
        as_data = bool(policy) and "blob:" not in policy
        page.evaluate(
            _HOST, {"code": code, "traits": {"height": height, "theme": "auto", "view": {}}, "asData": as_data}
        )
        self.root = page.locator(".nbspy-explorer")

    def send(self, piece: bytes, *, ended: bool = False) -> None:
        """Deliver the next piece of the stream, as the kernel's relay does."""
        self.deliver(self.sent, piece, self.sent + len(piece), ended=ended)
        self.sent += len(piece)

    def deliver(self, offset: int, piece: bytes, total: int, *, ended: bool = False) -> None:
        """Deliver any piece in any order."""
        message = {"offset": offset, "total": total, "ended": ended}
        data = base64.b64encode(piece).decode("ascii")
        self.page.evaluate("([message, data]) => host.receive(message, data)", [message, data])

    def send_all(self, pieces: Sequence[bytes]) -> None:
        """Deliver a whole stream and say that it ended."""
        for piece in pieces[:-1]:
            self.send(piece)
        self.send(pieces[-1], ended=True)

    def requests(self) -> list[dict[str, Any]]:
        """Return what the views sent to the kernel."""
        sent: list[dict[str, Any]] = self.page.evaluate("() => host.model.sent")
        return sent
