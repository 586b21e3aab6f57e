/** A selection of very many runs is folded in slices: what was shown stays until the new one is whole. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { everywhere, outermost } from "../src/model/functions";
import { heaviestFirst } from "../src/model/search";
import { EVERYTHING, SelectedTree } from "../src/model/selection";
import { turns } from "../src/model/slices";
import { LineTimes } from "../src/model/source-lines";
import { CallTree } from "../src/model/tree";
import type { Change } from "../src/model/view-state";
import { ViewState } from "../src/model/view-state";
import { Weights } from "../src/model/weights";
import { numbers, ProfileMaker } from "./golden";

/** More runs than are folded between two looks at the clock. */
const RUNS = 60_000;
const FUNCTIONS = ["load", "step", "log"];

function bigProfile(): ProfileMaker {
  const maker = new ProfileMaker(2);
  const nodes = FUNCTIONS.map((name) => maker.node(["main", name]));
  const column = (value: (i: number) => number): Uint32Array => Uint32Array.from({ length: RUNS }, (_, i) => value(i));
  maker.profile.apply({
    kind: "samples", baseTimeUs: 0, startUs: column((i) => 10 * i), thread: column((i) => i % 2), node: column((i) => nodes[i % 3]!),
    state: Uint8Array.from({ length: RUNS }, () => 3), count: column(() => 1), weightUs: column(() => 10),
  });
  return maker;
}

/** Three functions below one, with many lines: more than are looked at in one step. */
function manyLines(count: number): ProfileMaker {
  const maker = new ProfileMaker();
  const next = numbers(5);
  const column = (value: (i: number) => number): Uint32Array => Uint32Array.from({ length: count }, (_, i) => value(i));
  const names = maker.node(["main"]) && maker.profile.strings.length;
  maker.profile.apply({ kind: "strings", firstId: names, texts: FUNCTIONS });
  const name = column((i) => names + i % 3);
  const [none, first] = [column(() => 0), Int32Array.from(column(() => 1))];
  const line = Int32Array.from(column(() => 1 + Math.floor(next() * 30_000)));
  maker.profile.apply({ kind: "frames", firstId: 1, name, qualname: name, file: none, shortFile: none, module: none, line, firstLine: first, flags: new Uint8Array(count) });
  maker.profile.apply({ kind: "nodes", firstId: 2, parent: column(() => 1), frame: column((i) => i + 1) });
  maker.profile.apply({
    kind: "samples", baseTimeUs: 0, startUs: column((i) => i), thread: none, node: column((i) => i + 2), state: new Uint8Array(count).fill(3), count: column(() => 1), weightUs: column(() => 1),
  });
  return maker;
}

function totals(state: ViewState): Record<string, number> {
  const found: Record<string, number> = {};
  for (let node = 0; node < state.tree.size; node++) if (state.total[node]! > 0) found[state.nameOf(node)] = state.total[node]!;
  return found;
}

