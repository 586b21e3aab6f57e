import { describe, expect, test } from "vitest";
import { duration, elapsed, exitWords, moment, percent, programName, roughPercent } from "../src/model/format";
import { everywhere, functionRows } from "../src/model/functions";
import { hottestPath } from "../src/model/hottest";
import { Names, tame } from "../src/model/names";
import type { Granularity } from "../src/model/profile";
import { Profile } from "../src/model/profile";
import { parseQuery } from "../src/model/search";
import type { Selection } from "../src/model/selection";
import { EVERYTHING, SelectedTree } from "../src/model/selection";
import { Spares } from "../src/model/spares";
import { steadyOrder } from "../src/model/thread-order";
import { ViewState } from "../src/model/view-state";
import { StreamError } from "../src/stream";
import { decodeAll, goldenProfile, goldenSections, goldenStream, numbers, ProfileMaker } from "./golden";

const GIL = 3;
const RUNNING = 1;
const IDLE = 0;

/** A selected tree as lines of the golden file: stack, samples, self time. */
function folded(selected: SelectedTree): string[] {
  const names = new Names(selected.profile, selected.granularity);
  const { tree, weights } = selected;
  const lines: string[] = [];
  for (let node = 1; node < tree.size; node++) {
    if (!(weights.self[node]! > 0)) continue;
    const stack = tree.path(node).map((step) => {
      const key = tree.key.data[step]!;
      return `${names.qualname(key)} (${names.place(key)})`;
    });
    lines.push(`${stack.join(";")} ${weights.selfSamples[node]!.toFixed(0)} ${weights.self[node]!.toFixed(0)}`);
  }
  return lines.sort();
}

describe("selection", () => {
  const cases: [string, Granularity, Partial<Selection>][] = [
    ["function all", "function", {}],
    ["line all", "line", {}],
    ["function active", "function", { mode: "active" }],
    ["function gil", "function", { mode: "gil" }],
    ["function thread 1", "function", { threads: new Set([1]) }],
    ["line time 300000 740000", "line", { time: [300_000, 740_000] }],
  ];
  test.each(cases)("GIVEN the golden stream WHEN %s is selected THEN the tree is the golden one", (name, granularity, part) => {
    const selected = new SelectedTree(goldenProfile(), { ...EVERYTHING, ...part }, granularity);
    expect(folded(selected)).toEqual(goldenSections().get(name)!.slice().sort());
  });

  test.each(["function", "line"] as const)("GIVEN records one by one THEN the %s tree is that of all at once, at any time", (granularity) => {
    const profile = new Profile();
    const growing = new SelectedTree(profile, EVERYTHING, granularity);
    for (const record of decodeAll([goldenStream()])) {
      profile.apply(record);
      growing.update();
    }
    const whole = new SelectedTree(profile, EVERYTHING, granularity);
    const { size } = whole.tree;
    for (const column of ["self", "total", "samples", "selfSamples"] as const) {
      expect(growing.weights[column].slice(0, size)).toEqual(whole.weights[column].slice(0, size));
    }
    for (const column of ["self", "total"] as const) {
      expect(growing.activeWeights[column].slice(0, size)).toEqual(whole.activeWeights[column].slice(0, size));
    }
    expect(growing.gilUs).toBe(whole.gilUs);
  });

  test("GIVEN memory that others have used THEN a selection is what it is in new memory, folded at once or in steps", () => {
    const maker = new ProfileMaker(2);
    for (let i = 0; i < 3000; i++) maker.add({ stack: ["main", `f${i % 1500}`, "leaf"], start: i * 10, weight: 10, thread: i % 2, state: i % 3 ? 3 : 0 });
    const { profile } = maker;
    class Used extends Spares {
      override take = (length: number): Float64Array<ArrayBuffer> => new Float64Array(length).fill(7);
    }
    for (const part of [{}, { threads: new Set([1]) }, { time: [5000, 9000] as const }, { mode: "gil" as const }]) {
      const selection = { ...EVERYTHING, ...part };
      const plain = new SelectedTree(profile, selection, "function");
      const used = new SelectedTree(profile, selection, "function", undefined, null, true, new Used());
      while (!used.update(-Infinity));
      const { size } = plain.tree;
      for (const column of ["self", "total", "samples", "selfSamples"] as const) {
        expect(used.weights[column].slice(0, size)).toEqual(plain.weights[column].slice(0, size));
      }
      for (const column of ["self", "total"] as const) {
        expect(used.activeWeights[column].slice(0, size)).toEqual(plain.activeWeights[column].slice(0, size));
      }
    }
    const spares = new Spares();
    const large = new Float64Array(1 << 17);
    spares.give(large);
    expect([spares.take(1 << 18), spares.take(1 << 15), spares.take((1 << 17) - 9), spares.take(1 << 17)]).toEqual([null, null, large, null]);
  });

  test("GIVEN any tree THEN a node's total is its self and its children's totals", () => {
    const { tree, weights } = new SelectedTree(goldenProfile(), EVERYTHING, "line");
    const sums = Float64Array.from(weights.self.subarray(0, tree.size));
    for (let node = tree.size - 1; node > 0; node--) sums[tree.parent.data[node]!]! += sums[node]!;
    expect(Array.from(weights.total.subarray(0, tree.size))).toEqual(Array.from(sums));
    expect(weights.total[0]).toBe(4 * 1.2e6);
  });

  test("GIVEN lines of one function THEN they are one node, and apart by line", () => {
    const byFunction = new SelectedTree(goldenProfile(), EVERYTHING, "function");
    const byLine = new SelectedTree(goldenProfile(), EVERYTHING, "line");
    expect(byLine.tree.size).toBeGreaterThan(byFunction.tree.size);
    expect(byLine.weights.total[0]).toBe(byFunction.weights.total[0]);
  });

  test("GIVEN threads' times THEN they are of the selected time, whatever threads are selected", () => {
    const maker = new ProfileMaker(2).add(
      { stack: ["a"], start: 0, weight: 100, state: GIL }, { stack: ["b"], start: 100, weight: 100, state: IDLE },
      { stack: ["a"], start: 0, weight: 200, state: RUNNING, thread: 1 },
    );
    const { threads, gilUs, weights } = new SelectedTree(maker.profile, { ...EVERYTHING, threads: new Set([1]), time: [50, 150] }, "function");
    expect(threads[0]).toMatchObject({ seen: 100, active: 50, gil: 50 });
    expect(threads[1]).toMatchObject({ seen: 100, active: 100, gil: 0 });
    expect(gilUs).toBe(50);
    expect(weights.total[0]).toBe(100);
  });

  test("GIVEN a stack of 10,000 frames THEN it is folded and walked without recursion", () => {
    const stack = Array.from({ length: 10_000 }, (_, i) => `f${i % 50}`);
    const { tree, weights } = new SelectedTree(new ProfileMaker().add({ stack, start: 0, weight: 5 }).profile, EVERYTHING, "function");
    expect(tree.size).toBe(10_001);
    expect(weights.total[1]).toBe(5);
    expect(tree.path(10_000)).toHaveLength(10_000);
  });
});

