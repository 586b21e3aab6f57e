"""Parks threads in known places and says what the interpreter itself sees there: ``stacks.py SCENARIO``.

Announces, for each parked thread, its ids, its name and its frames, leaf first, each as [name, file, line], from 3.11
on with [column, end line, end column] behind it. Commands on stdin: ``trace`` answers with the path of a file that
faulthandler has written the stacks to; ``counter`` with a number that grows while the program makes progress; ``exit``
ends it; ``exec`` makes it another program. For 2.7 and later; what takes a newer syntax is in ``stacks_newer.py``.
"""

import functools
import itertools
import json
import os
import re
import sys
import tempfile
import threading
import time
import zipfile

if not hasattr(threading, "get_native_id"):
    import ctypes  # here, since a thread that parks in an import keeps the lock that every other import needs

try:
    import faulthandler
except ImportError:
    faulthandler = None

PARKED = threading.Semaphore(0)
GATE = threading.Lock()
GATE.acquire()
COUNTER = [0]
NATIVE_IDS = {}
LATER = []
"""What a scenario wants called once the threads are parked: it returns further rows."""


def park():
    """Where every parked thread stands: released by nobody."""
    PARKED.release()
    GATE.acquire()


# --- the scenarios: each gives the functions that its threads run


def down(level):
    if level:
        return down(level - 1)
    return park()


def recursion():
    return [("recursion", functools.partial(down, 200)), ("shallow", functools.partial(down, 0))]


def named():
    def sleeper():
        PARKED.release()
        time.sleep(1000)

    def in_event():
        PARKED.release()
        threading.Event().wait()

    def in_condition():
        condition = threading.Condition()
        with condition:
            PARKED.release()
            condition.wait()

    def in_pipe():
        PARKED.release()
        os.read(os.pipe()[0], 1)

    rows = [("sleeper", sleeper), ("event", in_event), ("condition", in_condition), ("pipe", in_pipe)]
    return rows + [("worker %d" % number, functools.partial(down, number)) for number in range(40)]


def plain_generators():
    def inner():
        yield 1
        park()
        yield 2

    def outer():
        for value in inner():
            yield value

    def parked_in_generators():
        suspended = inner()
        next(suspended)  # a frame that is on no stack
        return list(outer())

    def parked_by_throw():
        def catches():
            try:
                yield 1
            except ValueError:
                park()

        generator = catches()
        next(generator)
        generator.throw(ValueError)

    return [("generators", parked_in_generators), ("throw", parked_by_throw)]


def generators():
    from stacks_newer import generators

    return generators(park)


def small_frames():
    def in_list():
        return [park() for _ in range(1)]

    def in_dict():
        return {key: park() for key in [0]}

    def in_nested():
        return [[park() for _ in range(1)] for _ in range(1)]

    def in_generator_expression():
        return sum(park() or 0 for _ in range(1))

    in_lambda = lambda: (lambda: park())()  # noqa: E731

    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **keywords):
            return function(*args, **keywords)

        return wrapper

    @decorate
    @decorate
    def decorated():
        park()

    def in_class_body():
        class Body(object):
            attribute = park()

        return Body

    class WithInit(object):
        def __init__(self):
            if self.stops:
                park()

        stops = False

        @property
        def prop(self):
            return park()

        def __getattr__(self, name):
            return park()

        def __enter__(self):
            park()

        def __exit__(self, *_):
            pass

    def in_init():
        for number in range(200):  # often enough to be specialised
            if number == 199:
                WithInit.stops = True
            WithInit()

    def in_property():
        return WithInit.__new__(WithInit).prop

    def in_getattr():
        return WithInit.__new__(WithInit).missing

    def in_enter():
        with WithInit.__new__(WithInit):
            pass

    def in_handler():
        try:
            raise ValueError("first")
        except ValueError:
            try:
                raise KeyError("second")
            except KeyError:
                park()

    def in_finally():
        try:
            return 1
        finally:
            park()

    return [(name, function) for name, function in sorted(locals().items()) if name.startswith(("in_", "decorated"))]


def deep():
    """Deeper than other profilers read, on a C stack that is large enough for it."""
    sys.setrecursionlimit(20000)
    threading.stack_size(512 << 20)
    return [("deep", functools.partial(down, 12000)), ("shallow", functools.partial(down, 0))]


