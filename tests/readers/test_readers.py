"""What readers that nbspy did not write say of its files: they accept them, and find the same numbers."""

from __future__ import annotations

import contextlib
import json
import os
import pstats
import subprocess
import sys
import uuid
import xml.etree.ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import HERE, Files

MS = 1_000_000


def node(*arguments: object, **environment: str) -> str:
    done = subprocess.run(
        ["node", *map(str, arguments)],
        cwd=HERE,
        env={**_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _environment() -> dict[str, str]:
    return dict(os.environ)


# pprof, with npm's pprof-format


def test_given_pprof_when_pprof_format_decodes_it_then_stacks_values_and_labels_are_there(
    packages: Path, files: Files
) -> None:
    decoded = json.loads(node("pprof.mjs", files("pprof")))
    assert decoded["types"] == [["samples", "count"], ["wall", "nanoseconds"]]
    assert (decoded["period"], decoded["duration"]) == (10 * MS, 1200 * MS)
    assert decoded["time"] == "1700000000000000000"
    main = {"thread": "MainThread", "tid": 1000, "pid": 42, "process": "python demo.py"}
    assert decoded["samples"] == [
        {"values": [60, 600 * MS], "labels": main, "stack": [["work", "lib.py", 9, 1], ["main", "app.py", 3, 1]]},
        {"values": [40, 400 * MS], "labels": main, "stack": [["parse", "lib.py", 30, 1], ["main", "app.py", 5, 1]]},
        {
            "values": [20, 200 * MS],
            "labels": {**main, "thread": "worker <1>", "tid": 1001},
            "stack": [["parse", "lib.py", 31, 1], ["run", "app.py", 50, 1]],
        },
    ]


# gecko and Chrome traces, with the Firefox Profiler's own processing


class FirefoxProfiler:
    """The Firefox Profiler's command line, with a profile loaded in a process of ours."""

    def __init__(self, packages: Path, profile: Path, folder: Path) -> None:
        self._command = packages / "@firefox-devtools" / "profiler-cli" / "dist" / "profiler-cli.js"
        self._folder = {"PROFILER_CLI_SESSION_DIR": str(folder), "PROFILER_CLI_NO_SYMBOLICATE": "1"}
        self._session = f"nbspy-{uuid.uuid4().hex[:8]}"
        self._process = subprocess.Popen(
            ["node", str(self._command), "--daemon", str(profile), "--session", self._session],
            env={**_environment(), **self._folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # Asked before it listens, it takes itself for dead: so its log tells when it may be asked.
        log = folder / f"{self._session}.log"
        for _ in range(600):
            if log.exists() and "Profile loaded successfully" in log.read_text():
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
                break
        self.close()
        pytest.fail(f"the Firefox Profiler does not take the profile: {log.read_text() if log.exists() else 'no log'}")

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["node", str(self._command), *words, "--session", self._session]
        environment = {**_environment(), **self._folder}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def __call__(self, *words: str) -> Any:
        answer = self._ask(*words, "--json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()


@pytest.fixture
def gecko(packages: Path, files: Files, tmp_path: Path) -> Iterator[FirefoxProfiler]:
    profiler = FirefoxProfiler(packages, files("gecko"), tmp_path)
    yield profiler
    profiler.close()


def test_given_gecko_when_the_firefox_profiler_reads_it_then_threads_samples_and_states_are_there(
    gecko: FirefoxProfiler,
) -> None:
    threads = gecko("thread", "list")["threads"]
    assert [(one["name"], one["tid"], round(one["cpuMs"])) for one in threads] == [
        ("MainThread", 1000, 1000),
        ("worker <1>", 1001, 200),
    ]
    main = gecko("thread", "samples", "--thread", "t-0", "--include-idle")
    categories = {one["name"]: one["samples"] for one in main["categoryBreakdown"]["categories"]}
    assert categories == {"Holds the GIL": 60, "Running without the GIL": 40, "Idle": 20}
    assert {one["name"]: one["selfSamples"] for one in main["topFunctionsBySelf"] if one["selfSamples"]} == {
        "lib.py!work": 60,
        "lib.py!parse": 40,
        "lib.py!wait": 20,
    }
    assert {one["name"]: one["totalSamples"] for one in main["topFunctionsByTotal"]}["app.py!main"] == 120


def test_given_gecko_when_the_firefox_profiler_reads_it_then_gil_and_waiting_are_markers(
    gecko: FirefoxProfiler,
) -> None:
    found = {}
    for thread in ("t-0", "t-1"):
        for marker in gecko("thread", "markers", "--thread", thread, "--list")["flatMarkers"]:
            found[thread, marker["name"]] = (marker["start"], marker["duration"])
    assert found == {
        ("t-0", "Holds the GIL"): (0, 600),
        ("t-1", "Waits for the GIL"): (500, 300),
        ("t-1", "Holds the GIL"): (800, 200),
    }


def test_given_a_chrome_trace_when_the_firefox_profiler_reads_it_then_calls_are_where_they_were(
    packages: Path, files: Files, tmp_path: Path
) -> None:
    profiler = FirefoxProfiler(packages, files("chrometrace"), tmp_path)
    try:
        names = {one["name"]: one["threadHandle"] for one in profiler("thread", "list")["threads"]}
        assert set(names) == {"GIL", "MainThread", "worker <1>"}
        calls = {}
        for name, handle in names.items():
            for marker in profiler("thread", "markers", "--thread", handle, "--list")["flatMarkers"]:
                calls.setdefault((name, marker["name"]), []).append((marker["start"], marker["duration"]))
    finally:
        profiler.close()
    assert calls == {
        ("MainThread", "main"): [(0, 600), (800, 400)],
        ("MainThread", "work"): [(0, 600)],
        ("MainThread", "parse"): [(800, 400)],
        ("worker <1>", "run"): [(800, 200)],
        ("worker <1>", "parse"): [(800, 200)],
        ("GIL", "MainThread"): [(0, 600)],
        ("GIL", "worker <1>"): [(800, 200)],
    }


# pstats, with the standard library and snakeviz


def test_given_pstats_when_pstats_and_snakeviz_load_it_then_times_and_callers_are_there(files: Files) -> None:
    import snakeviz.stats

    stats = pstats.Stats(str(files("pstats")))
    parse = ("/src/lib.py", 1, "parse")
    samples, _, self_s, total_s, callers = stats.stats[parse]  # type: ignore[attr-defined]  # not in typeshed
    assert (samples, self_s, total_s) == (60, pytest.approx(0.6), pytest.approx(0.6))
    assert {caller[2]: edge[0] for caller, edge in callers.items()} == {"main": 40, "run": 20}
    assert stats.total_tt == pytest.approx(1.2)  # type: ignore[attr-defined]
    rows = {row[5]: (row[0], row[1]) for row in snakeviz.stats.table_rows(stats)}
    assert rows["lib.py:1(parse)"] == (["60", 60], "0.6")
    tree = snakeviz.stats.json_stats(stats)
    assert tree["/src/app.py:1(main)"]["children"].keys() == {"/src/lib.py:1(work)", "/src/lib.py:1(parse)"}
    assert tree["/src/app.py:1(main)"]["stats"][3] == pytest.approx(1.0)


def test_given_pstats_when_its_own_command_prints_it_then_there_are_rows(files: Files) -> None:
    command = [sys.executable, "-m", "pstats", str(files("pstats"))]
    shown = subprocess.run(command, input="sort time\nstats 2\n", capture_output=True, text=True, check=True)
    rows = [line.split() for line in shown.stdout.splitlines() if "/src/" in line]
    assert {row[-1] for row in rows} == {"/src/lib.py:1(work)", "/src/lib.py:1(parse)"}
    assert {row[1] for row in rows} == {"0.600"}


# SVG, as XML (the browser's tests are beside)


def test_given_a_flame_graph_when_expat_parses_it_then_titles_say_the_shares(files: Files) -> None:
    root = xml.etree.ElementTree.fromstring(files("flamegraph", threads=True).read_bytes())
    titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "work (lib.py:9): 0.60 s, 60 samples, 50.00 %" in titles
    assert "thread (1001): worker <1>: 0.20 s, 20 samples, 16.67 %" in titles


def test_given_json_lines_when_pandas_reads_them_then_the_runs_add_up(files: Files) -> None:
    import pandas

    lines = pandas.read_json(files("jsonl"), lines=True)
    runs = lines[lines["type"] == "run"]
    assert runs["count"].sum() == 170
    assert set(lines["type"]) >= {"process", "thread", "frame", "run"}
