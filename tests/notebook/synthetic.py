"""Streams of programs that never ran, for the pictures and the tests of the explorer: everything is chosen, so
every number in the view is known."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nbspy import wire
from nbspy.wire import State

IDLE = State(0)
RUNNING = State.ACTIVE
GIL = State.ACTIVE | State.GIL
WAITING = State.GIL_WAIT
COLLECTING = State.ACTIVE | State.GIL | State.GC


@dataclass(frozen=True)
class Function:
    """A function of the made-up program."""

    name: str
    file: str
    first_line: int
    module: str = ""
    qualname: str = ""
    short_file: str = ""

    def at(self, line: int) -> tuple[Function, int]:
        """Return the frame of this function at ``line``."""
        return self, line


Stack = Sequence[tuple[Function, int]]
"""Frames with the root first."""


@dataclass
class StreamBuilder:
    """Interns and encodes: the sampler's part of the work, in the plainest way."""

    sequence: int = 0
    strings: dict[str, int] = field(default_factory=lambda: {"": 0})
    frames: dict[tuple[Function, int], int] = field(default_factory=dict)
    nodes: dict[tuple[int, int], int] = field(default_factory=dict)
    rows: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    thread_samples: int = 0
    _last_row: dict[int, int] = field(default_factory=dict)
    _new_strings: list[str] = field(default_factory=list)
    _new_frames: list[tuple[Function, int]] = field(default_factory=list)
    _new_nodes: list[tuple[int, int]] = field(default_factory=list)

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence

    def hello(self, command_line: str = "python train.py --epochs 90", pid: int = 4242, interval_ms: int = 10) -> bytes:
        record = wire.Hello(
            self.next_sequence(),
            format=wire.FORMAT_VERSION,
            nbspy_version="0.1.0",
            pid=pid,
            command_line=command_line,
            python_version="3.13.0",
            free_threaded=False,
            interval_ns=interval_ms * 1_000_000,
            clock_origin_ns=123_456_789_012_345,
            started_unix_ns=1_790_000_000_000_000_000,
            blocking=True,
        )
        return wire.MAGIC + wire.encode(record)

    def threads(self, names: Sequence[str], first_os_id: int = 4242) -> bytes:
        rows = [
            wire.ThreadRow(i, 0, first_os_id + i, 0x7F00_0000_0000 + 4096 * i, name, 0) for i, name in enumerate(names)
        ]
        process = wire.Processes(self.next_sequence(), [wire.ProcessRow(0, 4242, 1, "python train.py --epochs 90")])
        return wire.encode(process) + wire.encode(wire.Threads(self.next_sequence(), rows))

    def run(self, thread: int, stack: Stack, state: State, start_ms: float, length_ms: float, count: int = 1) -> None:
        """Add a run of equal samples, or lengthen the thread's last one; the next :meth:`flush` encodes it."""
        node = 0
        for frame in stack:
            node = self._node(node, self._frame(frame))
        start, weight = round(start_ms * 1000), round(length_ms * 1000)
        self.thread_samples += count
        at = self._last_row.get(thread)
        if at is not None:
            before = self.rows[at]
            if before[2:4] == (node, int(state)) and before[0] + before[5] == start:
                self.rows[at] = (before[0], thread, node, int(state), before[4] + count, before[5] + weight)
                return
        self._last_row[thread] = len(self.rows)
        self.rows.append((start, thread, node, int(state), count, weight))

    def flush(self) -> bytes:
        """Return the records for what was added since the last call."""
        out = b""
        if self._new_strings:
            first = len(self.strings) - len(self._new_strings)
            out += wire.encode(wire.Strings(self.next_sequence(), first, self._new_strings))
        if self._new_frames:
            out += wire.encode(self._frames_record())
        if self._new_nodes:
            first = len(self.nodes) - len(self._new_nodes) + 1
            columns = [_u32(column) for column in zip(*self._new_nodes, strict=True)]
            out += wire.encode(wire.Nodes(self.next_sequence(), first, *columns))
        if self.rows:
            base = min(row[0] for row in self.rows)
            start, thread, node, state, count, weight = zip(*self.rows, strict=True)
            columns = [_u32(s - base for s in start), _u32(thread), _u32(node), bytes(state), _u32(count), _u32(weight)]
            out += wire.encode(wire.Samples(self.next_sequence(), base * 1000, *columns))
        self._new_strings, self._new_frames, self._new_nodes, self.rows, self._last_row = [], [], [], [], {}
        return out

    def status(self, time_ms: float, samples: int, late: int = 0, discarded: int = 0) -> bytes:
        record = wire.Status(
            self.next_sequence(),
            time_ns=round(time_ms * 1e6),
            samples=samples,
            thread_samples=self.thread_samples,
            late=late,
            retried=3,
            discarded=discarded,
            cpu_ns=round(time_ms * 1e6 * 0.011),
            attach_ns=38_000_000,
            stop_count=samples,
            stop_total_ns=samples * 64_000,
            stop_median_ns=61_000,
            stop_p99_ns=140_000,
        )
        return wire.encode(record)

    def end(
        self,
        time_ms: float,
        reason: str = "stopped",
        kind: str = "",
        message: str = "",
        help: str = "",
        exit_status: int | None = None,
    ) -> bytes:
        time_ns = round(time_ms * 1e6)
        return wire.encode(wire.End(self.next_sequence(), time_ns, reason, kind, message, help, exit_status))

    def _frames_record(self) -> wire.Frames:
        new = self._new_frames
        ids = self.strings
        texts = [
            (f.name, f.qualname or f.name, f.file, f.short_file or f.file.rsplit("/", 1)[-1], f.module) for f, _ in new
        ]
        name, qualname, file, short_file, module = (
            _u32(ids[text] for text in column) for column in zip(*texts, strict=True)
        )
        return wire.Frames(
            self.next_sequence(),
            len(self.frames) - len(new),
            name,
            qualname,
            file,
            short_file,
            module,
            line=array("i", [line for _, line in new]).tobytes(),
            first_line=array("i", [f.first_line for f, _ in new]).tobytes(),
            flags=bytes(len(new)),
        )

    def _string(self, text: str) -> None:
        if text not in self.strings:
            self.strings[text] = len(self.strings)
            self._new_strings.append(text)

    def _frame(self, frame: tuple[Function, int]) -> int:
        known = self.frames.get(frame)
        if known is not None:
            return known
        f = frame[0]
        for text in (f.name, f.qualname or f.name, f.file, f.short_file or f.file.rsplit("/", 1)[-1], f.module):
            self._string(text)
        self.frames[frame] = len(self.frames)
        self._new_frames.append(frame)
        return self.frames[frame]

    def _node(self, parent: int, frame: int) -> int:
        known = self.nodes.get((parent, frame))
        if known is None:
            known = self.nodes[parent, frame] = len(self.nodes) + 1
            self._new_nodes.append((parent, frame))
        return known


