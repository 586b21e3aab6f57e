"""What a profiler meets in production: ``faults.py SCENARIO [NUMBER]``.

Commands on stdin: ``counter`` answers with a number that grows while the program makes progress, ``fork`` with the pid
of a child that goes on elsewhere, ``end`` begins the end of the interpreter, which stands in it until ``go on`` comes.
"""

import json
import os
import sys
import threading

COUNTER = [0]
NUMBER = int(sys.argv[2]) if len(sys.argv) > 2 else 0
CHILDREN = []


def tell(value):
    os.write(1, (json.dumps(value) + "\n").encode())


def hear():
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            os._exit(3)
        line += byte
    return line.decode().strip()


# --- the scenarios: each is what the thread "working" does


def turn():
    COUNTER[0] += 1


def spin():
    while True:
        turn()


def many_threads():
    """NUMBER further threads that wait, each below a function of its own."""
    parked, gate = threading.Semaphore(0), threading.Lock()
    gate.acquire()

    def wait():
        parked.release()
        gate.acquire()

    for number in range(NUMBER):
        thread = threading.Thread(target=wait, name="parked %d" % number)
        thread.daemon = True
        thread.start()
        parked.acquire()
    ready()
    spin()


def brief():
    turn()


def births():
    """Threads that live for an instant, as fast as they can be made."""
    ready()
    while True:
        thread = threading.Thread(target=brief, name="brief")
        thread.start()
        thread.join()


def down(level):
    if level:
        down(level - 1)
    else:
        spin()


def deep():
    """NUMBER frames, and the leaf spins."""
    sys.setrecursionlimit(NUMBER + 1000)
    ready()
    down(NUMBER - 4)  # threading's three and this one; spin and turn come on top


def up_and_down(level):
    turn()
    if level:
        up_and_down(level - 1)


def unmapping():
    """Stacks that grow over many chunks and are given back, again and again."""
    sys.setrecursionlimit(NUMBER + 1000)
    ready()
    while True:
        up_and_down(NUMBER)


def reuse_of_codes():
    """Functions that are made, run and freed; the first line of each tells its name."""
    ready()
    number = 0
    while True:
        number = (number + 1) % 97
        space = {"turn": turn}
        source = "\n" * number + "def made_%d():\n    for _ in range(40): turn()\n" % number
        exec(compile(source, "made.py", "exec"), space)
        space["made_%d" % number]()


def forking():
    ready()
    work_of_the_parent()


def work_of_the_parent():
    spin()


def work_of_the_child():
    while True:
        turn()


def fork():
    child = os.fork()
    if not child:
        work_of_the_child()
    CHILDREN.append(child)
    return child




def life_of_the_child():
    """In the child: another thread, which may lie where one of the parent's did; the parent is told when it runs."""
    lock = threading.Lock()
    lock.acquire()

    def after_the_fork():
        tell([os.getpid()])
        lock.acquire()

    thread = threading.Thread(target=after_the_fork, name="after the fork")
    thread.daemon = True
    thread.start()
    work_of_the_child()


def standing_in():
    """Two lives of one pid, as fast as the kernel can: the memory of the second is that of the first."""
    ready()
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def life(work):
    child = os.fork()
    if not child:
        work()
    return child


def first_life():
    while True:
        turn()


def second_life():
    while True:
        turn()


def second(pid):
    """Kill the child, and start others until one has its pid. Root: the kernel is told which pid was the last."""
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    for _ in range(100):
        with open("/proc/sys/kernel/ns_last_pid", "w") as file:
            file.write(str(pid - 1))
        child = life(second_life)
        if child == pid:
            return True
        os.kill(child, 9)
        os.waitpid(child, 0)
    return False


class EndsLate(object):
    """What is freed when the interpreter takes its modules apart: names of modules are gone by then."""

    def __del__(self, read=os.read, write=os.write):
        write(1, b'["ending"]\n')
        while read(0, 1) not in (b"\n", b""):
            pass


# --- what all share


def ready():
    task = getattr(threading, "get_native_id", int)()  # from 3.8
    tell({"ready": True, "working": threading.current_thread().ident, "working_task": task})


def obey():
    while True:
        command = hear()
        if command == "counter":
            tell([COUNTER[0]])
        elif command == "fork":
            tell([fork()])
        elif command == "fork with threads":
            life(life_of_the_child)
        elif command == "first":
            tell([life(first_life)])
        elif command.startswith("second "):
            tell([second(int(command.split()[1]))])
        elif command == "end":
            return


def main():
    working = threading.Thread(target=globals()[sys.argv[1]], name="working")
    working.daemon = True
    working.start()
    obey()


sys.ends_late = EndsLate()
main()
