"""``make demo`` and ``make lab``: nbspy on a real process, from a fresh clone.

``python tools/demo.py`` starts the demo target, samples it, prints what it does, executes the quickstart against
it and leaves demo/quickstart.ipynb and demo/profile.html. ``python tools/demo.py lab`` opens JupyterLab on it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import nbspy  # noqa: E402  # run as a script, its folder is not a package
from nbspy.model.profile import Profile  # noqa: E402
from nbspy.views import tables  # noqa: E402
from nbspy.views.page import page_html, page_title  # noqa: E402
from tools.demo_process import demo_target  # noqa: E402
from tools.run_notebooks import NotebookFailed, execute  # noqa: E402

QUICKSTART = ROOT / "notebooks" / "01_quickstart.ipynb"
OUTPUT = ROOT / "demo"
NOTEBOOK = OUTPUT / "quickstart.ipynb"
PAGE = OUTPUT / "profile.html"
SAMPLED_S = 4.0
LAB_S = 24 * 3600

console = Console(highlight=False)


def step(text: str) -> None:
    console.print(Text("• ", style="bold blue") + Text(text), soft_wrap=True)


def sample(pid: int) -> tuple[Profile, bytes]:
    """Sample the target for a few seconds; return the profile and the stream it came from."""
    with nbspy.attach(pid, rate=200, duration=SAMPLED_S) as session:
        profile = session.wait()
        if session.error is not None:
            raise session.error
        return profile, session.stream.read()


def print_tables(profile: Profile) -> None:
    console.print()
    for table in tables.profile_tables(profile):
        console.print(table)


def demo() -> None:
    begun = time.monotonic()
    OUTPUT.mkdir(exist_ok=True)
    with demo_target() as pid:
        step(f"a demo target runs as process {pid}: five busy threads, and it knows nothing of nbspy")
        step(f"sampling it from outside for {SAMPLED_S:g} s, 200 times a second")
        profile, stream = sample(pid)
        print_tables(profile)
        PAGE.write_text(page_html(profile, stream, title=page_title(profile)), encoding="utf-8")
        step(f"executing {QUICKSTART.relative_to(ROOT)} against it")
        execute(QUICKSTART, NOTEBOOK, pid, lambda line: console.print(Text(f"  {line}", style="dim"), soft_wrap=True))
    step(f"done in {time.monotonic() - begun:.0f} s. What is left:")
    for path, meaning in ((PAGE, "open it in a browser: it works offline"), (NOTEBOOK, "the executed quickstart")):
        console.print(Text(f"    {path}", style="bold") + Text(f"  {meaning}"), soft_wrap=True)
    console.print(Text("    make lab", style="bold") + Text("  opens JupyterLab on the quickstart, with a live target"))


def lab() -> int:
    """Run JupyterLab on the quickstart until it is ended, with a demo target beside it."""
    OUTPUT.mkdir(exist_ok=True)
    if not NOTEBOOK.exists():
        shutil.copy(QUICKSTART, NOTEBOOK)  # a copy: running it must not change the repository
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}"]
    command.append(f"--ServerApp.default_url=/lab/tree/{NOTEBOOK.relative_to(ROOT).as_posix()}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    with demo_target("--max-seconds", str(LAB_S)) as pid:
        step(f"a demo target runs as process {pid}; JupyterLab ends with Ctrl-C, and the target with it")
        process = subprocess.Popen(command, cwd=OUTPUT, env={**os.environ, "NBSPY_DEMO_PID": str(pid)})
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # Ctrl-C reaches JupyterLab too: it asks, or ends
                continue


def main() -> int:
    try:
        if sys.argv[1:] == ["lab"]:
            return lab()
        demo()
    except nbspy.NbspyError as err:
        console.print(Text(f"nbspy: {err.message}", style="bold red"))
        if err.help:
            console.print(Text(err.help))
        return 1
    except (NotebookFailed, RuntimeError) as err:
        console.print(Text.from_ansi(f"nbspy: {err}"))
        return 1
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