def _u32(values: Iterable[int]) -> bytes:
    return array("I", values).tobytes()


_LIB = "/usr/lib/python3.13"
_SITE = "/srv/venv/lib/python3.13/site-packages"
_APP = "/srv/train"
MODULE = Function("<module>", f"{_APP}/train.py", 1, "train")
MAIN = Function("main", f"{_APP}/train.py", 88, "train")
EPOCH = Function("train_epoch", f"{_APP}/train.py", 41, "train")
LOAD = Function("load_batch", f"{_APP}/data/loading.py", 20, "data.loading", short_file="data/loading.py")
DECODE = Function("decode", f"{_APP}/data/images.py", 12, "data.images", short_file="data/images.py")
COLLATE = Function("collate", f"{_APP}/data/loading.py", 61, "data.loading", short_file="data/loading.py")
STEP = Function("step", f"{_APP}/train.py", 66, "train")
FORWARD = Function("forward", f"{_APP}/model.py", 30, "model", "ResidualNet.forward")
BLOCK = Function("forward", f"{_APP}/model.py", 11, "model", "ResidualBlock.forward")
CONV = Function(
    "conv2d", f"{_SITE}/tinynet/functional.py", 104, "tinynet.functional", short_file="tinynet/functional.py"
)
RELU = Function("relu", f"{_SITE}/tinynet/functional.py", 58, "tinynet.functional", short_file="tinynet/functional.py")
BACKWARD = Function(
    "backward", f"{_SITE}/tinynet/autograd.py", 77, "tinynet.autograd", "Tape.backward", "tinynet/autograd.py"
)
OPTIMIZE = Function(
    "apply_gradients", f"{_SITE}/tinynet/optim.py", 33, "tinynet.optim", "Adam.apply_gradients", "tinynet/optim.py"
)
LOG = Function("log_metrics", f"{_APP}/metrics.py", 9, "metrics")
DUMPS = Function("dumps", f"{_LIB}/json/__init__.py", 183, "json", short_file="json/__init__.py")
ENCODE = Function(
    "iterencode", f"{_LIB}/json/encoder.py", 204, "json.encoder", "JSONEncoder.iterencode", "json/encoder.py"
)
GET = Function("get", f"{_LIB}/queue.py", 154, "queue", "Queue.get")
WAIT = Function("wait", f"{_LIB}/threading.py", 327, "threading", "Condition.wait")
BOOTSTRAP = Function("_bootstrap", f"{_LIB}/threading.py", 1014, "threading", "Thread._bootstrap")
INNER = Function("_bootstrap_inner", f"{_LIB}/threading.py", 1043, "threading", "Thread._bootstrap_inner")
THREAD_RUN = Function("run", f"{_LIB}/threading.py", 992, "threading", "Thread.run")
WORK = Function("load_forever", f"{_APP}/data/loading.py", 80, "data.loading", short_file="data/loading.py")
READ = Function("read_shard", f"{_APP}/data/shards.py", 44, "data.shards", short_file="data/shards.py")
INFLATE = Function("decompress", f"{_APP}/data/images.py", 31, "data.images", short_file="data/images.py")
AUGMENT = Function("augment", f"{_APP}/data/images.py", 52, "data.images", short_file="data/images.py")
ROTATE = Function(
    "rotate", f"{_SITE}/imagekit/transforms.py", 210, "imagekit.transforms", short_file="imagekit/transforms.py"
)
RESIZE = Function(
    "resize", f"{_SITE}/imagekit/transforms.py", 151, "imagekit.transforms", short_file="imagekit/transforms.py"
)
BEAT = Function("heartbeat", f"{_APP}/train.py", 20, "train")

