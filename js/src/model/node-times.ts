/**
 * Time and samples of each of the stream's nodes, active and not, over all threads and all of the time. A selection of
 * neither threads nor time is made of these: whatever its granularity and shape, it costs a pass over the nodes, of which
 * there are a tenth or a hundredth as many as runs.
 */
import { f64 } from "./column";
import type { Runs } from "./runs";
import { ACTIVE } from "./state";

/** Numbers of a node: they lie side by side, because nodes come in any order and each is a wait for memory. */
export const STRIDE = 4;
/** Places of the time in us; the samples follow it. */
export const ACTIVE_AT = 0;
export const REST_AT = 2;

const PLACE = ACTIVE.map((active) => (active ? ACTIVE_AT : REST_AT));

export class NodeTimes {
  /** `sums.data[node * STRIDE + place]`. */
  readonly sums = f64();

  /** Makes room for `nodes` nodes. */
  reserve(nodes: number): void {
    this.sums.extendTo(nodes * STRIDE);
  }

  /** Takes the runs from `from` to `to`. */
  add(runs: Runs, from: number, to: number): void {
    addAll(this.sums.data, from, to, runs.node.data, runs.state.data, runs.weight.data, runs.count.data);
  }
}

function addAll(
  sums: Float64Array, from: number, to: number, nodes: Uint32Array, states: Uint8Array, weights: Uint32Array, counts: Uint32Array,
): void {
  for (let run = from; run < to; run++) {
    const at = nodes[run]! * STRIDE + PLACE[states[run]!]!;
    sums[at]! += weights[run]!;
    sums[at + 1]! += counts[run]!;
  }
}