def zipimported():
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "zipped.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("in_zip/__init__.py", "")
        archive.writestr("in_zip/inner.py", "def call(park):\n    # a comment\n    return park()\n")
    sys.path.insert(0, path)
    from in_zip.inner import call

    os.unlink(path)
    os.rmdir(folder)
    return [("zipped", functools.partial(call, park)), ("main", park)]


def methods():
    class Base(object):
        def shadowed(self):
            return self.of_class()

        @classmethod
        def of_class(cls):
            return cls.of_nobody(cls())

        @staticmethod
        def of_nobody(instance):
            return instance.value

        @property
        def value(self):
            return self.__private()

        def __private(self):
            return (lambda: park())()

        def given_away(self):
            self = None  # noqa: F841 - its class can no longer be told
            return park()

    class Derived(Base):
        def shadowed(self):
            return super(Derived, self).shadowed()

        def __call__(self):
            return self.shadowed()

    def not_a_method(instance):
        return instance()

    return [("calls", functools.partial(not_a_method, Derived())), ("given_away", Derived().given_away)]


def code_without_a_file():
    space = {"park": park}
    exec("def made():\n\n    park()\n\nmade2 = lambda: made()\n", space)
    name, file = "unicode_caf\xe9", "/nowhere/\u4e2d\u6587 \U0001f40d.py"
    if sys.version_info < (3,):
        name, file = "plain", b"/nowhere/\xe4\xb8\xad\xe6\x96\x87.py"
    exec(compile("def " + name + "(x=1):\n    return park()\n", file, "exec"), space)
    exec(compile("\n" * 70000 + "def far(): park()", "<far & 'quoted' \"file\">", "exec"), space)
    body = "def long():\n" + "".join("    x%d = %d\n" % (n, n) for n in range(5000)) + "    park()\n"
    exec(compile(body, "/nowhere/long.py", "exec"), space)
    split = "def split():\n    return (\n        1\n        +\n        park(\n        )\n    )\n"
    exec(compile(split, "/nowhere/split.py", "exec"), space)

    def evaluated():
        eval("park()")

    names = ["made2", name, "far", "long", "split"]
    return [(name, space[name]) for name in names] + [("evaluated", evaluated)]


def c_callbacks():
    def key(value):
        park()
        return value

    def in_sorted():
        sorted([2, 1], key=key)

    def in_reduce():
        functools.reduce(lambda a, b: park(), [1, 2, 3])

    def in_sub():
        re.sub("a", lambda match: park(), "banana")

    def in_map():
        list(map(key, [1]))

    def in_both():
        sorted([2, 1], key=lambda value: functools.reduce(lambda a, b: park(), [1, 2]))

    class Text(object):
        def __str__(self):
            return park() or ""

        def __del__(self):
            park()

    def in_str():
        "%s" % Text.__new__(Text)

    def in_del():
        Text()

    def in_import():
        class Finder(object):
            def find_spec(self, name, path=None, target=None):
                if name == "nbspy_parks_here":
                    park()

        sys.meta_path.insert(0, Finder())
        __import__("nbspy_parks_here")

    if sys.version_info < (3,):
        del in_import  # it keeps the lock that every import needs

    return [(name, function) for name, function in sorted(locals().items()) if name.startswith("in_")]


def subinterpreters():
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters

    reader, writer = os.pipe()
    code = (
        "import json, os, sys, threading\n"
        "def deep(level):\n"
        "    if level:\n"
        "        return deep(level - 1)\n"
        "    frame, rows = sys._getframe(), []\n"
        "    while frame:\n"
        "        code = frame.f_code\n"
        "        rows.append([getattr(code, 'co_qualname', code.co_name), code.co_filename, frame.f_lineno])\n"
        "        frame = frame.f_back\n"
        "    rows[0][2] += 4\n"
        "    os.write(%d, (json.dumps([threading.get_ident(), threading.get_native_id(), rows]) + '\\n').encode())\n"
        "    os.read(os.pipe()[0], 1)\n"
        "deep(3)\n" % writer
    )
    found = []
    with open(reader) as lines:
        for _ in range(2):  # one after the other: 3.12 and 3.13 may crash where two of them begin at once
            interpreter = interpreters.create()
            thread = threading.Thread(target=interpreters.run_string, args=(interpreter, code))
            thread.daemon = True
            thread.start()
            ident, native, frames = json.loads(lines.readline())
            found.append({"ident": ident, "native": native, "name": None, "frames": frames})
    LATER.append(lambda: found)
    return [("main", functools.partial(down, 2))]


