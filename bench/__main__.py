"""``python -m bench``: the figures beside those of the peers, as a table, as JSON, and as a page of charts."""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench import page, report, results
from bench.case import FAILURES, Case, Row, Settings
from bench.peers import contestants
from bench.registry import all_cases

console = Console(stderr=True, highlight=False)


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    path = Path(options.into) if options.into else results.FOLDER / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    settings = Settings(
        repeat=1 if options.quick else max(1, options.repeat),
        quick=options.quick,
        only=tuple(options.who),
        keep=partial(results.write, path),
    )
    if options.show:
        rows = results.read(Path(options.show))
        if options.markdown:
            print(report.markdown(rows))
        else:
            _show(rows, Path(options.show))
        return 0
    cases = list(all_cases(settings, options.filter))
    if options.list:
        for case in cases:
            print(f"{case.name}  ({_length(case.seconds)})")
        return 0
    if not cases:
        console.print("bench: no figure has these words in its name; --list shows the names")
        return 2
    for line in contestants()[1]:
        console.print(Text(f"bench: MISSING {line}", "yellow"))
    console.print(f"bench: {len(cases)} cases, about {_length(sum(case.seconds for case in cases))} on an idle machine")
    # Whoever ends this with a signal gets what was measured so far.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        whole = _measure(cases, path)
    finally:
        signal.signal(signal.SIGTERM, before)
    if path.exists():
        _show(results.read(path), path)
    return 0 if whole else 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("filter", nargs="*", help="measure only cases with one of these words in their name")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="turns of each contestant (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one short turn of the cases that matter most: 5 minutes")
    parser.add_argument("--list", action="store_true", help="say what there is to measure, and how long it takes")
    parser.add_argument("--who", action="append", default=[], metavar="WORD", help="only contestants with this word")
    parser.add_argument("--into", metavar="FILE", help="gather the figures in this file, with those it has already")
    parser.add_argument("--show", metavar="FILE", help="measure nothing: show the figures of this file")
    parser.add_argument("--markdown", action="store_true", help="with --show: as a table for a document")
    return parser


def _measure(cases: Sequence[Case], path: Path) -> bool:
    """Measure ``cases`` and gather the rows in ``path``; returns False where somebody ended it before its end."""
    for number, case in enumerate(cases, 1):
        console.print(f"bench: {number}/{len(cases)} {case.name} ...")
        try:
            new = case.measure()
        except FAILURES as err:
            new = [Row(case.name, "", "", note=f"not measured: {err}")]
        except KeyboardInterrupt:
            console.print("bench: interrupted; what was measured is kept")
            return False
        except Exception as err:
            # One case must not take the others' hours with it; that it is a defect is shown in full.
            traceback.print_exc()
            new = [Row(case.name, "", "", note=f"the benchmark itself failed: {type(err).__name__}: {err}")]
        results.write(path, new)
    return True


def _show(rows: Sequence[Row], path: Path) -> None:
    out = Console(width=None if sys.stdout.isatty() else 160)
    out.print(report.table(rows, results.missing(path)))
    out.print(report.tally(rows), highlight=False)
    charts = path.with_suffix(".html")
    charts.write_text(page.page(rows, results.about(path)), encoding="utf-8")
    console.print(f"bench: written to {path} and {charts}", soft_wrap=True)


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    sys.exit(main())
