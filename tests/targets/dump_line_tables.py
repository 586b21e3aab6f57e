"""Print, for every code object of the standard library, its line table and what Python itself reads from it.

One JSON line per module: [file, [[name, first line, table in hex, length of the code, digest of the line of every
instruction, digest of co_positions or null], ...]]. Modules are loaded from their .pyc where there is one, which takes
a tenth of compiling them. For 2.7 and later. Arguments, where not all modules are wanted: one of how many, and the
first.
"""

import binascii
import dis
import hashlib
import json
import marshal
import os
import sys
import types

if sys.version_info >= (3, 4):
    from importlib.util import MAGIC_NUMBER, cache_from_source
else:
    import imp

    MAGIC_NUMBER = imp.get_magic()

    def cache_from_source(path):
        return path + "c"


LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "turtledemo", "__pycache__"}
UNIT = 2 if sys.version_info >= (3, 6) else 1
PYC_HEADER = 16 if sys.version_info >= (3, 7) else 12 if sys.version_info >= (3, 3) else 8


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
        with open(cache_from_source(path), "rb") as file:
            data = file.read()
        if data[:4] == MAGIC_NUMBER:
            return marshal.loads(data[PYC_HEADER:])
    except (OSError, IOError):  # two kinds in 2.7
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
    """By co_lines (3.10+), else by the function that dis has for it; 0 for none."""
    if hasattr(code, "co_lines"):
        return [line or 0 for start, end, line in code.co_lines() for _ in range(start, end, UNIT)]
    starts = list(dis.findlinestarts(code))
    ends = [start for start, _ in starts[1:]] + [len(code.co_code)]
    return [line for (start, line), end in zip(starts, ends) for _ in range(start, end, UNIT)]


def row(code):
    table = code.co_linetable if hasattr(code, "co_linetable") else code.co_lnotab
    return [
        getattr(code, "co_qualname", code.co_name),
        code.co_firstlineno,
        binascii.hexlify(table).decode(),
        len(code.co_code),
        digest(line_of_each_unit(code)),
        digest(list(code.co_positions())) if hasattr(code, "co_positions") else None,
    ]


STEP, FIRST = [int(word) for word in sys.argv[1:]] or (1, 0)
for path in list(source_files(os.path.dirname(os.__file__)))[FIRST::STEP]:
    module = load(path)
    if module is not None:
        print(json.dumps([path, [row(code) for code in code_objects(module)]]))
sys.stdout.flush()