def busy():
    def f1():
        COUNTER[0] += 1
        return sum(range(20))

    def f2():
        return [f1() for _ in range(3)]

    def spin():
        PARKED.release()
        while True:
            f1()
            f2()

    def calculate():
        import zlib

        data = os.urandom(1 << 22)
        PARKED.release()
        while True:
            zlib.compress(data, 9)

    functions = {"spin": spin, "rival": spin, "calculate": calculate, "sleep": functools.partial(down, 3)}
    return [(name, functions[name]) for name in sys.argv[2:]]


# --- what the interpreter says


def frames_of(frame):
    rows = []
    while frame is not None:
        code = frame.f_code
        row = [getattr(code, "co_qualname", None) or method_name(frame), code.co_filename, frame.f_lineno]
        if hasattr(code, "co_positions"):
            _, end_line, column, end_column = next(itertools.islice(code.co_positions(), frame.f_lasti // 2, None))
            row.append([column, end_line, end_column])
        rows.append(row)
        frame = frame.f_back
    return rows


def method_name(frame):
    """What can be known before 3.11: the name with that of its class, where its first argument leads to it."""
    code = frame.f_code
    first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    for kind in (first.__mro__ if isinstance(first, type) else ()) + type(first).__mro__:
        name = code.co_name
        if name.startswith("__") and not name.endswith("__"):
            name = "_" + kind.__name__.lstrip("_") + name
        found = vars(kind).get(name)
        found = getattr(found, "__func__", getattr(found, "fget", found))
        if getattr(found, "__code__", None) is code:
            return getattr(found, "__qualname__", kind.__name__ + "." + code.co_name)
    return code.co_name


def native_id():
    """What threading.get_native_id() gives from 3.8 on."""
    if hasattr(threading, "get_native_id"):
        return threading.get_native_id()
    return ctypes.CDLL(None).syscall({"x86_64": 186, "aarch64": 178}[os.uname()[4]])


def run(name, function):
    NATIVE_IDS[name] = native_id()
    function()


def start(name, function):
    thread = threading.Thread(target=run, args=(name, function), name=name)
    thread.daemon = True
    thread.start()
    return thread


def is_still(thread):
    """True where two looks see the same frames."""
    looks = []
    for _ in range(2):
        looks.append(frames_of(sys._current_frames()[thread.ident]))
        time.sleep(0.002)
    return looks[0] == looks[1]


def trace():
    path = os.path.join(tempfile.gettempdir(), "nbspy-stacks-%d.txt" % os.getpid())
    with open(path, "w") as file:
        if faulthandler is not None:
            faulthandler.dump_traceback(file, all_threads=True)
        else:  # 2.7
            for ident, frame in sys._current_frames().items():
                file.write("Thread %d:\n" % ident)
                for name, source, line in (row[:3] for row in frames_of(frame)):
                    name = name.rpartition(".")[2]  # as faulthandler does
                    file.write('  File "%s", line %d in %s\n' % (source, line, name))
    return [path]


def obey():
    for line in iter(sys.stdin.readline, ""):
        command = line.strip()
        if command == "trace":
            answer = trace()
        elif command == "counter":
            answer = [COUNTER[0]]
        elif command == "exit":
            os._exit(0)
        elif command == "exec":
            os.execv("/bin/sleep", ["sleep", "1000"])
        elif command == "exec-python":
            os.execv(sys.executable, [sys.executable] + sys.argv)
        print(json.dumps(answer))
        sys.stdout.flush()


def main():
    rows = globals()[sys.argv[1]]()
    threads = [start(name, function) for name, function in rows]
    for _ in threads:
        PARKED.acquire()
    parked = []
    if sys.argv[1] != "busy":
        for thread in threads:
            while not is_still(thread):
                pass
            frames = frames_of(sys._current_frames()[thread.ident])
            parked.append(
                {"ident": thread.ident, "native": NATIVE_IDS[thread.name], "name": thread.name, "frames": frames}
            )
    for rows in LATER:
        parked += rows()
    print(json.dumps({"ready": True, "threads": parked, "ids": NATIVE_IDS, "main": native_id()}))
    sys.stdout.flush()
    obey()


if __name__ == "__main__":
    main()
