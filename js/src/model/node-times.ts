/**
 * Time and samples of each of the stream's nodes, active and not. Weights are made of these: whatever the granularity and
 * the shape of a tree, that costs a pass over the nodes, of which there are a tenth or a hundredth as many as runs. Those
 * over all threads and all of the time are kept with the profile.
 */
import { f64 } from "./column";
import type { Runs } from "./runs";
import { ACTIVE } from "./state";

/** Numbers of a node: they lie side by side, because nodes come in any order and each is a wait for memory. */
export const STRIDE = 4;
/** Places of the time in us; the samples follow it. */
export const ACTIVE_AT = 0;
export const REST_AT = 2;
/** The place of a state that is not counted. */
export const NOWHERE = 255;

/** By state: the place of its time, where all states are counted. */
export const PLACES = ACTIVE.map((active) => (active ? ACTIVE_AT : REST_AT));

export class NodeTimes {
  /** `sums.data[node * STRIDE + place]`. */
  readonly sums = f64();

  /** `memory`: what another has used. */
  constructor(memory: Float64Array<ArrayBuffer> | null = null) {
    if (memory) this.sums.data = memory.fill(0);
  }

  /** Makes room for `nodes` nodes. */
  reserve(nodes: number): void {
    this.sums.extendTo(nodes * STRIDE);
  }

  /** Takes the runs from `from` to `to`. */
  add(runs: Runs, from: number, to: number): void {
    addAll(this.sums.data, from, to, runs.node.data, runs.state.data, runs.weight.data, runs.count.data);
  }

  /** Takes, of the runs from `from` to `to` of a thread's own (or of all, with no `lane`), what lies in the time and has a place. */
  addPart(runs: Runs, lane: Uint32Array | null, from: number, to: number, places: Uint8Array, time: readonly [number, number]): void {
    const { start: { data: start }, count: { data: counts }, node: { data: nodes }, state: { data: states }, weight: { data: weights } } = runs;
    const { sums: { data } } = this;
    const [begin, end] = time;
    const always = begin === -Infinity && end === Infinity;
    for (let i = from; i < to; i++) {
      const run = lane ? lane[i]! : i;
      const place = places[states[run]!]!;
      if (place === NOWHERE) continue;
      const weight = weights[run]!;
      const at = nodes[run]! * STRIDE + place;
      // To look at when a run began is to wait for memory once more.
      const begun = always ? 0 : start[run]!;
      if (always || (begun >= begin && begun + weight <= end)) {
        data[at]! += weight;
        data[at + 1]! += counts[run]!;
        continue;
      }
      const inside = Math.min(begun + weight, end) - Math.max(begun, begin);
      if (inside <= 0) continue;
      data[at]! += inside;
      data[at + 1]! += (counts[run]! * inside) / weight;
    }
  }
}

function addAll(
  sums: Float64Array, from: number, to: number, nodes: Uint32Array, states: Uint8Array, weights: Uint32Array, counts: Uint32Array,
): void {
  for (let run = from; run < to; run++) {
    const at = nodes[run]! * STRIDE + PLACES[states[run]!]!;
    sums[at]! += weights[run]!;
    sums[at + 1]! += counts[run]!;
  }
}
