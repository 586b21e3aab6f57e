"""Start threads of many names, announce them, rename some when told to ("rename"), wait for the end of stdin."""

import json
import sys
import threading

stop = threading.Event()
started = threading.Semaphore(0)


def work():
    started.release()
    stop.wait()


class Slotted(threading.Thread):
    __slots__ = ("extra",)


class Laden(threading.Thread):
    """More attributes than inline values hold."""

    def __init__(self, *args, **kwargs):
        for number in range(100):
            setattr(self, f"before_{number}", number)
        super().__init__(*args, **kwargs)


class Opened(threading.Thread):
    """Its ``__dict__`` has been looked at."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.__dict__["more"] = 1


def names():
    return {thread.ident: thread.name for thread in threading.enumerate()}


threads = [
    threading.Thread(target=work),
    threading.Thread(target=work, name=""),
    threading.Thread(target=work, name="caf\xe9"),
    threading.Thread(target=work, name="\u4e2d\u6587 \u03a9"),
    threading.Thread(target=work, name="\U0001d11e & <b>markup</b>\n\x00"),
    Slotted(target=work, name="slotted"),
    Laden(target=work, name="laden"),
    Opened(target=work, name="opened"),
    *(threading.Thread(target=work, name=f"worker {number}") for number in range(200)),
]
for thread in threads:
    thread.daemon = True
    thread.start()
for _ in threads:
    started.acquire()
print(json.dumps({"ready": True, "modules": id(sys.modules), "names": list(names().items())}))
sys.stdout.flush()
for _ in iter(sys.stdin.readline, ""):
    for number, thread in enumerate(threads):
        thread.name = f"renamed {number}"
    threading.current_thread().name = "\U0001f40d main"
    print(json.dumps(list(names().items())))
    sys.stdout.flush()
stop.set()
