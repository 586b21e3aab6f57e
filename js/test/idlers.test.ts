/** Threads that are idle nearly all of the time are left out of what is seen, where others are not; golden cases are shared with Python. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { EVERYTHING, SelectedTree } from "../src/model/selection";
import { DEFAULTS, settingsFrom } from "../src/model/settings";
import { ViewState } from "../src/model/view-state";
import { ProfileMaker } from "./golden";

interface Case {
  readonly title: string;
  readonly runs: [number, number, number, number][];
  readonly time: [number, number] | null;
  readonly left_out: number[];
}

const { cases } = JSON.parse(readFileSync(new URL("../../tests/data/idle-threads.json", import.meta.url), "utf8")) as { cases: Case[] };
const IDLE = 0;
const GIL = 3;

/** A thread that runs for 100 us, and a pool of two that waits all the while. */
function pool(): ProfileMaker {
  return new ProfileMaker(3).add(
    { stack: ["main", "work"], state: GIL, thread: 0, start: 0, weight: 100 },
    { stack: ["worker", "get"], state: IDLE, thread: 1, start: 0, weight: 100 },
    { stack: ["worker", "get"], state: IDLE, thread: 2, start: 0, weight: 100 },
  );
}

describe("idle threads", () => {
  test.each(cases)("GIVEN $title THEN those are left out that Python leaves out", ({ runs, time, left_out: leftOut }) => {
    const maker = new ProfileMaker(5).add(...runs.map(([thread, state, start, weight]) => ({ stack: ["f"], thread, state, start, weight })));
    const selected = new SelectedTree(maker.profile, { ...EVERYTHING, idlers: true, time }, "function");
    expect([...selected.leftOut].sort()).toEqual(leftOut);
  });

  test("GIVEN an idle pool THEN totals, functions, matches and time are of the others, until it is shown; undo brings it back", () => {
    const state = new ViewState(pool().profile, () => undefined);
    state.refresh(true);
    expect([state.idlersOut, state.total[0], state.threadsSeen]).toEqual([2, 100, 1]);
    state.show("functions");
    expect(state.scenes.functions.map((row) => state.names.name(row.key)).sort()).toEqual(["main", "work"]);
    state.setQuery("get");
    expect(state.found.share).toBe(0);
    expect([0, 1, 2].map((thread) => state.sees(thread))).toEqual([true, false, false]);
    state.change({ idlers: false });
    expect([state.idlersOut, state.total[0], state.threadsSeen]).toEqual([0, 300, 3]);
    expect(state.found.share).toBeCloseTo(2 / 3);
    state.undo();
    expect([state.idlersOut, state.total[0]]).toEqual([2, 100]);
  });

  test.each([
    ["a thread of the pool is selected", { threads: [1] }, 100],
    ["idle time is what is asked for", { mode: "idle" as const }, 200],
    ["running time is what is asked for", { mode: "active" as const }, 100],
  ])("GIVEN %s THEN no thread is left out", (_, part, total) => {
    const state = new ViewState(pool().profile, () => undefined);
    state.change(part);
    expect([state.idlersOut, state.total[0]]).toEqual([0, total]);
  });

  test("GIVEN a live process THEN all are shown while all are idle, then who runs, and who begins to run comes in with all of its time", () => {
    const maker = new ProfileMaker(3);
    const state = new ViewState(maker.profile, () => undefined);
    const seen = (): [number, number] => {
      state.refresh(false);
      return [state.idlersOut, state.total[0]!];
    };
    for (const thread of [0, 1, 2]) maker.add({ stack: ["wait"], state: IDLE, thread, start: 0, weight: 50 });
    expect(seen()).toEqual([0, 150]);
    maker.add({ stack: ["work"], state: GIL, thread: 0, start: 50, weight: 10 });
    expect(seen()).toEqual([2, 60]);
    maker.add({ stack: ["work"], state: GIL, thread: 2, start: 50, weight: 20 });
    expect(seen()).toEqual([1, 130]);
    state.pause(true, false);
    maker.add({ stack: ["work"], state: GIL, thread: 1, start: 60, weight: 5 });
    expect(seen()).toEqual([1, 130]);
    state.pause(false, false);
    expect(seen()).toEqual([0, 185]);
  });

  test("GIVEN a thread at the limit WHEN live THEN it does not come and go; once it has ended the rule is Python's", () => {
    const maker = new ProfileMaker(2);
    const state = new ViewState(maker.profile, () => undefined);
    let at = 0;
    /** Time passes in which the second thread works for so long. */
    const pass = (us: number, awake: number): number => {
      maker.add({ stack: ["work"], state: GIL, thread: 0, start: at, weight: us });
      if (awake) maker.add({ stack: ["look"], state: GIL, thread: 1, start: at, weight: awake });
      maker.add({ stack: ["wait"], state: IDLE, thread: 1, start: at + awake, weight: us - awake });
      at += us;
      state.refresh(false);
      return state.idlersOut;
    };
    expect([pass(1000, 9), pass(1000, 15), pass(800, 0), pass(1000, 0), pass(2000, 0)]).toEqual([1, 0, 0, 0, 1]);
    expect([pass(1000, 60), pass(3000, 0)]).toEqual([0, 0]);
    maker.profile.apply({ kind: "end", timeNs: 0, reason: "stopped", errorKind: "", message: "", help: "", exitStatus: null });
    state.refresh(true);
    expect(state.idlersOut).toBe(1);
  });

  test("GIVEN settings from outside THEN idle threads are left out unless they say otherwise", () => {
    expect(settingsFrom({}).idlers).toBe(true);
    expect(settingsFrom({ idlers: 3 }).idlers).toBe(DEFAULTS.idlers);
    expect(settingsFrom({ idlers: false }).idlers).toBe(false);
  });
});
