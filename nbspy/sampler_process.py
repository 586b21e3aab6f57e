"""The sampler process, seen from the kernel: its start, its stream, its end.

The process is asked to begin and to stop through its standard input: a line ``go`` begins (the kernel may have to
permit it to read first), and any byte or the end of the input after that stops. So it also stops when the kernel
is gone. Its standard output is the stream; its standard error is empty but for an unexpected traceback.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import signal
import site
import subprocess
import sys
import sysconfig
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from nbspy import recordings, wire
from nbspy.bounds import Bounds
from nbspy.byte_log import ByteLog
from nbspy.errors import NbspyError, PermissionRefused, SamplerFailed, StreamError, TargetEnded, error_from_kind
from nbspy.host import host
from nbspy.model.builder import Builder
from nbspy.options import SamplingOptions
from nbspy.sampling import start
from nbspy.target import allow_tracer, permissions

READ_BYTES: Final = 1 << 18
LINGER_S: Final = 5.0
"""How long the process may take to end after it closed its stream."""
STDERR_TAIL: Final = 2000
EXIT_PATIENCE_S: Final = 2.0
"""How long the end of the interpreter waits for samplers before it kills them."""
_WAIT_SLICE_S: Final = 0.2

_live: weakref.WeakSet[SamplerProcess] = weakref.WeakSet()


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs ``module`` with this interpreter, the current folder not on its path.

    Raises :class:`SamplerFailed` where this interpreter is embedded and there is no executable to start.
    """
    return [_python(), "-P", "-m", module, *arguments]


def _python() -> str:
    if not sys.executable:
        raise SamplerFailed("this Python has no executable to start a sampler with", "run it from a python command")
    return sys.executable


def sampler_command(
    pid: int, options: SamplingOptions, requested_ns: int, recording: Path | None = None, plan: int | None = None
) -> list[str]:
    """Return the sampler's command line; ``requested_ns`` is the monotonic clock when the attach was asked for.

    ``recording``: the file it writes its stream to as well. ``plan``: the descriptor that tells what it is to start;
    ``pid`` does not count then.
    """
    whom = ["--pid", str(pid)] if plan is None else ["--launch", str(plan)]
    arguments = [*whom, "--rate", repr(float(options.rate))]
    if options.duration is not None:
        arguments += ["--duration", repr(float(options.duration))]
    if options.nonblocking:
        arguments.append("--nonblocking")
    if options.subprocesses:
        arguments.append("--subprocesses")
    if recording is not None:
        arguments += ["--recording", str(recording), "--recording-bytes", str(recordings.MAX_FILE_BYTES)]
    arguments += ["--requested-ns", str(requested_ns)]
    script = Path(start.__file__)
    if not script.is_file():  # imported from an archive
        return module_command("nbspy.sampling.worker", *arguments)
    return [_python(), "-P", "-S", str(script), *arguments]


def sampler_environment() -> dict[str, str]:
    """Return the environment of :func:`sampler_command`."""
    folders = _folders()
    return _environment(folders) | {start.FOLDERS: os.pathsep.join(folders)}


def module_environment() -> dict[str, str]:
    """Return the environment in which a fresh interpreter imports this same nbspy and what it needs.

    Whatever is not in a site-packages folder (a checkout, ``pip install --target``) goes on PYTHONPATH; a
    site-packages folder does not, because there it would come before the standard library.
    """
    return _environment(_folders())


def _folders() -> list[str]:
    """Return the folders in which nbspy is, and what a sampler needs besides."""
    specs = map(importlib.util.find_spec, ("nbspy", "msgspec", "psutil", "elftools"))
    return list(dict.fromkeys(str(Path(spec.origin).parent.parent) for spec in specs if spec and spec.origin))


def _environment(folders: Sequence[str]) -> dict[str, str]:
    environment = dict(os.environ)
    for name in ("PYTHONINSPECT", "PYTHONPROFILEIMPORTTIME", "PYTHONTRACEMALLOC", "PYTHONWARNINGS", "PYTHONDEVMODE"):
        environment.pop(name, None)
    found = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages()}
    found.update(site.getsitepackages())
    extra = [folder for folder in folders if folder not in found]
    if extra:
        given = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([*extra, *([given] if given else [])])
    return environment


