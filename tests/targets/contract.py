"""What a platform's backend is held against: known memory, a thread that counts, one that waits, and the main one."""

import ctypes
import json
import sys
import threading

CONTENT = bytes(range(256)) * 64
held = ctypes.create_string_buffer(CONTENT, len(CONTENT))
counter = ctypes.c_uint64()
ids = {}
begun = threading.Semaphore(0)


def count_up():
    ids["counting"] = threading.get_native_id()
    begun.release()
    while True:
        counter.value += 1


def wait_for_ever():
    ids["waiting"] = threading.get_native_id()
    begun.release()
    threading.Event().wait()


def end_at_once():
    ids["ended"] = threading.get_native_id()


for work in (count_up, wait_for_ever):
    threading.Thread(target=work, daemon=True).start()
    begun.acquire()
ended = threading.Thread(target=end_at_once)
ended.start()
ended.join()
ids.update(ready=True, main=threading.get_native_id())
ids.update(content=ctypes.addressof(held), counter=ctypes.addressof(counter))
print(json.dumps(ids))
sys.stdout.flush()
sys.stdin.readline()
