import { describe, expect, test } from "vitest";
import { Activity } from "../src/model/activity";
import { u32 } from "../src/model/column";
import { Lane } from "../src/model/lane";
import { Runs } from "../src/model/runs";
import { STATE_CLASSES, StateClass } from "../src/model/state";
import type { Samples } from "../src/stream";
import { numbers } from "./golden";

/** Bits of a state: with the GIL, running without it, and idle. */
const [GIL, RUNNING, IDLE] = [3, 1, 0];

/** A record of rows of thread, node, state, count and weight, that follow each other for each thread. */
function sampled(baseTimeUs: number, rows: [number, number, number, number, number][]): Samples {
  const ends = new Map<number, number>();
  const startUs = rows.map(([thread, , , , weight]) => {
    const start = ends.get(thread) ?? 0;
    ends.set(thread, start + weight);
    return start;
  });
  const column = (at: number): Uint32Array => Uint32Array.from(rows.map((row) => row[at]!));
  return {
    kind: "samples", baseTimeUs, startUs: Uint32Array.from(startUs), thread: column(0), node: column(1),
    state: Uint8Array.from(column(2)), count: column(3), weightUs: column(4),
  };
}

describe("runs beyond the budget", () => {
  const next = numbers(5);
  const runs = new Runs(1000);
  const sums = new Map<string, number>();
  const ends = [0, 0, 0];
  const parent = u32();
  parent.extendTo(100);
  test("GIVEN more runs than the budget THEN their resolution halves, and counts and weights stay exact", () => {
    for (let second = 0; second < 60; second++) {
      const rows = Array.from({ length: 300 }, (_, i): [number, number, number, number, number] => {
        const [thread, node, state] = [i % 3, 1 + Math.floor(next() * 9) + 3 * Math.floor(second / 10), next() < 0.5 ? GIL : IDLE];
        const key = [thread, node, state].join();
        sums.set(key, (sums.get(key) ?? 0) + 10_000 + 1e9);
        return [thread, node, state, 1, 10_000];
      });
      runs.append(sampled(second * 1e6, rows), 3, () => undefined);
      runs.coarsen(parent);
      ends.fill((second + 1) * 1e6);
      expect(runs.length).toBeLessThanOrEqual(1000);
    }
    expect(runs.generation).toBeGreaterThan(5);
    const kept = new Map<string, number>();
    for (const [thread, { count, length, node, state, weight }] of runs.lanes.map((lane) => lane!).entries()) {
      for (let run = 0; run < length; run++) {
        const key = [thread, node.data[run], state.data[run]].join();
        kept.set(key, (kept.get(key) ?? 0) + weight.data[run]! + 1e9 * count.data[run]!);
      }
    }
    expect(runs.lengths.reduce((a, b) => a + b)).toBe(runs.length);
    expect(kept).toEqual(sums);
  });

  test("THEN a thread's runs stay in the order of time, do not overlap, and are moved by no more than the window", () => {
    for (const thread of [0, 1, 2]) {
      const { length, start, thread: own, weight } = runs.of(thread)!;
      let end = 0;
      expect(own).toBe(thread);
      for (let run = 0; run < length; run++) {
        expect(start.data[run]).toBe(end);
        end = start.data[run]! + weight.data[run]!;
      }
      expect(end).toBe(ends[thread]);
    }
    expect(runs.windowUs).toBeLessThanOrEqual(2 ** 24);
  });

  test("GIVEN stacks that are all different THEN they lose their deepest frames, and no sample is lost", () => {
    const deep = u32();
    deep.push(0);
    for (let node = 1; node <= 3000; node++) deep.push(node % 30 === 1 ? 0 : node - 1);
    const many = new Runs(1000);
    for (let from = 1; from <= 3000; from += 100) {
      many.append(sampled(from * 100e6, Array.from({ length: 100 }, (_, i) => [0, from + i, GIL, 1, 90e6])), 1, () => undefined);
      many.coarsen(deep);
      expect(many.length).toBeLessThanOrEqual(1000);
    }
    const sum = (column: { data: Uint32Array }): number => column.data.subarray(0, many.length).reduce((a, b) => a + b, 0);
    const lane = many.of(0)!;
    expect(sum(lane.count)).toBe(3000);
    expect(sum(lane.weight)).toBe(3000 * 90e6);
    expect(new Set(lane.node.data.subarray(0, many.length)).size).toBeGreaterThan(100);
  });
});

describe("activity", () => {
  test("GIVEN time beyond the bins THEN they double and no time is lost", () => {
    const runs = new Runs();
    const activity = new Activity();
    let run = 0;
    for (let start = 0; start < 1600e6; start += 100_000) {
      runs.append(sampled(start, [[0, 0, start % 200_000 ? GIL : IDLE, 1, 100_000]]), 1, (lane, from, to) => activity.add(lane, from, to));
      run++;
    }
    const { times: bins } = activity.bins(0)!;
    const time = (kind: number): number => bins.reduce((sum, us, i) => sum + (i % STATE_CLASSES === kind ? us : 0), 0);
    expect(activity.binUs).toBe(40_000);
    expect(bins.length / STATE_CLASSES).toBeLessThanOrEqual(2 * 65536);
    expect(time(StateClass.GIL)).toBeCloseTo(800e6, -2);
    expect(time(StateClass.IDLE)).toBeCloseTo(800e6, -2);
    // The same time in wider bins, for pictures that need no narrow ones.
    const { binUs, times: wide } = activity.bins(0, 1e6)!;
    expect(binUs).toBe(640_000);
    expect(wide.reduce((a, b) => a + b)).toBeCloseTo(1600e6, -3);
    for (let bin = 0; bin < 1600e6 / binUs; bin++) {
      const parts = bins.slice(bin * 16 * STATE_CLASSES, (bin + 1) * 16 * STATE_CLASSES);
      expect(wide[bin * STATE_CLASSES + StateClass.GIL]).toBeCloseTo(parts.reduce((sum, us, i) => sum + (i % STATE_CLASSES === StateClass.GIL ? us : 0), 0), -2);
    }
    expect(runs.of(0)!.length).toBe(run);
    expect(activity.times(0)).toMatchObject({ seen: 1600e6, active: 800e6, gil: 800e6 });
  });

  test("GIVEN a long session THEN the last seconds' shares are of those seconds alone", () => {
    const runs = new Runs();
    const activity = new Activity();
    for (let second = 0; second < 100; second++) {
      runs.append(sampled(second * 1e6, [[0, 0, second >= 98 ? RUNNING : IDLE, 1, 1e6]]), 1, (lane, from, to) => activity.add(lane, from, to));
    }
    const lane = runs.of(0)!;
    const shares = (): number[] => Array.from(activity.recentShares(lane, 100e6, new Float32Array(30)).slice(-3));
    expect(shares()).toEqual([0, 1, 1]);
    // What was taken is not taken twice, and what was merged meanwhile is taken anew.
    expect(shares()).toEqual([0, 1, 1]);
    const merged = new Lane(0);
    merged.push(0, 0, IDLE, 99, 99e6);
    merged.push(99e6, 0, RUNNING, 1, 1e6);
    lane.replace(merged);
    expect(shares()).toEqual([0, 0, 1]);
    expect(activity.recentShares(new Lane(7), 100e6, new Float32Array(3))).toEqual(new Float32Array(3));
  });
});
