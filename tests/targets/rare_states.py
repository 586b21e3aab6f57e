"""Parks one thread where Python is seldom: ``rare_states.py SCENE``. For 2.7 and later.

Announces the parked thread and what Python itself says of it. Scenes: ``callback`` (a function of ``gc.callbacks``),
``finalizer`` (``__del__``, called by a collection), ``handler`` (an ``except`` clause), ``thread-end`` (an object of a
``threading.local`` that is freed with its thread) and ``exit`` (an object that is freed when Python ends; a daemon
thread is still there).
"""

import gc
import json
import os
import sys
import threading
import time
import weakref

SCENE = sys.argv[1]
NATIVE = []


def native_id():
    if hasattr(threading, "get_native_id"):
        return threading.get_native_id()
    return ctypes.CDLL(None).syscall({"x86_64": 186, "aarch64": 178}[os.uname()[4]])


if not hasattr(threading, "get_native_id"):
    import ctypes


def announce(**facts):
    print(json.dumps(dict(facts, ready=True)))
    sys.stdout.flush()


class Parks(object):
    """Parks when it is freed; all it needs is its own, since modules may be gone by then."""

    def __init__(self, pipe, text):
        self.read, self.write, self.pipe, self.text = os.read, os.write, pipe, text

    def __del__(self, _=None):
        self.write(1, self.text)
        self.read(self.pipe, 1)


class Plain(object):
    pass


def park_in_callback(phase, info):
    if phase == "start":
        announce(parked=native_id())
        os.read(0, 1)


def worker():
    if SCENE == "callback":
        gc.callbacks.append(park_in_callback)
        gc.collect()
    elif SCENE == "finalizer":
        cycle = parks = Parks(0, text(native_id()))
        callback = None
        if sys.version_info < (3, 4):
            # A cycle with a finalizer is not collected: it is called because another cycle is.
            cycle = Plain()
            callback = weakref.ref(cycle, parks.__del__)
        cycle.itself = cycle
        del cycle, parks
        gc.collect()
        del callback
    elif SCENE == "handler":
        try:
            raise ValueError("handled")
        except ValueError:
            time.sleep(0)
            announce(parked=native_id())
            os.read(0, 1)
    elif SCENE == "thread-end":
        LOCAL.value = Parks(0, text(native_id()))


def text(native):
    return (json.dumps({"ready": True, "parked": native}) + "\n").encode()


def sleep():
    time.sleep(1000)


LOCAL = threading.local()
gc.disable()  # until it is asked for
daemon = threading.Thread(target=sleep, name="daemon")
daemon.daemon = True
daemon.start()
if SCENE == "exit":
    sys.freed_last = Parks(0, text(native_id()))  # what is here the daemon thread keeps alive
else:
    thread = threading.Thread(target=worker, name="parked")
    thread.daemon = True
    thread.start()
    time.sleep(1000)