describe("a selection folded in slices", () => {
  let now = 0;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    vi.spyOn(turns, "after").mockImplementation((task) => {
      const timer = setTimeout(() => task(0));
      return () => clearTimeout(timer);
    });
    // Each look at the clock costs more than a slice may last.
    vi.spyOn(performance, "now").mockImplementation(() => (now += 20));
  });

  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  const shown = (): { state: ViewState; changes: Change[] } => {
    const changes: Change[] = [];
    const state = new ViewState(bigProfile().profile, (change) => changes.push(change));
    state.refresh(true);
    changes.length = 0;
    return { state, changes };
  };

  test("GIVEN a range of time THEN the picture before stays until the new one is whole, and that is right", () => {
    const { state, changes } = shown();
    const before = totals(state);
    state.select({ time: [0, RUNS * 5] });
    expect(state.working).toBe(true);
    expect(totals(state)).toEqual(before);
    changes.length = 0;
    vi.runAllTimers();
    expect(state.working).toBe(false);
    expect(changes).toEqual(["selection"]);
    expect(totals(state)).toEqual({ all: RUNS * 5, main: RUNS * 5, load: RUNS * 5 / 3, step: RUNS * 5 / 3, log: RUNS * 5 / 3 });
  });

  test("GIVEN a thread with nothing new while others go on THEN its runs are counted once", () => {
    const maker = new ProfileMaker(3);
    const tree = new SelectedTree(maker.profile, EVERYTHING, "function");
    const run = (thread: number, start: number, ...stack: string[]): void => {
      maker.add({ thread, start, weight: 10, state: 1, stack });
      tree.update();
    };
    run(0, 0, "main");
    run(2, 10, "main", "load", "step", "log", "write");
    run(1, 20, "main");
    expect(tree.weights.total[0]).toBe(30);
  });

  test("GIVEN another selection meanwhile THEN the first is given up and the second shown", () => {
    const { state, changes } = shown();
    state.select({ time: [0, RUNS * 5] });
    vi.runOnlyPendingTimers();
    state.select({ time: [0, 300] });
    vi.runAllTimers();
    expect(totals(state)).toEqual({ all: 300, main: 300, load: 100, step: 100, log: 100 });
    expect(changes.filter((change) => change === "selection").length).toBeLessThanOrEqual(3);
    state.undo();
    vi.runAllTimers();
    expect(state.total[0]).toBe(RUNS * 5);
  });

  test("GIVEN a selection that was looked at before THEN it is shown at once, whole with what came meanwhile", () => {
    const { state } = shown();
    state.select({ threads: new Set([1]) });
    vi.runAllTimers();
    state.select({ threads: new Set() });
    expect(state.working).toBe(false);
    expect(state.total[0]).toBe(RUNS * 10);
    const column = (value: number): Uint32Array => Uint32Array.of(value);
    state.profile.apply({
      kind: "samples", baseTimeUs: 0, startUs: column(10 * RUNS), thread: column(1), node: column(1), state: Uint8Array.of(3), count: column(1), weightUs: column(7),
    });
    state.select({ threads: new Set([1]) });
    vi.runAllTimers();
    expect(state.total[0]).toBe(RUNS * 5 + 7);
    state.pause(true, false);
    state.select({ threads: new Set() });
    vi.runAllTimers();
    expect(state.total[0]).toBe(RUNS * 10 + 7);
  });

  test("GIVEN lines instead of functions THEN functions stay until all lines are known, and they are what they are at once", () => {
    const maker = manyLines(40_000);
    const at = (): string[] => Array.from({ length: state.tree.size }, (_, node) => `${node && state.names.label(state.tree.key.data[node]!)} ${state.total[node]}`);
    const state = new ViewState(maker.profile, () => undefined);
    state.refresh(true);
    const before = at();
    state.change({ by: "line", query: "log" });
    vi.runOnlyPendingTimers();
    expect(state.folds).toBe(true);
    expect(at()).toEqual(before);
    vi.runAllTimers();
    expect(state.granularity).toBe("line");
    const whole = new SelectedTree(maker.profile, EVERYTHING, "line");
    expect([...state.total.subarray(0, state.tree.size)]).toEqual([...whole.weights.total.subarray(0, whole.tree.size)]);
    expect(state.tree.size).toBeGreaterThan(20_000);
    expect(state.found.share).toBeCloseTo(1 / 3);
    state.undo();
    vi.runAllTimers();
    expect(at()).toEqual(before);
  });

  test("GIVEN the source of a function THEN its lines are counted in slices, go on as samples come, and stand still in a pause", () => {
    const maker = manyLines(40_000);
    const state = new ViewState(maker.profile, () => undefined);
    state.refresh(true);
    const done = vi.fn();
    const lines = new LineTimes(state, done);
    const sum = (): number | undefined => lines.of({ name: "log", file: "", line: 0 })?.whole;
    expect(lines.update()).toBe(false);
    expect(lines.working).toBe(true);
    vi.runAllTimers();
    expect(done).toHaveBeenCalledOnce();
    expect(sum()).toBe(40_000);
    const one = Uint32Array.of(1);
    const more = (us: number): void => maker.profile.apply({
      kind: "samples", baseTimeUs: 0, startUs: Uint32Array.of(40_000), thread: Uint32Array.of(0), node: Uint32Array.of(4), state: Uint8Array.of(3), count: one, weightUs: Uint32Array.of(us),
    });
    more(5);
    lines.update();
    vi.runAllTimers();
    expect(sum()).toBe(40_000 + 5);
    state.pause(true, false);
    more(7);
    lines.update();
    vi.runAllTimers();
    expect(sum()).toBe(40_000 + 5);
    lines.forget();
    expect(sum()).toBe(undefined);
  });

  test("GIVEN a search and a zoom THEN they are of the new selection when it is whole", () => {
    const { state } = shown();
    state.setQuery("load");
    state.zoomTo(1);
    state.select({ time: [0, RUNS * 5] });
    vi.runAllTimers();
    expect(state.nameOf(state.zoom)).toBe("main");
    expect(Array.from(state.found.nodes, (node) => state.nameOf(node))).toEqual(["load"]);
    expect(state.found.share).toBeCloseTo(1 / 3);
  });
});

test("GIVEN very many matches THEN the heaviest come first, and each comes once", () => {
  const next = numbers(3);
  const total = Float64Array.from({ length: 60_000 }, () => Math.floor(next() * 1e6));
  const nodes = Int32Array.from({ length: 50_000 }, (_, i) => i + 7);
  const steps = heaviestFirst(nodes, total);
  let step = steps.next();
  while (!step.done) step = steps.next();
  const inOrder = [...nodes].sort((a, b) => total[b]! - total[a]! || a - b);
  expect([...step.value.subarray(0, 1000)]).toEqual(inOrder.slice(0, 1000));
  expect([...step.value].sort((a, b) => a - b)).toEqual([...nodes]);
});

test.each([2, 700])("GIVEN one of %d functions everywhere THEN its places and its time are found, recursion counted once", (functions) => {
  const next = numbers(functions);
  const tree = new CallTree();
  const weights = new Weights(tree);
  while (tree.size < 2000) tree.child(Math.floor(next() * tree.size), Math.floor(next() * functions));
  weights.reserve();
  for (let node = 1; node < tree.size; node += 3) weights.addSelf(node, 1 + Math.floor(next() * 9), 1);
  weights.sum();
  for (let key = 0; key < Math.min(functions, 20); key++) {
    const { nodes } = outermost(tree, weights, (own) => own === key);
    const places = Array.from({ length: tree.size }, (_, node) => node).filter((node) => node > 0 && tree.key.data[node] === key && weights.total[node]! > 0);
    expect(everywhere(tree, weights, key)).toEqual({ places: places.length, total: nodes.reduce((sum, node) => sum + weights.total[node]!, 0) });
  }
});

test("GIVEN weights that grow while more is added THEN nothing is lost", () => {
  const tree = new CallTree();
  const weights = new Weights(tree);
  for (let i = 0; i < 5000; i++) {
    const node = tree.child(0, i);
    weights.reserve();
    weights.addSelf(node, 1, 1);
  }
  weights.sum();
  expect(weights.total[0]).toBe(5000);
});
