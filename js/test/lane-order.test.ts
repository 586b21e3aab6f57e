/** The lanes of the timeline: whose they are, in which order, and that they stay where they are while one looks. */
import { describe, expect, test } from "vitest";
import { IDLERS, LaneOrder } from "../src/model/lane-order";
import type { Settings } from "../src/model/settings";
import { DEFAULTS } from "../src/model/settings";
import { threadName } from "../src/model/thread-name";
import { ProfileMaker } from "./golden";

const IDLE = 0;
const GIL = 3;

class Session {
  readonly maker: ProfileMaker;
  readonly order: LaneOrder;
  private at = 0;

  constructor(threads: number) {
    this.maker = new ProfileMaker(threads);
    this.order = new LaneOrder(this.maker.profile);
  }

  /** Lets `us` pass, of which each thread is awake for so long. */
  pass(us: number, ...awake: number[]): this {
    awake.forEach((busy, thread) => {
      if (busy) this.maker.add({ stack: ["f"], thread, state: GIL, start: this.at, weight: busy });
      if (busy < us) this.maker.add({ stack: ["f"], thread, state: IDLE, start: this.at + busy, weight: us - busy });
    });
    this.at += us;
    return this;
  }

  lanes(settings: Partial<Settings> = {}, held = false): readonly number[] {
    this.order.update({ ...DEFAULTS, ...settings }, held);
    return this.order.lanes;
  }
}

describe("lanes", () => {
  test("GIVEN a pool that waits THEN its threads share the last lane, and are shown where one asks for them", () => {
    const session = new Session(5).pass(10_000, 5000, 0, 9000, 99, 0);
    expect(session.lanes()).toEqual([2, 0, IDLERS]);
    expect(session.order.idlers).toEqual([3, 1, 4]);
    // What is selected is seen; what is brushed changes nothing.
    expect(session.lanes({ threads: [4] })).toEqual([2, 0, 4, IDLERS]);
    expect(session.lanes({ time: [0, 100] })).toEqual([2, 0, IDLERS]);
    expect(session.lanes({ idlers: false })).toEqual([2, 0, 3, 1, 4]);
    expect(session.lanes({ mode: "idle" })).toEqual([2, 0, 3, 1, 4]);
  });

  test("GIVEN one idle thread, or none that is not THEN each has its lane", () => {
    expect(new Session(2).pass(1000, 500, 0).lanes()).toEqual([0, 1]);
    expect(new Session(2).pass(1000, 0, 0).lanes()).toEqual([0, 1]);
  });

  test("GIVEN a thread at the border THEN its lane does not come and go while the session lasts", () => {
    const session = new Session(4).pass(10_000, 5000, 110, 0, 0);
    expect(session.lanes()).toEqual([0, 1, IDLERS]);
    expect(session.pass(4_000, 0, 0, 0, 0).lanes()).toEqual([0, 1, IDLERS]);
    session.maker.profile.apply({ kind: "end", timeNs: 14e6, reason: "stopped", errorKind: "", exitStatus: null, message: "", help: "" });
    expect(session.lanes()).toEqual([0, IDLERS]);
    expect(new Session(4).pass(14_000, 5000, 110, 0, 0).lanes()).toEqual([0, IDLERS]);
    expect(new Session(4).pass(10_000, 5000, 110, 0, 0).pass(20_000, 0, 0, 0, 0).lanes()).toEqual([0, IDLERS]);
  });

  test("GIVEN a pointer over them THEN lanes stay where they are, until the settings ask for others", () => {
    const session = new Session(4).pass(1000, 900, 500, 0, 0);
    expect(session.lanes()).toEqual([0, 1, IDLERS]);
    session.pass(9000, 0, 9000, 900, 0);
    expect(session.lanes({}, true)).toEqual([0, 1, IDLERS]);
    expect(session.lanes({ time: [0, 50] }, true)).toEqual([0, 1, IDLERS]);
    expect(session.lanes({ idlers: false }, true)).toEqual([0, 1, 2, 3]);
    expect(session.lanes({}, true)).toEqual([0, 1, 2, 3]);
    expect(session.lanes()).toEqual([1, 0, 2, 3]);
  });
});

describe("names of threads", () => {
  test("GIVEN several processes THEN a thread has the pid of its own; without a name it has its id", () => {
    const { profile } = new ProfileMaker(2);
    const processes = (...pids: number[]): void => profile.apply({
      kind: "processes", rows: pids.map((pid, id) => ({ id, pid, parentPid: 1, commandLine: "python a.py" })),
    });
    const names = (): string[] => [0, 1, 2].map((thread) => threadName(profile, thread));
    processes(40);
    profile.apply({ kind: "threads", rows: [{ id: 2, process: 1, osThreadId: null, threadId: 0xbeef, name: "" }] });
    expect(names()).toEqual(["thread-0", "thread-1", "thread 0xBEEF"]);
    processes(40, 41);
    expect(names()).toEqual(["thread-0 40", "thread-1 40", "thread 0xBEEF 41"]);
  });
});
