"""A small service to point nbspy at: a process with several threads that each do something else.

It announces itself with one line of JSON on stdout, ``{"pid": 4242, "ready": true}``, once every thread is at
work, and ends when its stdin is closed (so it never outlives who started it) or after ``--max-seconds``.

| thread     | what it does                                                                  |
|------------|-------------------------------------------------------------------------------|
| crunch     | scores customers in pure Python: holds the GIL whenever it gets it            |
| waiter     | indexes documents in pure Python: competes with crunch, so it waits for the GIL |
| compress   | compresses and hashes logs in C calls that release the GIL                    |
| heartbeat  | idle: waits for an event and counts                                           |
| recursion  | walks a very deep tree                                                        |

Nothing here knows of nbspy: the profiler reads this process from outside.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import difflib
import hashlib
import json
import math
import os
import signal
import statistics
import sys
import threading
import zlib
from collections.abc import Callable

STOP = threading.Event()
TREE_DEPTH = 160


# --- crunch ---------------------------------------------------------------------------------------------


def normalise(values: list[float]) -> list[float]:
    norm = math.sqrt(sum(value * value for value in values)) or 1.0
    return [value / norm for value in values]


def distance(left: list[float], right: list[float]) -> float:
    total = 0.0
    for a, b in zip(left, right, strict=True):
        total += (a - b) * (a - b)
    return math.sqrt(total)


def load_customers(batch: int) -> list[list[float]]:
    return [[math.sin(batch + row * 0.7 + column) for column in range(24)] for row in range(60)]


def rank(scores: list[float]) -> list[int]:
    return sorted(range(len(scores)), key=scores.__getitem__)


def without_outliers(scores: list[float]) -> list[float]:
    centre, spread = statistics.mean(scores), statistics.stdev(scores)
    return [score for score in scores if abs(score - centre) <= 2 * spread]


def score_batch(batch: int) -> list[int]:
    customers = [normalise(row) for row in load_customers(batch)]
    centre = [sum(column) / len(customers) for column in zip(*customers, strict=True)]
    scores = [distance(customer, centre) for _ in range(6) for customer in customers]
    return rank(without_outliers(scores))


def score_customers() -> None:
    batch = 0
    while not STOP.is_set():
        score_batch(batch)
        batch += 1


# --- waiter ---------------------------------------------------------------------------------------------

VOCABULARY = ("brown", "counts", "every", "jumps", "lazy", "over", "quick", "sampler", "sentence", "while", "word")
TEXT = "the quick brown fox jumps over the lazy dog while the sampler counts every word of this sentence "


def tokenize(text: str) -> list[str]:
    words: list[str] = []
    word = ""
    for character in text:
        if character.isalpha():
            word += character
        elif word:
            words.append(word)
            word = ""
    return words


def correct_spelling(word: str) -> str:
    matches = difflib.get_close_matches(word, VOCABULARY, n=1)
    return matches[0] if matches else word


def count_words(words: list[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return counts


def merge_counts(index: dict[str, int], counts: dict[str, int]) -> None:
    for word, count in counts.items():
        index[word] = index.get(word, 0) + count


def index_documents() -> None:
    index: dict[str, int] = {}
    while not STOP.is_set():
        words = tokenize(TEXT * 30)
        merge_counts(index, count_words([correct_spelling(word) for word in words[:40]] + words[40:]))


# --- compress -------------------------------------------------------------------------------------------


def compress_chunk(chunk: bytes) -> bytes:
    return zlib.compress(chunk, 6)


def sign_chunk(chunk: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", chunk[:64], b"demo salt", 60_000)


def archive_logs() -> None:
    chunk = os.urandom(1 << 12) * 512
    while not STOP.wait(0.03):
        sign_chunk(compress_chunk(chunk))


# --- heartbeat ------------------------------------------------------------------------------------------


def beat() -> None:
    while not STOP.wait(0.5):
        pass


# --- recursion ------------------------------------------------------------------------------------------


def weigh_leaf() -> int:
    weight = sum(index * index for index in range(2_000))
    STOP.wait(0.02)
    return weight


def walk_tree(depth: int) -> int:
    if depth == 0 or STOP.is_set():
        return sum(weigh_leaf() for _ in range(10))
    return 1 + walk_tree(depth - 1)


def weigh_tree() -> None:
    while not STOP.is_set():
        walk_tree(TREE_DEPTH)


# --- the process ----------------------------------------------------------------------------------------

THREADS: dict[str, Callable[[], None]] = {
    "crunch": score_customers,
    "waiter": index_documents,
    "compress": archive_logs,
    "heartbeat": beat,
    "recursion": weigh_tree,
}


def start_threads() -> list[threading.Thread]:
    """Start every thread, and return when all of them are at work."""
    at_work = threading.Barrier(len(THREADS) + 1)

    def work(job: Callable[[], None]) -> None:
        at_work.wait()
        job()

    threads = [threading.Thread(target=work, args=(job,), name=name, daemon=True) for name, job in THREADS.items()]
    for thread in threads:
        thread.start()
    at_work.wait()
    return threads


def allow_to_be_read() -> None:
    """Let any process of the same user read this one, where Linux (Yama) would grant that to its parents alone."""
    pr_set_ptracer, any_process = 0x59616D61, ctypes.c_ulong(-1)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(pr_set_ptracer, any_process, 0, 0, 0)


def end_after(seconds: float) -> None:
    """End the process after ``seconds`` in any case, without a thread of its own where the system can."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return
    timer = threading.Timer(seconds, os._exit, args=(0,))
    timer.daemon = True
    timer.start()


def main() -> None:
    parser = argparse.ArgumentParser(description="A process with several busy threads, to be profiled.")
    parser.add_argument("--max-seconds", type=float, default=3600.0, help="end after so long in any case")
    arguments = parser.parse_args()
    allow_to_be_read()
    end_after(arguments.max_seconds)
    threads = start_threads()
    print(json.dumps({"pid": os.getpid(), "ready": True}), flush=True)
    while sys.stdin.readline():
        pass
    STOP.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
