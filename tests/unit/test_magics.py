"""The magics in a real IPython shell, over a session without a sampler."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

import nbspy
from nbspy import doctor, recordings
from nbspy.errors import ProcessNotFound, TargetEnded
from nbspy.magics import commands
from nbspy.options import DumpOptions
from nbspy.recordings import Recording, State
from nbspy.stack_trace import Dump, Frame, StackTrace
from nbspy.target.permissions import Diagnosis
from tests.unit.fake_session import FakeSession


class Notebook:
    """A shell and the sessions its magics started."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.sessions: list[FakeSession] = []
        self.refusal: Exception | None = None
        self.interrupt_wait = False

    def attach(self, pid: int, **options: Any) -> FakeSession:
        if self.refusal is not None:
            raise self.refusal
        session = FakeSession(pid, options)
        session.interrupt_wait = self.interrupt_wait
        self.sessions.append(session)
        return session

    def run(self, cell: str) -> ExecutionResult:
        return self.shell.run_cell(cell, store_history=True)

    @property
    def namespace(self) -> dict[str, Any]:
        return self.shell.user_ns

    @property
    def running(self) -> list[int]:
        return [session.pid for session in self.sessions if session.running]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Notebook]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setattr(sys, "displayhook", sys.displayhook)
    shell = InteractiveShell()
    shell.history_manager.enabled = False  # type: ignore[union-attr]
    shell.Completer.use_jedi = False  # it would parse the standard library first, for names that are no concern here
    notebook = Notebook(shell)
    monkeypatch.setattr(commands.sessions, "attach", notebook.attach)
    monkeypatch.setattr(commands.sessions, "profile", lambda **options: notebook.attach(os.getpid(), **options))
    monkeypatch.setattr(
        commands.observe, "processes", lambda: [SimpleNamespace(pid=4242, command_line="python train.py")]
    )
    shell.run_cell("%load_ext nbspy")
    yield notebook
    nbspy.unload_ipython_extension(shell)
    shell.configurables.clear()


def test_body_runs_while_target_is_sampled_and_session_ends_with_cell(notebook: Notebook) -> None:
    notebook.namespace["running"] = lambda: notebook.running
    result = notebook.run("%%profile_remote 4242 --rate 200\nseen = running()")
    assert result.success
    assert notebook.namespace["seen"] == [4242]
    assert notebook.running == []
    assert notebook.sessions[0].options == {
        "rate": 200.0,
        "duration": None,
        "nonblocking": False,
        "recording": True,
        "subprocesses": False,
        "source_lines": True,
    }


def test_last_value_is_the_bodys_and_profile_is_in_its_variable(notebook: Notebook) -> None:
    result = notebook.run("%%profile_remote 4242\n40 + 2")
    assert result.result == 42
    assert notebook.namespace["_"] == 42
    assert notebook.namespace["_profile"] is notebook.sessions[0].profile


def test_without_last_value_the_profile_is_the_cells_value(notebook: Notebook) -> None:
    result = notebook.run("%%profile_remote 4242\nx = 1")
    profile = notebook.sessions[0].profile
    assert notebook.namespace["_"] is profile
    assert notebook.namespace["Out"][result.execution_count] is profile
    assert notebook.namespace[f"_{result.execution_count}"] is profile
    notebook.run("profile = _")
    assert notebook.namespace["profile"] is profile


def test_top_level_await_works(notebook: Notebook) -> None:
    result = notebook.run("%%profile_cell\nimport asyncio\nawait asyncio.sleep(0)\nawait asyncio.sleep(0, 'done')")
    assert result.success
    assert result.result == "done"
    assert notebook.running == []


