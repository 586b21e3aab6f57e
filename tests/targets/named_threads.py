"""Start threads of many names, announce them, rename some when told to ("rename"), wait for the end of stdin.

For 2.7 and later.
"""

import json
import sys
import threading

stop = threading.Event()
started = threading.Semaphore(0)


def work():
    started.release()
    stop.wait()


def text(utf8):
    """A name: text, which in 2.7 is bytes."""
    return utf8 if str is bytes else utf8.decode("utf-8")


class Slotted(threading.Thread):
    __slots__ = ("extra",)


class Laden(threading.Thread):
    """More attributes than inline values hold."""

    def __init__(self, *args, **kwargs):
        for number in range(100):
            setattr(self, "before_%d" % number, number)
        threading.Thread.__init__(self, *args, **kwargs)


class Opened(threading.Thread):
    """Its ``__dict__`` has been looked at."""

    def __init__(self, *args, **kwargs):
        threading.Thread.__init__(self, *args, **kwargs)
        self.__dict__["more"] = 1


def names():
    return {thread.ident: thread.name for thread in threading.enumerate()}


threads = [
    threading.Thread(target=work),
    threading.Thread(target=work, name=""),
    threading.Thread(target=work, name=text(b"caf\xc3\xa9")),
    threading.Thread(target=work, name=text(b"\xe4\xb8\xad\xe6\x96\x87 \xce\xa9")),
    threading.Thread(target=work, name=text(b"\xf0\x9d\x84\x9e & <b>markup</b>\n\x00")),
    Slotted(target=work, name="slotted"),
    Laden(target=work, name="laden"),
    Opened(target=work, name="opened"),
]
threads += [threading.Thread(target=work, name="worker %d" % number) for number in range(200)]
for thread in threads:
    thread.daemon = True
    thread.start()
for _ in threads:
    started.acquire()
print(json.dumps({"ready": True, "modules": id(sys.modules), "names": list(names().items())}))
sys.stdout.flush()
for _ in iter(sys.stdin.readline, ""):
    for number, thread in enumerate(threads):
        thread.name = "renamed %d" % number
    threading.current_thread().name = text(b"\xf0\x9f\x90\x8d main")
    print(json.dumps(list(names().items())))
    sys.stdout.flush()
stop.set()