def let_trace(child_pid: int) -> None:
    """Let a child of this process read this process, where the platform asks for such a permission.

    Linux keeps one permission per process. While another child uses it, all descendants of this process are
    permitted (a process permitted as tracer passes it on to its descendants), so that none takes it from another.
    """
    others = any(sampler.reads_this_process and sampler.pid != child_pid for sampler in running_samplers())
    allow_tracer(os.getpid() if others else child_pid)


def running_samplers() -> list[SamplerProcess]:
    """Return the sampler processes that this process started and that still run."""
    return [sampler for sampler in _live if not sampler.finished]


class SamplerProcess:
    """A sampler process with its pipes and the one thread that reads them.

    ``changed`` guards ``builder``, ``error`` and ``finished``, and is notified of every change of them. When
    ``finished`` is true the process is reaped and its pipes are closed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        reads_this_process: bool = False,
        inherited: Sequence[int] = (),
        recording: Path | None = None,
    ) -> None:
        """Start ``command``; raises :class:`SamplerFailed` where that is not possible.

        ``inherited`` descriptors are open in it too. It then starts another program, and stays in our terminal, which
        that one is to have. ``recording``: the file that it writes its stream to as well.
        """
        self.log = ByteLog()
        self.builder = Builder()
        self.changed = threading.Condition()
        self.finished = False
        self.error: NbspyError | None = None
        self.reads_this_process = reads_this_process
        self.recording = recording
        self._owner_pid = os.getpid()
        # Reentrant: the finalizer of a dropped session may run anywhere, also inside _tell.
        self._input_lock = threading.RLock()
        self._killed = ""
        try:
            # A session of its own: Ctrl-C in the terminal and the kernel's interrupt are not for the sampler.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=sampler_environment(),
                **({"pass_fds": tuple(inherited)} if inherited else host.start_apart()),
            )
        except OSError as err:
            raise SamplerFailed(f"the sampler process cannot be started: {err}") from err
        self._thread = threading.Thread(target=self._run, name="nbspy-session", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self._process.kill()
            self._reap()
            raise
        _live.add(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    def go(self) -> None:
        """Tell the process to begin."""
        self._tell(b"go\n", close=False)

    def request_stop(self) -> None:
        """Ask the process to stop; returns at once."""
        self._tell(b"stop\n", close=True)

    def kill(self, why: str) -> None:
        """End the process at once; ``why`` becomes its error."""
        if os.getpid() == self._owner_pid:
            self._killed = self._killed or why
            self._process.kill()

    def wait(self, timeout: float | None = None, *, for_hello: bool = False) -> bool:
        """Wait for the end (or already for the hello); return whether it came within ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.changed:
            while not self.finished and not (for_hello and self.builder.hello is not None):
                left = _WAIT_SLICE_S if deadline is None else min(_WAIT_SLICE_S, deadline - time.monotonic())
                if left <= 0:
                    return False
                self.changed.wait(left)  # in slices: an interrupt is seen everywhere
            finished = self.finished
        if finished and self._thread is not threading.current_thread():
            self._thread.join()
        return True

    def end(self, timeout: float) -> None:
        """Ask the process to stop, and kill it where it does not within ``timeout`` seconds."""
        if os.getpid() != self._owner_pid:
            return
        self.request_stop()
        if not self.wait(timeout):
            self.kill(f"the sampler did not stop within {timeout:g} s")
            self.wait()

    def abandon_in_child(self) -> None:
        """In a forked child: let go of the pipes, so that they end when the parent ends. Takes no lock."""
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if self._process.returncode is None:
            self._process.returncode = 0  # it is no child of this process
        self.changed = threading.Condition()  # a thread that does not exist here may have held the old one
        self.finished = True

    def _tell(self, line: bytes, *, close: bool) -> None:
        if os.getpid() != self._owner_pid:
            return
        pipe = self._process.stdin
        assert pipe is not None
        with self._input_lock:
            if pipe.closed:
                return
            with contextlib.suppress(OSError, ValueError):  # it has ended: the reading thread will find how
                pipe.write(line)
            if close:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _run(self) -> None:
        """The reading thread: the stream until it ends, then the process, then what is to be said of its end."""
        error: NbspyError | None = None
        try:
            self._read_stream()
        except StreamError as err:
            error = SamplerFailed(f"the sampler sent what is no stream: {err}")
        except BaseException as err:  # whatever it is, the process must not outlive its reader
            error = SamplerFailed(f"reading the sampler's stream failed: {err!r}")
        if error is not None:
            self._process.kill()
        stderr = self._reap()
        exit_status = self._exit_status()
        with self.changed:
            self.error = error or self._how_it_ended(stderr)
            if exit_status is not None:
                self._tell_exit(exit_status)
            self.log.close()
            self.finished = True
            self.changed.notify_all()

    def _read_stream(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        splitter = wire.FrameSplitter()
        bounds = Bounds(self.builder, self.log)
        signature = wire.MAGIC
        while data := os.read(pipe.fileno(), READ_BYTES):
            accepted = bytearray()
            with self.changed:
                try:
                    for body in splitter.feed(data):
                        self.builder.add(wire.decode(body))
                        accepted += len(body).to_bytes(4, "little") + body
                finally:
                    if accepted:
                        self.log.append(signature + accepted)
                        signature = b""
                        self.changed.notify_all()
            bounds.keep(self.changed)

    def _reap(self) -> str:
        """Wait for the process, close the pipes, and return the end of what it wrote to its standard error."""
        try:
            self._process.wait(LINGER_S)
        except subprocess.TimeoutExpired:
            self.kill("the sampler closed its stream and did not end")
            self._process.wait()
        with self._input_lock:
            if self._process.stdin is not None:
                self._process.stdin.close()
        tail = b""
        if self._process.stderr is not None:
            # The process is dead, so all it wrote is in the pipe; never wait for one that inherited it.
            tail = host.read_rest(self._process.stderr, 1 << 20)[-STDERR_TAIL:]
            self._process.stderr.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return tail.decode("utf-8", "replace").strip()

    def tell_exit(self, status: int) -> None:
        """Keep how the target ended (see :class:`nbspy.wire.End`), where the stream has its end."""
        with self.changed:
            self._tell_exit(status)

    def _exit_status(self) -> int | None:
        """How the target ended, where it was a child of this process."""
        end, hello = self.builder.end, self.builder.hello
        if end is None or hello is None or end.reason != "target-ended" or os.getpid() != self._owner_pid:
            return None
        return host.exit_status_of_child(hello.pid)

    def _tell_exit(self, status: int) -> None:
        if self.builder.end is None:
            return
        end = msgspec.structs.replace(self.builder.end, sequence=0, exit_status=status)
        self.builder.add(end)
        self.log.append_record(end)
        if self.recording is not None:
            recordings.append(self.recording, wire.encode(end))

    def _how_it_ended(self, stderr: str) -> NbspyError | None:
        end = self.builder.end
        if end is not None and end.reason == "error":
            return error_from_kind(end.kind, end.message, end.help)
        if end is not None and end.reason == "target-ended":
            pid = self.builder.hello.pid if self.builder.hello else 0
            return TargetEnded(end.message or f"process {pid} ended while it was sampled", end.help)
        if end is not None:
            return None
        if self._killed:
            return SamplerFailed(self._killed, stderr)
        code = self._process.returncode
        if host.was_filtered(code):
            found = permissions.killed_by_filter()
            return PermissionRefused(found.cause, found.cure)
        try:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        except ValueError:
            how = f"was killed by signal {-code}"
        return SamplerFailed(f"the sampler process {how} and without a word", stderr)


def _end_all() -> None:
    samplers = running_samplers()
    for sampler in samplers:
        sampler.request_stop()
    deadline = time.monotonic() + EXIT_PATIENCE_S
    for sampler in samplers:
        sampler.end(max(0.0, deadline - time.monotonic()))


def _abandon_all() -> None:
    for sampler in list(_live):
        sampler.abandon_in_child()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
