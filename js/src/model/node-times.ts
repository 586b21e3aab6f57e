/**
 * Time and samples of each of the stream's nodes, active and not. Weights are made of these: whatever the granularity and
 * the shape of a tree, that costs a pass over the nodes, of which there are a tenth or a hundredth as many as runs. Those
 * over all threads and all of the time are kept with the profile.
 */
import { f64 } from "./column";
import type { Lane } from "./lane";
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
export const ALWAYS: readonly [number, number] = [-Infinity, Infinity];

/** Runs that are taken at least, before others may have their turn. */
export const CHUNK = 1 << 14;
/** Nodes that are taken together, as a power of two: their times are half a megabyte, which a processor has at hand. */
const BLOCK_BITS = 14;
/** So few runs are taken one by one: to sort them would cost more than it saves. */
const FEW = 1 << 16;

/** Runs of a thread, from one to another. */
export interface Span {
  readonly lane: Lane;
  readonly from: number;
  readonly to: number;
}

export class NodeTimes {
  /** `sums.data[node * STRIDE + place]`. */
  readonly sums = f64();

  /** Whether there is in the sums what another has left. */
  private used = false;

  /** `memory`: what another has used. */
  constructor(memory: Float64Array<ArrayBuffer> | null = null) {
    if (!memory) return;
    this.sums.data = memory;
    this.used = true;
  }

  /** Makes room for `nodes` nodes. */
  reserve(nodes: number): void {
    this.sums.extendTo(nodes * STRIDE);
  }

  /**
   * Takes of the spans' runs what lies in the time and has a place, a little at each step. Where runs and nodes are many,
   * runs are sorted by blocks of nodes first: each node's times are then at hand, and need not be waited for.
   */
  *add(spans: readonly Span[], places: Uint8Array = PLACES, time = ALWAYS): Generator<void> {
    if (this.used) yield* this.clear();
    const blocks = (this.sums.length / STRIDE >> BLOCK_BITS) + 1;
    const runs = spans.reduce((sum, { from, to }) => sum + to - from, 0);
    if (blocks === 1 || runs < FEW) {
      let taken = 0;
      for (const part of parts(spans)) {
        addOneByOne(this.sums.data, part, places, time);
        taken += part.to - part.from;
        if (taken < CHUNK) continue;
        taken = 0;
        yield;
      }
      return;
    }
    const sorted: Sorted = { at: new Uint32Array(runs), us: new Uint32Array(runs), samples: new Uint32Array(runs), ends: new Uint32Array(blocks + 1) };
    for (const part of parts(spans)) {
      countBlocks(sorted.ends, part);
      yield;
    }
    for (let block = 1; block <= blocks; block++) sorted.ends[block]! += sorted.ends[block - 1]!;
    for (const part of parts(spans)) {
      sortByBlock(sorted, this.sums.data, part, places, time);
      yield;
    }
    for (let from = 0; from < runs; from += CHUNK) {
      addSorted(this.sums.data, sorted, from, Math.min(runs, from + CHUNK));
      yield;
    }
  }

  private *clear(): Generator<void> {
    const { sums: { data } } = this;
    for (let at = 0; at < data.length; at += 16 * CHUNK) {
      data.fill(0, at, at + 16 * CHUNK);
      yield;
    }
    this.used = false;
  }

  /** The same, at once. */
  addNow(spans: readonly Span[]): void {
    for (const steps = this.add(spans); !steps.next().done; );
  }
}

function* parts(spans: readonly Span[]): Generator<Span> {
  for (const { lane, from, to } of spans) for (let at = from; at < to; at += CHUNK) yield { lane, from: at, to: Math.min(to, at + CHUNK) };
}

/** Runs by blocks of nodes: the place in the sums, time and samples of each; and where each block ends. Zeros are runs that do not count. */
interface Sorted {
  readonly at: Uint32Array;
  readonly us: Uint32Array;
  readonly samples: Uint32Array;
  readonly ends: Uint32Array;
}

function countBlocks(ends: Uint32Array, { lane: { node: { data: nodes } }, from, to }: Span): void {
  for (let run = from; run < to; run++) ends[(nodes[run]! >>> BLOCK_BITS) + 1]!++;
}

function sortByBlock(
  { at, us, samples, ends }: Sorted, sums: Float64Array, part: Span, places: Uint8Array, [begin, end]: readonly [number, number],
): void {
  const { lane: { start: { data: start }, count: { data: counts }, node: { data: nodes }, state: { data: states }, weight: { data: weights } }, from, to } = part;
  for (let run = from; run < to; run++) {
    const node = nodes[run]!;
    const place = places[states[run]!]!;
    const weight = weights[run]!;
    const begun = start[run]!;
    const slot = ends[node >>> BLOCK_BITS]!++;
    if (place === NOWHERE) continue;
    if (begun >= begin && begun + weight <= end) {
      at[slot] = node * STRIDE + place;
      us[slot] = weight;
      samples[slot] = counts[run]!;
    } else addInside(sums, node * STRIDE + place, weight, counts[run]!, Math.min(begun + weight, end) - Math.max(begun, begin));
  }
}

function addSorted(sums: Float64Array, { at, us, samples }: Sorted, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const place = at[i]!;
    sums[place]! += us[i]!;
    sums[place + 1]! += samples[i]!;
  }
}

function addOneByOne(sums: Float64Array, part: Span, places: Uint8Array, [begin, end]: readonly [number, number]): void {
  const { lane: { start: { data: start }, count: { data: counts }, node: { data: nodes }, state: { data: states }, weight: { data: weights } }, from, to } = part;
  for (let run = from; run < to; run++) {
    const place = places[states[run]!]!;
    if (place === NOWHERE) continue;
    const weight = weights[run]!;
    const begun = start[run]!;
    addInside(sums, nodes[run]! * STRIDE + place, weight, counts[run]!, Math.min(begun + weight, end) - Math.max(begun, begin));
  }
}

/** Adds `inside` us of a run of `weight` us, and as many of its samples. */
function addInside(sums: Float64Array, at: number, weight: number, count: number, inside: number): void {
  if (inside <= 0) return;
  sums[at]! += inside;
  sums[at + 1]! += inside === weight ? count : (count * inside) / weight;
}