describe("profile", () => {
  test("GIVEN ids that are not defined THEN the record is refused", () => {
    const samples = {
      kind: "samples" as const, baseTimeUs: 0, startUs: Uint32Array.of(0), thread: Uint32Array.of(0), node: Uint32Array.of(9),
      state: Uint8Array.of(0), count: Uint32Array.of(1), weightUs: Uint32Array.of(1),
    };
    expect(() => new ProfileMaker().profile.apply(samples)).toThrow(StreamError);
    expect(() => new Profile().apply({ kind: "nodes", firstId: 1, parent: Uint32Array.of(1), frame: Uint32Array.of(0) })).toThrow(StreamError);
    expect(() => new Profile().apply({ kind: "strings", firstId: 5, texts: ["x"] })).toThrow(StreamError);
  });

  test("GIVEN a node whose parent comes after it THEN it is refused", () => {
    const { profile } = new ProfileMaker().add({ stack: ["a"], start: 0, weight: 1 });
    const later = { kind: "nodes" as const, firstId: 2, parent: Uint32Array.of(3, 0), frame: Uint32Array.of(0, 0) };
    expect(() => profile.apply(later)).toThrow(/before it is defined/);
  });

  test("GIVEN a thread named late THEN the newest row counts", () => {
    const { profile } = new ProfileMaker(1);
    profile.apply({ kind: "threads", rows: [{ id: 0, process: 0, osThreadId: 100, threadId: 0, name: "loader" }] });
    expect(profile.threads.map((thread) => thread.name)).toEqual(["loader"]);
  });

  test("GIVEN labels THEN they stand for the file", () => {
    const { profile } = new ProfileMaker().add({ stack: ["cell"], start: 0, weight: 1 });
    const names = new Names(profile, "function");
    expect(names.place(0)).toBe("cell.py:5");
    profile.apply({ kind: "labels", rows: [["/srv/app/cell.py", "In[3]"]] });
    expect(names.place(0)).toBe("In[3]:5");
    expect(names.fullPlace(0)).toBe("/srv/app/cell.py:5");
    // Where lines are told apart, a frame says its line once.
    expect([new Names(profile, "line").label(0), new Names(profile, "line").beside(0)]).toEqual(["cell:7", "In[3]"]);
    expect(new Names(profile, "function").beside(0)).toBe("In[3]:5");
  });

  test("GIVEN statuses THEN the achieved rate lies between them", () => {
    expect(goldenProfile().achievedRateHz).toBeCloseTo(100);
    expect(new Profile().achievedRateHz).toBeNull();
  });

  test("GIVEN texts with control and direction characters THEN they are tamed", () => {
    expect(tame("a\nb\u202ec\u0000")).toBe("a\u00b7b\u00b7c\u00b7");
    expect(tame("x".repeat(5000)).length).toBeLessThan(400);
  });
});