_BASE: Stack = [MODULE.at(112), MAIN.at(97), EPOCH.at(52)]
_THREAD: Stack = [BOOTSTRAP.at(1014), INNER.at(1043), THREAD_RUN.at(992)]
Phase = tuple[int, Stack, State]
"""What a thread does next: for how many ticks it lasts, where, and in which state once it may go on."""

_MAIN_PHASES: Sequence[Phase] = [
    (5, [*_BASE, LOAD.at(24), GET.at(171), WAIT.at(359)], IDLE),
    (4, [*_BASE, LOAD.at(27), COLLATE.at(66)], GIL),
    (2, [*_BASE, LOAD.at(27), COLLATE.at(69)], GIL),
    (13, [*_BASE, STEP.at(70), FORWARD.at(35), BLOCK.at(14), CONV.at(118)], RUNNING),
    (5, [*_BASE, STEP.at(70), FORWARD.at(35), BLOCK.at(15), RELU.at(60)], GIL),
    (3, [*_BASE, STEP.at(70), FORWARD.at(37), CONV.at(121)], RUNNING),
    (17, [*_BASE, STEP.at(72), BACKWARD.at(90), CONV.at(140)], RUNNING),
    (2, [*_BASE, STEP.at(72), BACKWARD.at(95)], COLLECTING),
    (6, [*_BASE, STEP.at(74), OPTIMIZE.at(41)], GIL),
    (3, [*_BASE, LOG.at(15), DUMPS.at(231), ENCODE.at(258)], GIL),
]
_LOADER_PHASES: Sequence[Phase] = [
    (5, [*_THREAD, WORK.at(83), READ.at(49)], IDLE),
    (14, [*_THREAD, WORK.at(84), DECODE.at(16), INFLATE.at(35)], RUNNING),
    (4, [*_THREAD, WORK.at(84), DECODE.at(18), AUGMENT.at(55), ROTATE.at(222)], GIL),
    (3, [*_THREAD, WORK.at(84), DECODE.at(18), AUGMENT.at(57), RESIZE.at(160)], GIL),
    (1, [*_THREAD, WORK.at(84), DECODE.at(18), AUGMENT.at(57), RESIZE.at(163)], GIL),
    (9, [*_THREAD, WORK.at(90), GET.at(171), WAIT.at(359)], IDLE),
]
_HEARTBEAT: Sequence[Phase] = [(50, [*_THREAD, BEAT.at(23), WAIT.at(363)], IDLE), (1, [*_THREAD, BEAT.at(24)], GIL)]
_WAITING_POOL: Phase = (60, [*_THREAD, GET.at(171), WAIT.at(359)], IDLE)


