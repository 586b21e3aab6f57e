"""The magics themselves: parse options, call the session, show a view. No logic of their own."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, TypeVar

import traitlets
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class

from nbspy import doctor, observe, recordings
from nbspy import session as sessions
from nbspy.errors import NbspyError, UsageError
from nbspy.magics import arguments
from nbspy.magics.cells import FirstLineTransform, RunningCells, cell_labels, label_of
from nbspy.magics.completion import Arguments, Candidate, MagicCompletion
from nbspy.options import DUMP, MAX_RATE, MIN_RATE, SAMPLING, DumpOptions, Option, SamplingOptions, parse_pid
from nbspy.plain_text import printable
from nbspy.table import Column, Table
from nbspy.views import dump_view, tables
from nbspy.views.live import LiveOutputs

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

    from nbspy.model.profile import Profile
    from nbspy.session import Session
    from nbspy.stack_trace import StackTrace

T = TypeVar("T")
_DUMP = tuple(option for option in DUMP if option.name != "json")
_CONFIGURED = ("rate", "nonblocking", "recording", "subprocesses", "source_lines")
_PROFILED_CELLS = ("profile_remote", "profile_cell")


def _refusals_in_one_line(
    magic: Callable[Concatenate[NbspyMagics, ...], T],
) -> Callable[Concatenate[NbspyMagics, ...], T | None]:
    """Let a magic's refusal reach the person as one line instead of a traceback; the cell still fails."""

    @functools.wraps(magic)
    def guarded(self: NbspyMagics, *args: Any) -> T | None:
        try:
            return magic(self, *args)
        except arguments.HelpShown:
            return None
        except NbspyError as err:
            # IPython asks the exception itself for its traceback.
            line = f"\x1b[31m{type(err).__name__}\x1b[0m: {printable(str(err))}"
            err.__dict__["_render_traceback_"] = lambda: [line]
            raise

    return guarded


class Listing(list[T]):
    """A list that shows itself as a table."""

    def __init__(self, items: Iterable[T], *, text: str, html: str) -> None:
        super().__init__(items)
        self._text = text
        self._html = html

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return self._html


