"""Coverage-guided fuzzing of all that takes bytes from elsewhere: ``python -m tools.fuzz [--seconds 15] [NAME...]``.

Each target runs for its time in a process of its own, with libFuzzer (atheris) choosing inputs by the branches they
take. What may come out is a value or one of the errors that the code promises; anything else ends the run, says with
which input (``build/fuzz/NAME/crash-...``) and fails. The inputs that reached something new stay there for the next
run.
"""

from __future__ import annotations

import argparse
import base64
import functools
import importlib
import importlib.util
import io
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tools.fuzz_stacks import stacks

if TYPE_CHECKING:
    from nbspy.cpython.layout import Layout

ROOT: Final = Path(__file__).resolve().parent.parent
WORK: Final = ROOT / "build" / "fuzz"
SECONDS: Final = 15
MAX_LENGTH: Final = 4096
_MODULES: Final = ("nbspy.wire", "nbspy.model.builder", "nbspy.importers", "nbspy.recordings", "nbspy.cpython.objects")
_MODULES_TOO: Final = (
    "nbspy.cpython.reprs",
    "nbspy.cpython.line_table",
    "nbspy.cpython.dicts",
    "nbspy.target.binaries",
    "nbspy.cpython.unwinder",
)


@functools.cache
def _layouts() -> list[Layout]:
    from tests.unit.layouts import all_layouts

    return list(all_layouts().values())


Target = Callable[[bytes], None]


def wire(data: bytes) -> None:
    """The stream: framing, records, and what they say of each other."""
    from nbspy.errors import StreamError
    from nbspy.model.builder import profile_from_stream
    from nbspy.model.encoding import stream_of
    from nbspy.wire import MAGIC

    try:
        profile = profile_from_stream(data if data[:1] == MAGIC[:1] else MAGIC + data)
    except StreamError:
        return
    assert profile_from_stream(stream_of(profile)).thread_sample_count == profile.thread_sample_count


def importer(data: bytes) -> None:
    """Files of every format that is read, told by their content."""
    import warnings

    from nbspy import importers
    from nbspy.errors import StreamError

    warnings.simplefilter("ignore")
    try:
        importers.read(data).summary()
    except StreamError as err:
        if "\n" in err.message:
            raise AssertionError("an error of more than one line") from err


def recording(data: bytes) -> None:
    """Recordings that are cut or damaged: all up to the damage, or one clear line."""
    from nbspy.wire import MAGIC

    importer(MAGIC + data)


def page(data: bytes) -> None:
    """The recording in a page of ours."""
    opened, closed = b'<!DOCTYPE html><script type="application/octet-stream" id="nbspy-data">', b"</script>"
    importer(opened + base64.b64encode(data if data[:1] == b"x" else zlib.compress(data)) + closed)


def json_profile(data: bytes) -> None:
    """Profiles in JSON."""
    importer(b'{"$schema": "https://www.speedscope.app/file-format-schema.json", ' + data)


def objects(data: bytes) -> None:
    """Objects of a target, anywhere in arbitrary memory, on every layout."""
    from nbspy.cpython import attributes, dicts
    from nbspy.cpython import objects as readers
    from nbspy.errors import CorruptTarget, MemoryFault
    from tests.unit.fake_memory import FakeMemory

    for layout in _layouts():
        memory = FakeMemory({0x1000: data.ljust(1024, b"\0")})
        for reader in (readers.read_str, readers.read_int, readers.read_bytes, dicts.dict_items, readers.type_name):
            try:
                reader(memory, layout, 0x1000)
            except (CorruptTarget, MemoryFault):
                continue
        try:
            attributes.instance_attribute(memory, layout, 0x1000, "name")
        except (CorruptTarget, MemoryFault):
            continue
        assert memory.reads < 100_000


def reprs(data: bytes) -> None:
    """Reprs of arbitrary memory: a bounded text, always."""
    from nbspy.cpython.remote_types import RemoteTypes
    from nbspy.cpython.reprs import repr_of
    from tests.unit.fake_memory import FakeMemory

    for layout in _layouts():
        memory = FakeMemory({0x1000: data.ljust(1024, b"\0")})
        assert len(repr_of(RemoteTypes(memory, layout), 0x1000, 100)) <= 100


def line_tables(data: bytes) -> None:
    """Line tables of every format."""
    from nbspy.cpython.layout import LineFormat
    from nbspy.cpython.line_table import LineTable
    from nbspy.errors import CorruptTarget

    for line_format in LineFormat:
        try:
            table = LineTable(data, 7, line_format)
            for offset in range(0, 64, 2):
                table.line_at(offset)
        except CorruptTarget:
            continue


def binaries(data: bytes) -> None:
    """Executables and libraries."""
    from nbspy.target.binaries import inspect_elf

    inspect_elf(io.BytesIO(b"\x7fELF" + data), (".PyRuntime",), ("_PyRuntime",))


TARGETS: Final[dict[str, Target]] = {
    target.__name__: target
    for target in (wire, importer, recording, page, json_profile, objects, reprs, line_tables, binaries, stacks)
}


def seeds(name: str) -> Iterable[bytes]:
    """Yield inputs to begin with: the golden files."""
    data = ROOT / "tests" / "data"
    if name in ("wire", "recording", "page", "importer"):
        for path in sorted(data.rglob("*.nbspy")):
            content = path.read_bytes()
            yield content[8:] if name == "recording" else content
    if name == "importer":
        for path in sorted((data / "formats").rglob("*")):
            if path.is_file() and path.stat().st_size < 1 << 18:
                yield path.read_bytes()


def run_one(name: str, seconds: int) -> None:
    """Fuzz one target in this process; libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["nbspy"]):
        for module in (*_MODULES, *_MODULES_TOO):
            importlib.import_module(module)
    corpus = WORK / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={corpus}/", "-print_final_stats=1", "-verbosity=0"]
    atheris.Setup([sys.argv[0], str(corpus), f"-max_len={MAX_LENGTH}", "-timeout=20", *options], TARGETS[name])
    atheris.Fuzz()


def main() -> int:
    """Fuzz the targets one after the other; returns 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each target (default %(default)s)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.names) - TARGETS.keys()
    if unknown:
        parser.error(f"there is no target {sorted(unknown)[0]!r}; there are {', '.join(TARGETS)}")
    if options.here:
        run_one(options.names[0], options.seconds)
        return 0
    if importlib.util.find_spec("atheris") is None:
        print("nbspy: NOT RUN: atheris has no wheel for this Python; 3.11 to 3.13 on Linux have one", file=sys.stderr)
        return 1
    failed = []
    for name in options.names or TARGETS:
        command = [sys.executable, "-m", "tools.fuzz", "--here", "--seconds", str(options.seconds), name]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        text = done.stdout.decode("utf-8", "replace")
        tried = [line.split()[-1] for line in text.splitlines() if "number_of_executed_units" in line]
        count, outcome = tried[-1] if tried else "no", "FAILED" if done.returncode else "nothing found"
        print(f"nbspy: fuzz {name}: {count} inputs, {outcome}", flush=True)
        if done.returncode:
            failed.append(name)
            print(text[-6000:], flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