@dataclass
class _Thread:
    """A thread of the training loop: its round of phases, and where in it it is."""

    phases: Sequence[Phase]
    at: int = 0
    left: int = 0

    def advance(self, chance: random.Random) -> None:
        """Go to the next phase once this one has lasted."""
        if self.left == 0:
            self.at = (self.at + 1) % len(self.phases)
            self.left = max(1, round(self.phases[self.at][0] * chance.uniform(0.6, 1.4)))

    @property
    def wants_gil(self) -> bool:
        return bool(self.phases[self.at][2] & State.GIL)


@dataclass
class TrainingLoop:
    """A training loop with loader threads and a heartbeat: one thread at a time holds the GIL, others wait."""

    seconds: float = 12.4
    loaders: int = 3
    extra_threads: int = 0
    seed: int = 7
    step_ticks: int = 20

    def pieces(self, end: bool = True, discarded: int = 0, late: int = 0) -> list[bytes]:
        """Return the stream as the pieces in which a sampler would write it: 100 samples a second, 5 pieces."""
        chance = random.Random(self.seed)
        builder = StreamBuilder()
        names = ["MainThread", *(f"loader-{i}" for i in range(self.loaders)), *(["heartbeat"] if self.loaders else [])]
        threads = [_Thread(_MAIN_PHASES), *(_Thread(_LOADER_PHASES, i) for i in range(self.loaders))]
        threads += [_Thread(_HEARTBEAT)] if self.loaders else []
        for i in range(self.extra_threads):
            names.append(f"ThreadPoolExecutor-0_{i}")
            busy = _LOADER_PHASES[:2] if i % 7 == 3 else []
            threads.append(_Thread([_WAITING_POOL, *busy], i % 3))
        pieces = [builder.hello() + builder.threads(names)]
        ticks = round(self.seconds * 100)
        holder = 0
        for tick in range(ticks):
            holder = self._tick(builder, threads, chance, tick, holder)
            if (tick + 1) % self.step_ticks == 0 or tick + 1 == ticks:
                status = builder.status((tick + 1) * 10, tick + 1, round(late * tick / ticks), discarded)
                pieces.append(builder.flush() + status)
        if end:
            pieces.append(builder.end(ticks * 10))
        return pieces

    def _tick(
        self, builder: StreamBuilder, threads: list[_Thread], chance: random.Random, tick: int, holder: int
    ) -> int:
        for thread in threads:
            thread.advance(chance)
        if not threads[holder].wants_gil or chance.random() < 0.3:
            waiting = [i for i, thread in enumerate(threads) if thread.wants_gil]
            holder = chance.choice(waiting) if waiting else holder
        for i, thread in enumerate(threads):
            _, stack, state = thread.phases[thread.at]
            waits = thread.wants_gil and i != holder
            builder.run(i, stack, WAITING if waits else state, tick * 10, 10)
            thread.left -= not waits
        return holder


def deep_recursion(depth: int, seconds: float = 4) -> list[bytes]:
    """Return a stream in which one thread recurses: ``depth`` frames, its ends losing width step by step."""
    builder = StreamBuilder()
    walk = Function("walk", "/srv/tree/walk.py", 5, "tree.walk", "Walker.walk")
    visit = Function("visit", "/srv/tree/walk.py", 30, "tree.walk", "Walker.visit")
    pieces = [builder.hello("python -m tree", 777) + builder.threads(["MainThread"])]
    chance = random.Random(3)
    for step in range(round(seconds * 100)):
        levels = 3 + round((depth - 3) * chance.random() ** 0.3)
        stack = [(walk if i % 3 else visit).at(8 + (i * 7) % 3) for i in range(levels)]
        builder.run(0, stack, GIL, step * 10, 10)
    pieces.append(builder.flush() + builder.status(seconds * 1000, round(seconds * 100)) + builder.end(seconds * 1000))
    return pieces


def hostile_names() -> list[bytes]:
    """Return a stream whose texts try to be markup, to break lines, and to be long."""
    builder = StreamBuilder()
    markup = "<img src=x onerror=\"document.title='owned'\">"
    evil = Function(markup, f"/tmp/{markup}.py", 3, "<script>", f"{markup}.<b>method</b>")
    long = Function("x" * 5000, "/tmp/\u202egnol.py", 1, "long")
    pieces = [builder.hello(f"python {markup}", 13) + builder.threads([markup, "</style><script>"])]
    builder.run(0, [evil.at(4), long.at(2)], GIL, 0, 700, 70)
    builder.run(1, [evil.at(5)], IDLE, 0, 700, 70)
    notice = wire.encode(wire.Notice(builder.next_sequence(), 5, markup))
    pieces.append(builder.flush() + notice + builder.status(700, 70) + builder.end(700, "stopped"))
    return pieces