describe("search", () => {
  test("GIVEN text THEN case does not count; GIVEN slashes THEN it is a regular expression", () => {
    const matches = (text: string, candidate: string): boolean => {
      const query = parseQuery(text);
      return query !== null && "test" in query && query.test(candidate);
    };
    expect(matches("DECODE", "decode_all")).toBe(true);
    expect(matches("/^dec.de$/", "decode")).toBe(true);
    expect(matches("/^dec.de$/", "decode_all")).toBe(false);
    expect(matches("/DECODE/i", "decode")).toBe(true);
    expect(matches("a.c", "abc")).toBe(false);
    expect(parseQuery("  ")).toBeNull();
    expect(parseQuery("/(/")).toEqual({ error: "not a regular expression" });
  });

  test("GIVEN a match inside a match THEN its time counts once", () => {
    const { profile } = new ProfileMaker().add(
      { stack: ["main", "walk", "walk", "leaf"], start: 0, weight: 30 }, { stack: ["main", "other"], start: 30, weight: 70 },
    );
    const state = new ViewState(profile, () => undefined);
    state.setQuery("walk");
    expect(state.found.nodes).toHaveLength(2);
    expect(state.found.share).toBeCloseTo(0.3);
    state.setQuery("other.py:5");
    expect(state.found.share).toBeCloseTo(0.7);
    state.zoomTo(2);
    expect(state.found).toEqual({ nodes: new Int32Array(0), share: 0 });
  });
});

describe("view state", () => {
  const maker = (): ProfileMaker => new ProfileMaker(3).add(
    { stack: ["main", "a", "b"], start: 0, weight: 10, thread: 0 }, { stack: ["main", "c"], start: 0, weight: 30, thread: 1, state: IDLE },
    { stack: ["main", "a"], start: 10, weight: 20, thread: 2, state: RUNNING },
  );

  test("GIVEN zooms THEN back goes through them, and then to everything", () => {
    const state = new ViewState(maker().profile, () => undefined);
    const [main, a, b] = [1, 2, 3];
    state.zoomTo(main);
    state.zoomTo(b);
    expect(state.zoom).toBe(b);
    expect(state.goBack()).toBe(true);
    expect(state.zoom).toBe(main);
    state.goBack();
    expect(state.goBack()).toBe(false);
    state.zoomTo(a);
    expect(state.nameOf(state.zoom)).toBe("a");
  });

  test("GIVEN clicks on threads THEN one alone, with shift one more, and again none", () => {
    const state = new ViewState(maker().profile, () => undefined);
    const after = (thread: number, add: boolean): number[] => {
      state.toggleThread(thread, add);
      return [...state.selection.threads];
    };
    expect(after(0, false)).toEqual([0]);
    expect(after(1, true)).toEqual([0, 1]);
    expect(state.total[0]).toBe(40);
    expect(after(1, false)).toEqual([1]);
    expect(after(1, false)).toEqual([]);
    expect(after(2, true)).toEqual([2]);
    expect(after(2, true)).toEqual([]);
  });

  test("GIVEN a selection without the zoomed frame THEN the nearest caller with time is shown", () => {
    const state = new ViewState(maker().profile, () => undefined);
    state.zoomTo(3);
    state.toggleThread(2, false);
    expect(state.nameOf(state.zoom)).toBe("a");
    state.toggleThread(1, false);
    expect(state.nameOf(state.zoom)).toBe("main");
    state.select({ threads: new Set(), mode: "gil" });
    expect(state.total[0]).toBe(10);
  });

  test("GIVEN another granularity THEN the zoom stays on the function", () => {
    const profile = goldenProfile();
    const state = new ViewState(profile, () => undefined);
    const decode = Array.from({ length: state.tree.size }, (_, node) => node).find((node) => node && state.nameOf(node) === "decode")!;
    state.zoomTo(decode);
    state.change({ by: "line" });
    expect(state.nameOf(state.zoom)).toBe("decode");
    state.change({ by: "function" });
    expect(state.zoom).toBe(decode);
  });
});

