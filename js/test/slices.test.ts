/** A selection of very many runs is folded in slices: what was shown stays until the new one is whole. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { turns } from "../src/model/slices";
import type { Change } from "../src/model/view-state";
import { ViewState } from "../src/model/view-state";
import { ProfileMaker } from "./golden";

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
      const timer = setTimeout(task);
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

  test("GIVEN a search and a zoom THEN they are of the new selection when it is whole", () => {
    const { state } = shown();
    state.setQuery("load");
    state.zoomTo(1);
    state.select({ time: [0, RUNS * 5] });
    vi.runAllTimers();
    expect(state.nameOf(state.zoom)).toBe("main");
    expect(state.found.nodes.map((node) => state.nameOf(node))).toEqual(["load"]);
    expect(state.found.share).toBeCloseTo(1 / 3);
  });
});
