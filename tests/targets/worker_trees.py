"""Starts worker processes as many kinds of programs do: ``worker_trees.py KIND STOP``.

Begins when a line comes, and says ["worker", PID, monotonic ns] for each worker that has begun to spin. All end when
the file STOP is there; then it says ["done"] and ends with its stdin.
"""

import json
import os
import subprocess
import sys
import time

WORKERS = 3


def say(*words):
    os.write(1, json.dumps(words).encode() + b"\n")


def now():
    return int(getattr(time, "monotonic", time.time)() * 1e9)


def spin(stop):
    """What a worker does, and nobody else."""
    turns = 0
    while turns % 5000 or not os.path.exists(stop):
        turns += 1


def work(stop):
    say("worker", os.getpid(), now())
    spin(stop)
    return os.getpid()


def multiprocessing_pool(method, stop):
    import multiprocessing

    context = multiprocessing.get_context(method)
    with context.Pool(WORKERS) as pool:
        pool.map(work, [stop] * WORKERS, 1)


def futures(stop):
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(WORKERS) as pool:
        list(pool.map(work, [stop] * WORKERS))


def joblib_pool(stop):
    import joblib

    joblib.Parallel(n_jobs=WORKERS)(joblib.delayed(work)(stop) for _ in range(WORKERS))


def load(stop, queue):
    """A loader's worker, as torch has them: daemonic, and it hands over what it has made."""
    work(stop)
    queue.put(os.getpid())


def loaders(stop):
    """A trainer below us, with loaders below it that it reads from through a queue each."""
    import multiprocessing

    def train():
        queues = [multiprocessing.Queue() for _ in range(WORKERS)]
        below = [multiprocessing.Process(target=load, args=(stop, queue)) for queue in queues]
        for process in below:
            process.daemon = True
            process.start()
        for queue in queues:
            queue.get()

    multiprocessing.set_start_method("fork")
    trainer = multiprocessing.Process(target=train)
    trainer.start()
    trainer.join()


def forks(stop):
    """By hand, one after the other: as old as Unix."""
    children = []
    for _ in range(WORKERS):
        child = os.fork()
        if not child:
            work(stop)
            os._exit(0)
        children.append(child)
        time.sleep(0.05)
    for child in children:
        os.waitpid(child, 0)


def execs(stop):
    """A child that becomes another program after a while."""
    child = os.fork()
    if not child:
        work(stop + ".first")
        os.execv(sys.executable, [sys.executable, __file__, "again", stop])
    os.waitpid(child, 0)


if __name__ == "__main__":
    kind, stop = sys.argv[1:]
    if kind == "again":
        work(stop)
        sys.exit()
    other = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    os.write(1, json.dumps({"ready": True, "other": other.pid}).encode() + b"\n")
    sys.stdin.readline()
    if kind in ("fork", "spawn", "forkserver"):
        multiprocessing_pool(kind, stop)
    else:
        {"futures": futures, "joblib": joblib_pool, "loaders": loaders, "forks": forks, "execs": execs}[kind](stop)
    say("done")
    sys.stdin.read()
    other.stdin.close()
    other.wait()