describe("words", () => {
  test("GIVEN a tree THEN the hottest path follows the heaviest child while it is much", () => {
    const { profile } = new ProfileMaker().add(
      { stack: ["main", "load", "decode"], start: 0, weight: 60 }, { stack: ["main", "load", "rest"], start: 60, weight: 5 },
      { stack: ["main", "step"], start: 65, weight: 35 },
    );
    const { tree, weights } = new SelectedTree(profile, EVERYTHING, "function");
    const path = hottestPath(tree, weights.total)!;
    const names = new Names(profile, "function");
    expect(path.nodes.map((node) => names.name(tree.key.data[node]!))).toEqual(["main", "load", "decode"]);
    expect(path.share).toBeCloseTo(0.6);
    expect(hottestPath(tree, new Float64Array(tree.size))).toBeNull();
  });

  test("GIVEN numbers THEN they have units and few digits", () => {
    expect([percent(0), percent(0.0004), percent(0.0123), percent(0.5), percent(1)]).toEqual(["0 %", "<0.1 %", "1.2 %", "50 %", "100 %"].map((text) => text.replace(" ", "\u202f")));
    expect(roughPercent(0.001)).toBe("<1\u202f%");
    expect([duration(12), duration(1500), duration(250_000), duration(2.5e6), duration(90e6), duration(754e6), duration(7354e6)].map((text) => text.replace("\u202f", " ")))
      .toEqual(["12 µs", "1.5 ms", "250 ms", "2.50 s", "90.0 s", "12:34 min", "2:02:34 h"]);
    expect(elapsed(12_400_000)).toBe("12.4\u202fs");
  });

  test("GIVEN command lines THEN the program is named", () => {
    expect(programName("python -X dev -u /srv/train.py --fast")).toBe("train.py");
    expect(programName("/usr/bin/python3.13 -m http.server 8000")).toBe("python -m http.server");
    expect(programName("python3 -c pass")).toBe("python -c");
    expect(programName("/opt/app/serve --port 1")).toBe("serve");
    expect(programName("")).toBe("");
  });

  test("GIVEN a function in several places, within itself too THEN a stack counts once", () => {
    const maker = new ProfileMaker();
    maker.add({ stack: ["main", "f", "g", "f"], start: 0, weight: 300 });
    maker.add({ stack: ["main", "g", "f"], start: 300, weight: 200 });
    maker.add({ stack: ["main", "g"], start: 500, weight: 100 });
    const { tree, weights } = new SelectedTree(maker.profile, EVERYTHING, "function");
    const rows = functionRows(tree, weights);
    const names = new Names(maker.profile, "function");
    const of = (name: string): number => rows.find((row) => names.name(row.key) === name)!.key;
    expect(everywhere(tree, weights, of("f"))).toEqual({ places: 3, total: 500 });
    expect(everywhere(tree, weights, of("g"))).toEqual({ places: 2, total: 600 });
    for (const row of rows) expect(everywhere(tree, weights, row.key).total).toBe(row.total);
  });

  test("GIVEN how a process ended and when THEN it is in words", () => {
    expect([0, 3, -9, -15, -64].map(exitWords)).toEqual(["exit status 0", "exit status 3", "SIGKILL", "SIGTERM", "signal 64"]);
    expect(moment(1_790_000_000_000)).toContain("2026");
    expect(moment("2026-11-26T18:00:00+00:00")).toContain("2026");
    expect(moment("yesterday")).toBe("");
  });

  test("GIVEN shares that change a little THEN the order of the threads stays", () => {
    const shares = [0.1, 0.5, 0.52, 0.9];
    const share = (thread: number): number => shares[thread]!;
    const order = steadyOrder([], [0, 1, 2, 3], share, 0.03);
    expect(order).toEqual([3, 2, 1, 0]);
    shares[1] = 0.54;
    expect(steadyOrder(order, [0, 1, 2, 3], share, 0.03)).toEqual([3, 2, 1, 0]);
    shares[1] = 0.6;
    expect(steadyOrder(order, [0, 1, 2, 3], share, 0.03)).toEqual([3, 1, 2, 0]);
    shares.push(0.95);
    expect(steadyOrder(order, [0, 1, 2, 3, 4], share, Infinity)).toEqual([3, 2, 1, 0, 4]);
  });

  test("GIVEN random shares THEN every thread stands in the order once", () => {
    const next = numbers(4);
    let order: number[] = [];
    for (let round = 0; round < 50; round++) {
      const all = Array.from({ length: 5 + round }, (_, i) => i);
      const shares = all.map(() => next());
      order = steadyOrder(order, all, (thread) => shares[thread]!, 0.03);
      expect(order.slice().sort((a, b) => a - b)).toEqual(all);
    }
  });
});
