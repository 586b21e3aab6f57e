/** Times of very many nodes and runs are sorted by blocks of nodes first: they are what they are one by one. */
import { describe, expect, test } from "vitest";
import { Lane } from "../src/model/lane";
import { ACTIVE_AT, NodeTimes, NOWHERE, REST_AT, STRIDE } from "../src/model/node-times";
import { numbers } from "./golden";

const NODES = 50_000;
const RUNS = 70_000;
const PLACES = Uint8Array.from({ length: 256 }, (_, state) => [REST_AT, ACTIVE_AT, NOWHERE][state % 3]!);

function lanes(): Lane[] {
  const next = numbers(9);
  return [0, 1].map((thread) => {
    const lane = new Lane(thread);
    for (let run = 0; run < RUNS; run++) lane.push(run * 10, Math.floor(next() * NODES), Math.floor(next() * 3), 1 + Math.floor(next() * 4), 10);
    return lane;
  });
}

describe("times of many nodes", () => {
  test.each([[-Infinity, Infinity], [50_005, 600_003]] as const)("GIVEN the time from %d to %d THEN each node's are those of its runs", (begin, end) => {
    const spans = lanes().map((lane) => ({ lane, from: 5, to: lane.length - 3 }));
    const times = new NodeTimes();
    times.reserve(NODES);
    let steps = 0;
    for (const work = times.add(spans, PLACES, [begin, end]); !work.next().done;) steps++;
    expect(steps).toBeGreaterThan(10);
    const wanted = new Float64Array(NODES * STRIDE);
    for (const { lane, from, to } of spans) {
      for (let run = from; run < to; run++) {
        const place = PLACES[lane.state.data[run]!]!;
        const inside = Math.min(run * 10 + 10, end) - Math.max(run * 10, begin);
        if (place === NOWHERE || inside <= 0) continue;
        wanted[lane.node.data[run]! * STRIDE + place]! += inside;
        wanted[lane.node.data[run]! * STRIDE + place + 1]! += lane.count.data[run]! * inside / 10;
      }
    }
    // One comparison: a hundred thousand would take a second.
    let wrong = 0;
    for (let i = 0; i < wanted.length; i++) if (Math.abs(wanted[i]! - times.sums.data[i]!) > 1e-9) wrong++;
    expect(wrong).toBe(0);
    expect(wanted.some((us) => us > 0)).toBe(true);
  });
});
