"""An ordinary target: parses, sorts, formats and matches, in functions of microseconds to milliseconds.

Announces what ``churn.py`` announces: here, too, the calling line determines the callee.
"""

import ast
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]

RECORDS: list[Row] = [
    {"name": f"row{number}", "value": number * 7919 % 1009, "tags": ["a", "b", str(number)]} for number in range(300)
]
TEXT = json.dumps(RECORDS)
WORD = re.compile(r"[a-z]+\d+")


def total(rows: list[Row]) -> int:
    result: int = 0
    for row in rows:
        result += row["value"]
    return result


def key_of(row: Row) -> tuple[int, str]:
    return row["value"] % 97, row["name"]


def ordered(rows: list[Row]) -> list[tuple[int, str]]:
    keys = []
    for row in rows:
        key = key_of(row)
        keys.append(key)
    keys.sort()
    return keys


def words(text: str) -> list[tuple[str, int]]:
    return Counter(WORD.findall(text)).most_common(5)


def shape(row: Row) -> str:
    parts = []
    for name in sorted(row):
        part = f"{name}={row[name]!r}"
        parts.append(part)
    return ", ".join(parts)


def report(rows: list[Row]) -> str:
    lines = []
    for row in rows:
        line = shape(row)
        lines.append(line)
    return "\n".join(lines)


def fibonacci(number: int) -> int:
    first, second = 0, 1
    for _ in range(number):
        first, second = second, first + second
    return first


def parse() -> list[Row]:
    rows: list[Row] = json.loads(TEXT)
    return rows


def handle() -> str:
    rows = parse()
    total(rows)
    ordered(rows)
    words(TEXT)
    text = report(rows)
    fibonacci(2000)
    return text


def churn() -> None:
    while True:
        handle()


FUNCTIONS: dict[str, Callable[..., object]] = {
    function.__name__: function
    for function in (total, key_of, ordered, words, shape, report, fibonacci, parse, handle, churn)
}


def described() -> tuple[dict[str, str], dict[str, list[int]]]:
    """Return {"function:line": callee} and the lines of each function, from this file's own source."""
    callees: dict[str, str] = {}
    lines: dict[str, list[int]] = {}
    with open(os.path.abspath(__file__)) as file:
        tree = ast.parse(file.read())
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name not in FUNCTIONS:
            continue
        lines[node.name] = list(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        # What is called that is not of this program, or is written in C, may show or not.
        for number in lines[node.name]:
            callees[f"{node.name}:{number}"] = ""
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in FUNCTIONS:
                callees[f"{node.name}:{call.lineno}"] = call.func.id
    return callees, lines


def main() -> None:
    callees, lines = described()
    announced: dict[str, object] = {
        "ready": True,
        "pid": os.getpid(),
        "threads": 1,
        "callees": callees,
        "functions": lines,
    }
    announced["roots"] = ["churn"]
    print(json.dumps(announced))
    sys.stdout.flush()
    churn()


if __name__ == "__main__":
    main()
