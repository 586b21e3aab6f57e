from __future__ import annotations

import itertools

from nbspy.cpython.activity_watch import QUIET_NS, ActivityWatch
from nbspy.target.process import Activity

from .fake_python import LAYOUTS
from .unwinder_scene import Scene

MS = 1_000_000


class Watched:
    """An activity watch on three threads, with what it asked."""

    def __init__(self) -> None:
        self.scene = Scene(LAYOUTS["3.12"])
        assert self.scene.unwinder.sample()
        self.threads = self.scene.unwinder.threads
        self.asked: list[int] = []
        self.doing: dict[int, Activity] = {}
        for thread in self.threads:
            thread.quiet = False
        self.scene.target.activity = self.activity  # type: ignore[method-assign]  # the question is what is asked
        self.watch = ActivityWatch(self.scene.target)
        self.watch.follow(self.threads)

    def activity(self, thread: int) -> tuple[Activity, int]:
        self.asked.append(thread)
        return self.doing.get(thread, Activity.WAITING), 0

    def look(self, now_ns: int, *known: int) -> list[int]:
        """Return the indices of those that were asked about."""
        self.asked.clear()
        if self.watch.known == known and self.watch.known is not None:
            same = self.watch.known
            due = now_ns >= self.watch.due_ns
            self.watch.look(now_ns, same)
            assert due or not self.asked
        else:
            self.watch.look(now_ns, known)
        natives = [thread.host_id for thread in self.threads]
        return [natives.index(thread) for thread in self.asked]


def test_thread_that_is_known_to_have_the_gil_is_not_asked_about() -> None:
    watched = Watched()

    assert watched.look(0, watched.threads[1].state.address) == [0, 2]
    assert watched.look(1, watched.threads[1].state.address) == []
    assert watched.look(2) == [1]


def test_thread_that_runs_is_asked_about_each_time() -> None:
    watched = Watched()
    watched.doing[watched.threads[2].host_id] = Activity.RUNNING

    assert watched.look(0) == [0, 1, 2]
    assert watched.look(1) == [2]
    assert watched.threads[2].running
    watched.doing.clear()
    assert watched.look(2) == [2]
    assert not watched.threads[2].running
    assert watched.look(3) == []


def test_thread_that_waits_is_asked_about_the_more_seldom_the_longer_but_never_forgotten() -> None:
    watched = Watched()
    asked = [now for now in range(0, 4000 * MS, MS) if 0 in watched.look(now)]

    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert gaps[0] == QUIET_NS
    assert gaps == sorted(gaps)
    assert max(gaps) == 200 * MS
    watched.doing[watched.threads[0].host_id] = Activity.RUNNING
    assert any(watched.look(now) for now in range(4000 * MS, 4200 * MS, MS))
    assert watched.threads[0].running


def test_thread_that_moved_is_asked_about_the_next_time_and_then_at_rest_again() -> None:
    watched = Watched()
    watched.look(0)
    for _ in range(3):
        watched.watch.wake(watched.threads[1])
        assert watched.look(1) == [1]
        assert watched.look(2) == []
    asked = [now for now in range(3, 20 * MS, MS // 2) if 1 in watched.look(now)]
    assert len(asked) == 1


def test_thread_that_is_gone_is_told_and_no_longer_asked_about() -> None:
    watched = Watched()
    watched.doing[watched.threads[0].host_id] = Activity.GONE

    watched.look(0)
    assert watched.watch.one_is_gone
    watched.watch.follow(watched.threads[1:])
    assert all(0 not in watched.look(now) for now in range(0, 1000 * MS, 5 * MS))