@magics_class
class NbspyMagics(Magics):
    """Defaults of the magics' options: ``%config NbspyMagics.rate = 200``."""

    shell: InteractiveShell
    rate = traitlets.Float(100.0, min=MIN_RATE, max=MAX_RATE, help="Samples per second.").tag(config=True)
    nonblocking = traitlets.Bool(False, help="Never stop the target.").tag(config=True)
    recording = traitlets.Bool(True, help="Keep a copy on disk of what is seen.").tag(config=True)
    subprocesses = traitlets.Bool(False, help="Also the processes that the target starts.").tag(config=True)
    source_lines = traitlets.Bool(True, help="Send lines of source files along with what is seen.").tag(config=True)
    height = traitlets.Int(420, min=120, max=4000, help="Height of the explorer in pixels.").tag(config=True)
    theme = traitlets.Enum(
        ["auto", "light", "dark"], default_value="auto", help="Colours of the explorer; auto: the notebook's."
    ).tag(config=True)

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell, parent=shell)
        self._cells = RunningCells(shell)
        self._cells.before_each.append(self._label_cell)
        self._outputs = LiveOutputs(shell)
        self._cells.after_each.append(self._outputs.freeze_ended)
        self._sessions: list[Session] = []
        self._transform = FirstLineTransform(_PROFILED_CELLS)
        self._completion = MagicCompletion(
            {
                "profile_remote": Arguments(SAMPLING, _pid_candidates),
                "profile_cell": Arguments(SAMPLING),
                "dump_remote": Arguments(_DUMP, _pid_candidates),
                "nbspy": Arguments(words=_command_candidates),
            }
        )

    def install(self) -> None:
        """Add the magics and everything they need to the shell."""
        self.shell.register_magics(self)
        self._cells.install()
        self.shell.input_transformer_manager.line_transforms.insert(0, self._transform)
        self._completion.install(self.shell)
        if self._outputs.available and self.shell.display_formatter is not None:
            formatter = self.shell.display_formatter.ipython_display_formatter
            formatter.for_type(sessions.Session, self._display_session)

    def uninstall(self) -> None:
        """Stop the sessions, and take out of the shell what :meth:`install` added."""
        for session in self._running():
            session.stop()
        self._outputs.freeze_ended()
        if self._outputs.available and self.shell.display_formatter is not None:
            self.shell.display_formatter.ipython_display_formatter.pop(sessions.Session, None)
        self._completion.uninstall(self.shell)
        self.shell.input_transformer_manager.line_transforms.remove(self._transform)
        self._cells.uninstall()
        for kind, names in self.magics.items():
            for name in names:
                self.shell.magics_manager.magics[kind].pop(name, None)
        configurables: list[Any] = self.shell.configurables
        if self in configurables:
            configurables.remove(self)

    # --- the magics ----------------------------------------------------------------------------------

    @line_cell_magic
    @_refusals_in_one_line
    def profile_remote(self, line: str, cell: str | None = None) -> Session | None:
        """Sample another Python process while this cell runs, or in the background.

        ::

            %%profile_remote 4242 --rate 200
            requests.get("http://localhost:8000/slow")     # drives the target while it is sampled

        The body runs as if the first line were not there: ``await``, its last value, magics and errors behave.
        An empty body waits for ``--duration`` or an interrupt. The Profile is left in ``_profile``, and in ``_``
        and ``Out`` where the body has no last value of its own: ``profile = _``.

        ::

            %profile_remote 4242 -d 10

        returns at once and samples in the background, live. Its value is the Session: ``session = _``, then
        ``session.profile`` at any time, ``session.stop()`` or ``%nbspy stop``.
        """
        if cell is not None:
            self._run_nested("profile_remote", line, cell)
            return None
        values = self._parse("profile_remote", line, SAMPLING, with_pid=True)
        session = self._start(values.pid, SamplingOptions.from_values(values))
        self._show(session)
        return session

    @line_cell_magic
    @_refusals_in_one_line
    def profile_cell(self, line: str, cell: str | None = None) -> None:
        """Sample this cell, from outside: the cell itself runs untouched.

        ::

            %%profile_cell --rate 500
            model.fit(data)

        The Profile is left in ``_profile``, and in ``_`` and ``Out`` where the cell has no last value of its own.
        """
        if cell is None:
            if arguments.asks_for_help(line):
                self._parse("profile_cell", line, SAMPLING, with_pid=False)
            raise UsageError("%profile_cell takes a cell", "write %%profile_cell as the first line of a cell")
        self._run_nested("profile_cell", line, cell)

    @line_magic
    @_refusals_in_one_line
    def dump_remote(self, line: str) -> Listing[StackTrace]:
        """Show what each thread of a process does now: ``%dump_remote 4242 --locals``.

        Its value is the list of StackTraces, frames leaf first: ``traces = _``.
        """
        values = self._parse("dump_remote", line, _DUMP, with_pid=True)
        options = DumpOptions.from_values(values)
        dumps = observe.snapshots(values.pid, options)
        source = observe.source_lines() if options.source else None
        return Listing(
            (trace for dump in dumps for trace in dump.traces),
            text=dump_view.dump_text(dumps, options, source),
            html=dump_view.dump_html(dumps, options, source),
        )

    @line_magic
    @_refusals_in_one_line
    def python_processes(self, line: str) -> Listing[Any]:
        """List the Python processes that are there: ``%python_processes``. Its value is the list."""
        self._parse("python_processes", line, (), with_pid=False)
        processes = observe.processes()
        table = tables.process_table(processes)
        return Listing(processes, text=table.text(), html=table.html())

    @line_magic
    @_refusals_in_one_line
    def nbspy(self, line: str) -> Any:
        """``%nbspy`` lists the sessions that run; its value is the list of Sessions.

        ``%nbspy stop`` ends them all, ``%nbspy stop PID`` one; its value is the Profile, or the list of Profiles
        where there were several.

        ``%nbspy show``, or ``%nbspy show PID``, shows a session that runs once more: after its cell was run again, say.
        Its value is the Session.

        ``%nbspy recordings`` lists what sessions left on disk; its value is the list: ``nbspy.load(_[0].path)``.

        ``%nbspy doctor [PID]`` says whether a process (this kernel) can be sampled, and what is in the way; its value
        is the Diagnosis.
        """
        words = line.split()
        if words in (["-h"], ["--help"]):
            self._parse("nbspy", line, (), with_pid=False)
        if words in ([], ["status"]):
            return self._status()
        if words[0] == "stop" and len(words) <= 2:
            return self._stop(parse_pid(words[1]) if len(words) == 2 else None)
        if words[0] == "show" and len(words) <= 2:
            return self._running_one(parse_pid(words[1]) if len(words) == 2 else None)
        if words == ["recordings"]:
            found = recordings.listing()
            table = recordings.table(found)
            return Listing(found, text=table.text(), html=table.html())
        if words[0] == "doctor" and len(words) <= 2:
            return doctor.diagnose(parse_pid(words[1]) if len(words) == 2 else None)
        raise UsageError(
            f"%nbspy: {line!r} is no command", "%nbspy [status | show [PID] | stop [PID] | doctor [PID] | recordings]"
        )

    @line_magic
    @_refusals_in_one_line
    def nbspy_begin(self, line: str) -> None:
        """What the first line of a %%profile_... cell becomes. Not meant to be typed."""
        kind, _, rest = line.partition(" ")
        name, _, body = kind.partition("|")
        remote = name == "profile_remote"
        values = self._parse(name, rest, SAMPLING, with_pid=remote)
        options = SamplingOptions.from_values(values)
        if body == "empty" and not remote:
            raise UsageError("%%profile_cell: the cell is empty", "write the code to profile below the first line")
        session = self._start(values.pid if remote else os.getpid(), options)
        self._cells.at_end(functools.partial(self._end_of_cell, session))
        self._show(session)
        if body == "empty":
            self._wait(session)

    # --- what they share -----------------------------------------------------------------------------

    def _parse(self, name: str, line: str, options: Sequence[Option], *, with_pid: bool) -> Any:
        names = {option.name for option in options}
        defaults: dict[str, object] = {name: getattr(self, name) for name in _CONFIGURED if name in names}
        magic = self.shell.find_magic(name)
        description = (magic.__doc__ or "").partition("\n")[0]
        parser = arguments.make_parser(f"%{name}", description, options, with_pid=with_pid, defaults=defaults)
        return arguments.parse(parser, line)

    def _start(self, pid: int, options: SamplingOptions) -> Session:
        if any(session.pid == pid for session in self._running()):
            help_text = f"%nbspy show {pid} shows that, %nbspy stop {pid} ends it"
            raise UsageError(f"process {pid} is already being profiled by this notebook", help_text)
        own = pid == os.getpid()
        start = sessions.profile if own else functools.partial(sessions.attach, pid)
        session = start(
            rate=options.rate,
            duration=options.duration,
            nonblocking=options.nonblocking,
            recording=options.recording,
            subprocesses=options.subprocesses,
            source_lines=options.source_lines,
        )
        self._sessions.append(session)
        if own:
            session.add_labels(dict(cell_labels(self.shell)))
        return session

    def _show(self, session: Session) -> None:
        try:
            self._outputs.show(session, height=self.height, theme=self.theme)
        except BaseException:
            session.stop()  # nothing is half-started
            raise

    def _wait(self, session: Session) -> None:
        """Wait until the session ends; an interrupt stops it and is no error: it is how one says "enough"."""
        try:
            session.wait()
        except KeyboardInterrupt:
            session.stop()

    def _end_of_cell(self, session: Session, result: ExecutionResult | None) -> None:
        profile = session.stop()
        if session.error is not None:
            print(f"nbspy: {printable(str(session.error))}; what was seen until then is kept", file=sys.stderr)
        if not self._outputs.available:
            print(profile.summary())
        self._leave_value(profile, result)

    def _leave_value(self, profile: Profile, result: ExecutionResult | None) -> None:
        """Bind ``_profile``, and ``_`` and ``Out[n]`` where the cell has no value of its own."""
        self.shell.push({"_profile": profile}, interactive=False)
        kept = result is not None and result.info is not None and result.info.store_history
        if result is not None and kept and result.success and result.result is None:
            self.shell.displayhook.update_user_ns(profile)

    def _run_nested(self, name: str, line: str, cell: str) -> None:
        """Run a cell magic that was called as a function, not as a cell: as a cell within the running one."""
        result = self.shell.run_cell(f"%%{name} {line}\n{cell}")
        self.shell.last_execution_succeeded = result.success
        result.raise_error()

    def _running(self) -> list[Session]:
        # Ended ones are forgotten; running ones are held, for a session that nobody holds stops.
        self._sessions = [session for session in self._sessions if session.running]
        return list(self._sessions)

    def _status(self) -> Listing[Session]:
        running = self._running()
        rows = [[str(s.pid), printable(s.hello.command_line), str(s.sample_count)] for s in running]
        columns = (Column("pid", number=True), Column("command"), Column("samples", number=True))
        table = Table("nbspy: running sessions" if rows else "nbspy: no session runs", columns, rows)
        return Listing(running, text=table.text() if rows else table.title, html=table.html())

    def _running_one(self, pid: int | None) -> Session:
        """Return the session of ``pid``, or the only one: as a cell's value it is shown there."""
        running = [session for session in self._running() if pid in (None, session.pid)]
        if len(running) == 1:
            return running[0]
        which = "" if pid is None else f" of process {pid}"
        what = f"{len(running)} sessions run: name the pid of one" if running else f"no session{which} runs"
        ended = not running and "_explorer" in self.shell.user_ns
        help_text = "_explorer, as a cell's value, shows the last one again" if ended else "%nbspy lists those that do"
        raise UsageError(f"%nbspy show: {what}", help_text)

    def _stop(self, pid: int | None) -> Any:
        running = [session for session in self._running() if pid in (None, session.pid)]
        if not running:
            what = "no session runs" if pid is None else f"no session of process {pid} runs"
            raise UsageError(f"%nbspy stop: {what}", "%nbspy lists those that do")
        profiles = [session.stop() for session in running]
        self._outputs.freeze_ended()
        return profiles[0] if len(profiles) == 1 else profiles

    def _label_cell(self, info: ExecutionInfo) -> None:
        for session in self._running():
            if session.pid == os.getpid():
                session.add_labels(dict([label_of(self.shell, info)]))

    def _display_session(self, session: Session) -> None:
        # A magic whose value is the session has just shown it.
        if not self._outputs.shown_here(session):
            self._outputs.show(session, height=self.height, theme=self.theme)


def _pid_candidates() -> list[Candidate]:
    return [Candidate(str(p.pid), printable(p.command_line)) for p in observe.processes()]


def _command_candidates() -> list[Candidate]:
    return [
        Candidate("status", "list the sessions that run"),
        Candidate("show", "show one of them again"),
        Candidate("stop", "end them"),
        Candidate("recordings", "list what sessions left on disk"),
        Candidate("doctor", "say whether a process can be sampled"),
    ]
