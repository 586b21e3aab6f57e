"""A session's place in the notebook: the explorer while it runs, the frozen page once it has ended.

One session has one explorer, however often it is shown; all its outputs share one display id, so that one
update freezes them all. Everything here runs on the kernel's main thread, except the one line that asks the
kernel's event loop to freeze a session that ended while the kernel was idle.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from IPython.display import DisplayHandle, display

from nbspy.plain_text import printable
from nbspy.session import Session
from nbspy.source_texts import SessionSources
from nbspy.views.page import framed_page, frozen_html, page_title

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from nbspy.views.widget import Explorer


CLOSE_DELAY_S: Final = 5.0
"""What the browser asked while the kernel was busy is waiting to be read: a model closed before that makes the kernel
complain to the server's log, and a page that was loaded anew meanwhile has nothing to show."""


class LiveOutput:
    """The output of one session."""

    def __init__(self, session: Session, loop: Any, *, height: int, theme: str) -> None:
        """``loop``: the kernel's tornado loop, whose ``add_callback`` any thread may call."""
        self.session = session
        self.shown_in: int | None = None
        """The execution count of the cell that showed it last."""
        self._loop = loop
        self._height = height
        self._theme = theme
        self._display_id = f"nbspy-{uuid.uuid4().hex}"
        self._explorer: Explorer | None = None
        self._sources: SessionSources | None = None
        self._frozen: dict[str, str] | None = None

    @property
    def frozen(self) -> bool:
        return self._frozen is not None

    @property
    def explorer(self) -> Explorer | None:
        """The widget; None where the session had ended before it was shown."""
        return self._explorer

    def show(self, execution_count: int) -> None:
        """Display the session in the current cell: live, or frozen where it has ended."""
        self.shown_in = execution_count
        if not self.session.running:
            self.freeze()
        if self._frozen is not None:
            display(self._frozen, raw=True, display_id=self._display_id)
            return
        first = self._explorer is None
        explorer = self._explorer = self._explorer or self._make_explorer()
        display(explorer, display_id=self._display_id)
        if first:
            explorer.start(on_end=self._freeze_soon)
            if self.session.with_source:
                self._sources = SessionSources(self.session)
                self._sources.start()

    def freeze(self) -> None:
        """Replace every output of an ended session by its saved form, once; the explorer is closed."""
        if self._frozen is not None:
            return
        self._frozen = self._saved_form(b"" if self._sources is None else self._sources.finish())
        if self._explorer is not None:
            DisplayHandle(self._display_id).update(self._frozen, raw=True)
            self._explorer.finish(self._page)
            self._loop.call_later(CLOSE_DELAY_S, self._close)

    def keep_what_is_seen(self) -> None:
        """Replace every output by the saved form of what was seen so far; the session goes on, and so may this."""
        if self._frozen is None and self._explorer is not None:
            late = b"" if self._sources is None else self._sources.step()
            DisplayHandle(self._display_id).update(self._saved_form(late), raw=True)

    def _saved_form(self, late: bytes) -> dict[str, str]:
        """Return what is saved; ``late``: records of sources that the stream did not take any more."""
        profile = self.session.profile
        # The person may have dragged the explorer to another height.
        height = self._height if self._explorer is None else self._explorer.height
        view = None if self._explorer is None else self._explorer.view
        stream = self.session.stream.read() + late
        html = frozen_html(profile, stream, title=page_title(profile), height_px=height, view=view)
        return {"text/html": html, "text/plain": profile.summary()}

    def _close(self) -> None:
        if self._explorer is not None and not self._explorer.shown_late:
            self._explorer.close()

    def _page(self) -> str:
        """Return the page of the saved form: what is framed there."""
        return framed_page((self._frozen or {}).get("text/html", ""))

    def _make_explorer(self) -> Explorer:
        from nbspy.views.widget import Explorer  # ipywidgets take a while to import, and a terminal needs none

        summary = f"nbspy: process {self.session.pid}, {printable(self.session.hello.command_line, 80)}"
        return Explorer(
            self.session.stream,
            profile=lambda: self.session.profile,
            summary=summary,
            height=self._height,
            theme=self._theme,
        )

    def _freeze_soon(self) -> None:
        self._loop.add_callback(self.freeze)


class LiveOutputs:
    """The outputs of a shell's sessions. A shell without a kernel shows nothing: its sessions print text."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._kernel = getattr(shell, "kernel", None)
        self._shell = shell
        self._outputs: dict[int, LiveOutput] = {}

    @property
    def available(self) -> bool:
        return self._kernel is not None

    def show(self, session: Session, *, height: int = 420, theme: str = "auto") -> None:
        """Show ``session`` in the current cell."""
        if self._kernel is None:
            return
        output = self._outputs.get(id(session))
        if output is None or output.session is not session:
            output = LiveOutput(session, self._kernel.io_loop, height=height, theme=theme)
            self._outputs[id(session)] = output
        output.show(self._shell.execution_count)
        if output.explorer is not None:
            self._shell.push({"_explorer": output.explorer}, interactive=False)

    def shown_here(self, session: Session) -> bool:
        """Whether the current cell has shown ``session``."""
        output = self._outputs.get(id(session))
        return output is not None and output.shown_in == self._shell.execution_count

    def freeze_ended(self) -> None:
        """Freeze every session that has ended, and forget it: it is shown anew when it is asked for.

        Where nobody looks on, what was seen of a running one is kept too: this may be the notebook's last cell.
        """
        for key, output in list(self._outputs.items()):
            if not output.session.running:
                del self._outputs[key]
                output.freeze()
            elif self._unattended:
                output.keep_what_is_seen()

    @property
    def _unattended(self) -> bool:
        """Whether the cell runs for nbclient, papermill or nbconvert: they answer no question, and show no widget."""
        return not getattr(self._kernel, "_allow_stdin", True)
