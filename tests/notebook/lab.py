"""A server of the test's own, for JupyterLab or Notebook 7, and what one does in its page."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Page

START_TIMEOUT_S = 150.0
_URL = re.compile(r"http://127\.0\.0\.1:(\d+)/(?:lab|tree)")


def jupyterlab(folder: Path, state: Path) -> AbstractContextManager[str]:
    """Serve ``folder`` and give the server's address; ``state`` keeps every file that Jupyter writes for itself."""
    return _server("jupyterlab", "LabApp", folder, state)


def notebook_7(folder: Path, state: Path) -> AbstractContextManager[str]:
    """The same with Notebook 7."""
    return _server("notebook", "JupyterNotebookApp", folder, state)


@contextmanager
def _server(module: str, application: str, folder: Path, state: Path) -> Iterator[str]:
    environment = dict(os.environ)
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR"):
        environment[name] = str(state / name.lower())
    environment["JUPYTERLAB_WORKSPACES_DIR"] = str(state / "workspaces")
    environment["IPYTHONDIR"] = str(state / "ipython")
    page_config = state / "jupyter_config_dir" / "labconfig" / "page_config.json"
    page_config.parent.mkdir(parents=True)
    page_config.write_text(json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}))
    command = [sys.executable, "-m", module, "--no-browser", "--allow-root", "--ServerApp.port=0"]
    command += ["--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"]
    command += [f"--ServerApp.root_dir={folder}", f"--{application}.expose_app_in_browser=True"]
    server = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    log: list[str] = []
    ready = threading.Event()
    address: list[str] = []

    def read_log() -> None:
        assert server.stdout is not None
        for line in server.stdout:
            log.append(line.decode(errors="replace"))
            found = _URL.search(log[-1])
            if found is not None and not address:
                address.append(f"http://127.0.0.1:{found[1]}")
                ready.set()
        ready.set()

    reader = threading.Thread(target=read_log, daemon=True)
    reader.start()
    try:
        assert ready.wait(START_TIMEOUT_S), f"{module} did not start"
        assert address, f"{module} ended at once:\n" + "".join(log[-30:])
        _wait_until_it_listens(int(address[0].rpartition(":")[2]))
        yield address[0]
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        reader.join(10)


def _wait_until_it_listens(port: int) -> None:
    """A server tells its address before it takes connections."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """Write a notebook of code cells; with its kernel named, or JupyterLab would ask for one."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])  # type: ignore[no-untyped-call]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]


def open_notebook(page: Page, address: str, name: str, *, below: str = "lab/tree") -> None:
    """Open the notebook and wait until its kernel is ready; ``below``: where the server shows notebooks."""
    page.goto(f"{address}/{below}/{name}?reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    page.wait_for_function(
        "() => jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'", timeout=60_000
    )


def run_all(page: Page) -> None:
    """Start to run all cells, and return at once: ``window.allRan`` becomes true when they have ended."""
    page.evaluate(
        "() => { window.allRan = false;"
        " jupyterapp.commands.execute('notebook:run-all-cells').then(() => { window.allRan = true; }); }"
    )


def save(page: Page) -> None:
    page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
