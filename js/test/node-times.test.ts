/** Times of very many nodes and runs are sorted by blocks of nodes first: they are what they are one by one. */
import { describe, expect, test } from "vitest";
import { Lane } from "../src/model/lane";
import type { Places, Sums } from "../src/model/node-times";
import { ALWAYS, NodeTimes, REST, RUNNING, takeRuns, UNCOUNTED } from "../src/model/node-times";
import { isActive } from "../src/model/state";
import { numbers } from "./golden";

const NODES = 50_000;
const RUNS = 70_000;
const KINDS = Uint8Array.from({ length: 256 }, (_, state) => [REST, RUNNING, UNCOUNTED][state % 3]!);

function lanes(): Lane[] {
  const next = numbers(9);
  return [0, 1].map((thread) => {
    const lane = new Lane(thread);
    for (let run = 0; run < RUNS; run++) lane.push(run * 10, Math.floor(next() * NODES), Math.floor(next() * 3), 1 + Math.floor(next() * 4), 10);
    return lane;
  });
}

const spans = lanes().map((lane) => ({ lane, from: 5, to: lane.length - 3 }));
const COLUMNS = ["us", "samples", "activeUs", "activeSamples"] as const;
const sums = (): Record<typeof COLUMNS[number], Float64Array> => (
  { us: new Float64Array(NODES), samples: new Float64Array(NODES), activeUs: new Float64Array(NODES), activeSamples: new Float64Array(NODES) }
);

/** One by one, in no clever order. */
function plainly({ nodeOf, shown }: Places, kinds: Uint8Array, [begin, end]: readonly [number, number], apart = true): Sums {
  const wanted = sums();
  for (const { lane, from, to } of spans) {
    for (let run = from; run < to; run++) {
      const kind = kinds[lane.state.data[run]!]!;
      const inside = Math.min(run * 10 + 10, end) - Math.max(run * 10, begin);
      const own = lane.node.data[run]!;
      const node = shown ? shown[nodeOf![own]!]! : own;
      if (kind === UNCOUNTED || inside <= 0 || node < 0) continue;
      const samples = lane.count.data[run]! * inside / 10;
      const running = kind === RUNNING;
      if (!running || !apart) wanted.us[node]! += inside;
      if (!running || !apart) wanted.samples[node]! += samples;
      if (running) wanted.activeUs[node]! += inside;
      if (running && apart) wanted.activeSamples[node]! += samples;
    }
  }
  return wanted;
}

/** How many numbers differ; one comparison each would take a second. */
function wrong(found: Sums, wanted: Sums): number {
  let count = 0;
  for (const column of COLUMNS) wanted[column]!.forEach((value, i) => (count += Math.abs(value - found[column]![i]!) > 1e-9 ? 1 : 0));
  return count;
}

const everyThird: Places = {
  nodeOf: Uint32Array.from({ length: NODES }, (_, node) => node >> 1),
  shown: Int32Array.from({ length: NODES }, (_, node) => (node % 3 ? node : -1)),
};
const same: Places = { nodeOf: null, shown: null };

describe("times of many nodes", () => {
  test.each([
    ["all of the time", ALWAYS, same], ["a part of the time", [50_005, 600_003], same], ["nodes that others stand for", [50_005, 600_003], everyThird],
  ] as const)("GIVEN %s THEN each node's are those of its runs, however often memory for sorting is used", (_, time, places) => {
    const wanted = plainly(places, KINDS, time);
    for (let round = 0; round < 2; round++) {
      const found = sums();
      let steps = 0;
      const other = takeRuns(spans, { ...same, sums: sums(), nodes: NODES, states: KINDS, time: ALWAYS });
      for (const work = takeRuns(spans, { ...places, sums: found, nodes: NODES, states: KINDS, time }); !work.next().done; other.next()) steps++;
      expect(steps).toBeGreaterThan(10);
      expect(wrong(found, wanted)).toBe(0);
    }
    expect(wanted.us.some((us) => us > 0)).toBe(true);
  });

  test("GIVEN no wish for active samples THEN active time is a part of all", () => {
    const found = sums();
    for (const work = takeRuns(spans, { ...everyThird, sums: { ...found, activeSamples: null }, nodes: NODES, states: KINDS, time: ALWAYS }); !work.next().done;);
    expect(wrong(found, plainly(everyThird, KINDS, ALWAYS, false))).toBe(0);
  });

  test("GIVEN those of a profile THEN all states are counted", () => {
    const times = new NodeTimes();
    times.reserve(NODES);
    times.add(spans);
    expect(wrong(times.sums, plainly(same, Uint8Array.from({ length: 256 }, (_, state) => (isActive(state) ? RUNNING : REST)), ALWAYS))).toBe(0);
  });
});