def test_error_of_body_keeps_its_line_and_ends_the_session(
    notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    result = notebook.run("%%profile_remote 4242\nx = 1\n\n1 / 0\n")
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    traceback = result.error_in_exec.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    assert traceback is not None
    assert traceback.tb_lineno == 4
    assert "nbspy/" not in capsys.readouterr().out  # no frame of ours in what the person sees
    assert notebook.running == []
    assert notebook.namespace["_profile"] is notebook.sessions[0].profile


def test_syntax_error_of_body_starts_nothing(notebook: Notebook) -> None:
    result = notebook.run("%%profile_remote 4242\ndef broken(:")
    assert isinstance(result.error_before_exec, SyntaxError)
    assert notebook.sessions == []


def test_interrupted_body_ends_the_session(notebook: Notebook) -> None:
    result = notebook.run("%%profile_remote 4242\nraise KeyboardInterrupt")
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    assert notebook.running == []


def test_magics_inside_the_body_work(notebook: Notebook) -> None:
    result = notebook.run("%%profile_remote 4242\nwhere = %pwd\n%env NBSPY_TEST=1\nwhere")
    assert result.success
    assert result.result == os.getcwd()
    assert os.environ.pop("NBSPY_TEST") == "1"


def test_cell_magic_below_the_first_line_works(notebook: Notebook) -> None:
    assert notebook.run("%%profile_remote 4242\n\n%%capture captured\nprint('inside')").success
    assert notebook.namespace["captured"].stdout == "inside\n"
    assert [session.pid for session in notebook.sessions] == [4242]
    assert notebook.running == []


def test_profiled_cell_inside_another_cell_magic_ends_with_it(notebook: Notebook) -> None:
    assert notebook.run("%%capture captured\n%%profile_remote 4242\nx = 3").success
    assert notebook.namespace["x"] == 3
    assert notebook.running == []


def test_multi_line_strings_are_untouched(notebook: Notebook) -> None:
    result = notebook.run('%%profile_remote 4242\ntext = """a\n  %%profile_remote 1\n%pwd\n"""\ntext')
    assert result.result == "a\n  %%profile_remote 1\n%pwd\n"


def test_history_keeps_the_cell_as_it_was_written(notebook: Notebook) -> None:
    cell = "%%profile_remote 4242\nx = 1"
    notebook.run(cell)
    assert notebook.shell.history_manager.input_hist_raw[-1] == cell  # type: ignore[union-attr]


def test_terminal_still_waits_for_a_blank_line(notebook: Notebook) -> None:
    manager = notebook.shell.input_transformer_manager
    assert manager.check_complete("%%profile_remote 4242\nx = 1")[0] == "incomplete"
    assert manager.check_complete("%%profile_remote 4242\nx = 1\n\n")[0] == "complete"


def test_arguments_are_expanded(notebook: Notebook) -> None:
    notebook.namespace["target"] = SimpleNamespace(pid=77)
    notebook.run("%%profile_remote {target.pid}\nx = 1")
    notebook.run("%profile_remote {target.pid + 1}")
    assert [session.pid for session in notebook.sessions] == [77, 78]


def test_empty_body_waits_for_the_end(notebook: Notebook) -> None:
    assert notebook.run("%%profile_remote 4242 --duration 3\n\n").success
    assert notebook.sessions[0].options["duration"] == 3.0
    assert notebook.running == []
    assert notebook.namespace["_"] is notebook.sessions[0].profile


def test_interrupting_an_empty_body_keeps_what_was_seen(notebook: Notebook) -> None:
    notebook.interrupt_wait = True
    assert notebook.run("%%profile_remote 4242\n").success
    assert notebook.running == []
    assert notebook.namespace["_profile"] is notebook.sessions[0].profile


def test_empty_profile_cell_is_refused(notebook: Notebook) -> None:
    assert "is empty" in refusal(notebook.run("%%profile_cell\n"))
    assert notebook.sessions == []


def test_line_form_returns_a_running_session(notebook: Notebook) -> None:
    result = notebook.run("%profile_remote 4242 -d 10")
    assert result.result is notebook.sessions[0]
    assert notebook.namespace["_"] is notebook.sessions[0]
    assert notebook.running == [4242]
    assert notebook.run("session = %profile_remote 4343").success
    assert notebook.namespace["session"] is notebook.sessions[1]


def test_stop_gives_the_profile(notebook: Notebook) -> None:
    notebook.run("%profile_remote 4242")
    assert notebook.run("%nbspy stop").result is notebook.sessions[0].profile
    assert notebook.running == []
    assert "no session runs" in refusal(notebook.run("%nbspy stop"))


def test_stop_takes_a_pid(notebook: Notebook) -> None:
    notebook.run("%profile_remote 1001")
    notebook.run("%profile_remote 1002")
    assert notebook.run("%nbspy stop 1001").result is notebook.sessions[0].profile
    assert notebook.running == [1002]


def test_doctor_gives_the_diagnosis(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {pid: Diagnosis(pid or 1, "fine", "", "", "", ()) for pid in (None, 4242)}
    monkeypatch.setattr(doctor, "diagnose", seen.__getitem__)
    assert notebook.run("%nbspy doctor").result is seen[None]
    assert notebook.run("%nbspy doctor 4242").result is seen[4242]
    assert "no pid" in refusal(notebook.run("%nbspy doctor x"))
    assert "no command" in refusal(notebook.run("%nbspy doctor 1 2"))


def test_recordings_gives_the_list(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = Recording(Path("/x/a.nbspy"), 7, "python <b>", 0.0, 10**9, 2048, State.WHOLE)
    monkeypatch.setattr(recordings, "listing", lambda: [recording])
    assert notebook.run("%nbspy recordings").result == [recording]
    assert "a.nbspy" in capsys.readouterr().out


def test_source_can_be_turned_off(notebook: Notebook) -> None:
    notebook.run("%%profile_remote 4242 --no-source-lines\nx = 1")
    notebook.run("%config NbspyMagics.source_lines = False")
    notebook.run("%%profile_remote 4242\nx = 1")
    assert [session.options["source_lines"] for session in notebook.sessions] == [False, False]


@pytest.mark.parametrize("way", ["%%profile_remote 4242 --no-recording\nx = 1", "%profile_remote 4242 --no-recording"])
def test_recording_can_be_turned_off(notebook: Notebook, way: str) -> None:
    notebook.run(way)
    assert notebook.sessions[0].options["recording"] is False
    notebook.run("%nbspy stop")
    notebook.run("%config NbspyMagics.recording = False")
    notebook.run("%profile_remote 4343")
    assert notebook.sessions[1].options["recording"] is False


def test_status_lists_running_sessions(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    notebook.run("%profile_remote 4242")
    capsys.readouterr()
    assert notebook.run("%nbspy").result == notebook.sessions
    assert "python target.py" in capsys.readouterr().out


def test_same_process_twice_is_one_clear_refusal(notebook: Notebook) -> None:
    notebook.run("%profile_remote 4242")
    assert "process 4242 is already being profiled" in refusal(notebook.run("%%profile_remote 4242\nx = 1"))
    assert "x" not in notebook.namespace
    nested = notebook.run("%%profile_cell\n%%profile_cell\ny = 1")
    assert "already being profiled" in refusal(nested)
    assert notebook.running == [4242]


def test_a_running_session_is_shown_again(notebook: Notebook) -> None:
    notebook.run("%profile_remote 4242")
    assert "%nbspy show 4242 shows that" in refusal(notebook.run("%profile_remote 4242"))
    assert notebook.run("%nbspy show 4242").result is notebook.sessions[0]
    assert notebook.run("%nbspy show").result is notebook.sessions[0]
    assert "no session of process 99 runs" in refusal(notebook.run("%nbspy show 99"))
    notebook.run("%profile_remote 4343")
    assert "2 sessions run: name the pid" in refusal(notebook.run("%nbspy show"))
    notebook.run("%nbspy stop")
    assert "%nbspy lists those" in refusal(notebook.run("%nbspy show"))
    notebook.namespace["_explorer"] = object()
    assert "_explorer, as a cell's value, shows the last one" in refusal(notebook.run("%nbspy show"))


def test_two_processes_at_once_and_nested(notebook: Notebook) -> None:
    assert notebook.run("%%profile_remote 4242\n%%profile_cell\nx = 1").success
    assert [session.pid for session in notebook.sessions] == [4242, os.getpid()]
    assert notebook.running == []


def refusal(result: ExecutionResult) -> str:
    """Return the one line that a refused cell shows."""
    error = result.error_in_exec
    assert isinstance(error, nbspy.NbspyError), error
    lines = error._render_traceback_()  # type: ignore[attr-defined]
    assert len(lines) == 1
    assert "\n" not in lines[0]
    return str(lines[0])


@pytest.mark.parametrize(
    ("cell", "named"),
    [
        ("%%profile_remote 4242 --rate fast\nx = 1", "--rate"),
        ("%%profile_remote 4242 --rate 0\nx = 1", "--rate 0"),
        ("%%profile_remote 4242 --duration -1\nx = 1", "--duration"),
        ("%%profile_remote 4242 --fast\nx = 1", "--fast"),
        ("%%profile_remote\nx = 1", "PID"),
        ("%%profile_remote notapid\nx = 1", "notapid"),
        ('%%profile_remote "4242\nx = 1', "quot"),
        ("%profile_remote 4242 4343", "4343"),
        ("%dump_remote", "PID"),
        ("%dump_remote --local", "--local"),
        ("%python_processes --all", "--all"),
        ("%nbspy fly", "fly"),
        ("%profile_cell", "%%profile_cell"),
    ],
)
def test_usage_error_is_one_line_that_names_what_is_wrong(
    notebook: Notebook, capsys: pytest.CaptureFixture[str], cell: str, named: str
) -> None:
    result = notebook.run(cell)
    assert named in refusal(result)
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err
    assert named in shown.out
    assert notebook.sessions == []
    assert "x" not in notebook.namespace


def test_refused_attach_runs_no_body_and_shows_no_traceback(
    notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.refusal = ProcessNotFound("there is no process 99", "%python_processes lists those that are there")
    result = notebook.run("%%profile_remote 99\nx = 1")
    assert "there is no process 99: %python_processes" in refusal(result)
    assert "x" not in notebook.namespace
    assert "Traceback" not in capsys.readouterr().out
    assert notebook.run("y = 2").success


def test_without_widgets_the_summary_is_printed(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    notebook.run("%%profile_remote 4242\nx = 1")
    assert capsys.readouterr().out == "summary of 4242\n"


def test_session_that_cannot_be_shown_is_stopped(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise nbspy.NbspyError("the explorer's script is missing", "reinstall")

    monkeypatch.setattr(commands.LiveOutputs, "show", refuse)
    assert "script is missing" in refusal(notebook.run("%profile_remote 4242"))
    assert notebook.running == []


def test_target_that_ends_is_said_and_the_profile_kept(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    notebook.namespace["end"] = lambda: setattr(
        notebook.sessions[0], "ended_by", TargetEnded("process 4242 ended", "start it again")
    )
    assert notebook.run("%%profile_remote 4242\nend()").success
    assert "process 4242 ended" in capsys.readouterr().err
    assert notebook.namespace["_profile"] is notebook.sessions[0].profile


@pytest.mark.parametrize("magic", ["%profile_remote", "%%profile_cell", "%dump_remote", "%python_processes", "%nbspy"])
def test_help_is_printed_and_nothing_is_run(notebook: Notebook, capsys: pytest.CaptureFixture[str], magic: str) -> None:
    body = "\nx = 1" if magic.startswith("%%") else ""
    assert notebook.run(f"{magic} --help{body}").success
    assert "usage: %" + magic.lstrip("%") in capsys.readouterr().out
    assert "x" not in notebook.namespace
    assert notebook.sessions == []


def test_config_sets_defaults(notebook: Notebook) -> None:
    notebook.run("%config NbspyMagics.rate = 250")
    notebook.run("%config NbspyMagics.nonblocking = True")
    notebook.run("%config NbspyMagics.subprocesses = True")
    notebook.run("%%profile_remote 4242\nx = 1")
    notebook.run("%%profile_remote 4242 -r 50\nx = 1")
    assert notebook.sessions[0].options == {
        "rate": 250.0,
        "duration": None,
        "nonblocking": True,
        "recording": True,
        "subprocesses": True,
        "source_lines": True,
    }
    assert notebook.sessions[1].options["rate"] == 50.0


def test_cells_of_this_process_are_labelled(notebook: Notebook) -> None:
    notebook.run("def earlier(): return earlier.__code__.co_filename")
    result = notebook.run("%%profile_cell\nearlier()")
    labels = notebook.sessions[0].labels
    assert labels[result.result] == f"In[{result.execution_count - 1}]"
    assert f"In[{result.execution_count}]" in labels.values()


def test_cells_that_run_later_are_labelled_too(notebook: Notebook) -> None:
    notebook.run(f"%profile_remote {os.getpid()}")
    result = notebook.run("def later(): return later.__code__.co_filename\nlater()")
    assert notebook.sessions[0].labels[result.result] == f"In[{result.execution_count}]"


def test_another_process_gets_no_labels_of_ours(notebook: Notebook) -> None:
    notebook.run("%%profile_remote 4242\nx = 1")
    assert notebook.sessions[0].labels == {}


def test_processes_are_a_list_shown_as_a_table(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands.tables, "process_table", lambda processes: commands.Table("t", (), ()))
    result = notebook.run("%python_processes").result
    assert [process.pid for process in result] == [4242]
    assert result._repr_html_().startswith("<table>")


def test_dump_is_a_list_of_traces_shown_as_stacks(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = Frame("<b>work</b>", "/x/work.py", "work", "work.py", 3)
    trace = StackTrace(4242, 1, "worker", 11, True, True, (frame,))
    asked: list[Any] = []

    def snapshot(pid: int, options: DumpOptions) -> Dump:
        asked.append((pid, options))
        return Dump((trace,), pid, "python work.py", "3.13.0")

    monkeypatch.setattr(commands.observe, "snapshot", snapshot)
    result = notebook.run("%dump_remote 4242 --nonblocking -ll").result
    assert result == [trace]
    assert asked == [(4242, DumpOptions(nonblocking=True, locals=2))]
    assert "work.py:3" in capsys.readouterr().out
    assert "<b>work" not in result._repr_html_()


def completions(notebook: Notebook, text: str) -> list[tuple[str, str]]:
    from IPython.core.completer import provisionalcompleter

    with provisionalcompleter():
        return [(c.text, c.type) for c in notebook.shell.Completer.completions(text, len(text))]


def test_pids_complete_with_their_command_lines(notebook: Notebook) -> None:
    assert completions(notebook, "%%profile_remote ") == [("4242", "python train.py")]
    assert completions(notebook, "%dump_remote 42") == [("4242", "python train.py")]
    assert completions(notebook, "%profile_remote --rate 5 4") == [("4242", "python train.py")]


def test_options_complete_with_their_meaning(notebook: Notebook) -> None:
    assert [text for text, _ in completions(notebook, "%profile_remote 4242 --ra")] == ["--rate"]
    assert {text for text, _ in completions(notebook, "%%profile_cell --")} >= {"--rate", "--duration"}
    assert [text for text, _ in completions(notebook, "%nbspy st")] == ["status", "stop"]


def test_other_lines_complete_as_ever(notebook: Notebook) -> None:
    notebook.namespace["unmistakable"] = 1
    assert "unmistakable" in [text for text, _ in completions(notebook, "unmistak")]
    assert completions(notebook, "%profile_remote 4242 4") == []


def test_loading_twice_is_harmless(notebook: Notebook) -> None:
    notebook.run("%reload_ext nbspy")
    nbspy.load_ipython_extension(notebook.shell)
    notebook.run("%%profile_remote 4242\nx = 1")
    assert len(notebook.sessions) == 1


def test_unloading_leaves_nothing(notebook: Notebook) -> None:
    notebook.run("%profile_remote 4242")
    shell = notebook.shell
    notebook.run("%unload_ext nbspy")
    assert notebook.running == []
    assert shell.find_magic("profile_remote") is None
    assert shell.find_cell_magic("profile_cell") is None
    assert not any("nbspy" in type(t).__module__ for t in shell.input_transformer_manager.line_transforms)
    assert not any(
        "nbspy" in getattr(hook, "__module__", "") for hooks in shell.events.callbacks.values() for hook in hooks
    )
    assert completions(notebook, "%profile_remote 4") == []
    assert notebook.run("x = 5").success


def test_magics_that_are_called_as_functions_run_a_cell(notebook: Notebook) -> None:
    notebook.shell.run_cell_magic("profile_remote", "4242", "z = 9")
    assert notebook.namespace["z"] == 9
    assert notebook.running == []
