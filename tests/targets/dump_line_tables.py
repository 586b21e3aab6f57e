"""Print, for every code object of the standard library, its line table and what Python itself reads from it.

One JSON line per module: [file, [[name, first line, table in hex, digest of co_positions, digest of co_lines], ...]].
Takes 3.11 and later. Modules are loaded from their .pyc where there is one, which takes a tenth of compiling them.
"""

import hashlib
import importlib.util
import json
import marshal
import os
import sys
import types

LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "turtledemo", "__pycache__"}


def source_files(library):
    for folder, folders, files in os.walk(library):
        folders[:] = sorted(set(folders) - LEFT_OUT)
        for name in sorted(files):
            path = os.path.join(folder, name)
            # Distributions leave links behind whose file is in another package.
            if name.endswith(".py") and os.path.exists(path):
                yield path


def load(path):
    try:
        with open(importlib.util.cache_from_source(path), "rb") as file:
            data = file.read()
        if data[:4] == importlib.util.MAGIC_NUMBER:
            return marshal.loads(data[16:])
    except OSError:
        pass
    with open(path, "rb") as file:
        source = file.read()
    try:
        return compile(source, path, "exec")
    except SyntaxError:
        return None


def code_objects(code):
    waiting = [code]
    while waiting:
        code = waiting.pop()
        yield code
        waiting.extend(value for value in code.co_consts if isinstance(value, types.CodeType))


def digest(values):
    return hashlib.sha1(repr(values).encode()).hexdigest()


def line_of_each_unit(code):
    return [line for start, end, line in code.co_lines() for _ in range(start, end, 2)]


for path in source_files(os.path.dirname(os.__file__)):
    module = load(path)
    if module is not None:
        rows = [
            [
                code.co_qualname,
                code.co_firstlineno,
                code.co_linetable.hex(),
                digest(list(code.co_positions())),
                digest(line_of_each_unit(code)),
            ]
            for code in code_objects(module)
        ]
        print(json.dumps([path, rows]))
sys.stdout.flush()
