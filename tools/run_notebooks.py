"""Execute the notebooks against a demo target: ``python tools/run_notebooks.py [NOTEBOOK...]``.

Outputs go to build/notebooks; the notebooks in the repository stay without any.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.demo_process import demo_target  # noqa: E402  # run as a script, its folder is not a package

NOTEBOOKS = ROOT / "notebooks"
OUTPUT = ROOT / "build" / "notebooks"
CELL_TIMEOUT_S = 120


class NotebookFailed(Exception):
    """A cell raised an error; the text is the cell and the error."""


def execute(source: Path, output: Path, pid: int, progress: Callable[[str], None]) -> None:
    """Execute ``source`` with ``pid`` as its demo target, in its own folder, and write the result to ``output``.

    Raises :class:`NotebookFailed`; the notebook is written up to the failing cell then too.
    """
    notebook = nbformat.read(source, as_version=4)  # type: ignore[no-untyped-call]
    code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    begun = time.monotonic()

    def on_cell_start(cell: Any, cell_index: int) -> None:
        if cell.cell_type == "code" and cell.source.strip():
            number = next(i for i, c in enumerate(code_cells, 1) if c is cell)
            first_line = cell.source.strip().splitlines()[0]
            progress(f"[{time.monotonic() - begun:4.1f} s] cell {number} of {len(code_cells)}: {first_line[:70]}")

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(source.parent)}},
        on_cell_start=on_cell_start,
        store_widget_state=False,  # what remains is the frozen output; state would make exports ask a CDN for widgets
        extra_arguments=["--log-level=ERROR"],  # ipykernel warns of its own plain TCP, which stays on this machine
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        client.execute(env={**os.environ, "NBSPY_DEMO_PID": str(pid)})
    except CellExecutionError as err:
        raise NotebookFailed(f"{source.name}: a cell failed\n{err}") from err
    except DeadKernelError as err:
        raise NotebookFailed(f"{source.name}: the kernel died") from err
    finally:
        nbformat.write(notebook, output)  # type: ignore[no-untyped-call]


def main() -> int:
    sources = [Path(argument).resolve() for argument in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb"))
    for source in sources:
        print(f"== {source.name}", flush=True)
        try:
            with demo_target() as pid:
                execute(source, OUTPUT / source.name, pid, lambda line: print(line, flush=True))
        except NotebookFailed as err:
            print(err, file=sys.stderr)
            return 1
    print(f"{len(sources)} notebook(s) executed; outputs in {OUTPUT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
