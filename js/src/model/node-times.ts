/**
 * Time and samples of nodes, taken from runs. Those of the stream's nodes over all threads and all of the time are kept with
 * the profile, active ones apart: whatever the granularity and the shape of a tree, its weights are made of these in a pass
 * over the nodes, of which there are a tenth or a hundredth as many as runs. Other selections take their own runs.
 */
import { f64 } from "./column";
import type { Lane } from "./lane";
import { ACTIVE } from "./state";

/** By state: whether its time is counted, and is active. */
export const REST = 0;
export const RUNNING = 1;
export const UNCOUNTED = 255;

/** By state, where all states are counted. */
export const ALL_STATES = ACTIVE.map((active) => (active ? RUNNING : REST));
export const ALWAYS: readonly [number, number] = [-Infinity, Infinity];

/** Runs that are taken at least, before others may have their turn. */
export const CHUNK = 1 << 14;
/** Nodes that are taken together, as a power of two: their times are half a megabyte, which a processor has at hand. */
const BLOCK_BITS = 14;
/** So few runs are taken one by one: to sort them would cost more than it saves. */
const FEW = 1 << 16;
/** Memory for sorting so many runs is kept for the next time. */
const KEPT_RUNS = 1 << 20;

/** Runs of a thread, from one to another. */
export interface Span {
  readonly lane: Lane;
  readonly from: number;
  readonly to: number;
}

/** Time in us and samples of each node. Where samples of active states are wanted, those and their time are kept apart; else their time goes along. */
export interface Sums {
  readonly us: Float64Array;
  readonly samples: Float64Array;
  readonly activeUs: Float64Array | null;
  readonly activeSamples: Float64Array | null;
}

/** Which node one of the stream's nodes counts for: that of a tree, and what stands for that, -1 for nothing; null where it is the same. */
export interface Places {
  readonly nodeOf: Uint32Array | null;
  readonly shown: Int32Array | null;
}

/** What is taken of runs, and where it is put. */
export interface Taking extends Places {
  readonly sums: Sums;
  /** Of the stream's nodes. */
  readonly nodes: number;
  readonly states: Uint8Array;
  readonly time: readonly [number, number];
}

export class NodeTimes {
  private readonly columns = [f64(), f64(), f64(), f64()] as const;

  /** Makes room for `nodes` nodes. */
  reserve(nodes: number): void {
    for (const column of this.columns) column.extendTo(nodes);
  }

  get length(): number {
    return this.columns[0].length;
  }

  get sums(): Sums & { readonly activeUs: Float64Array; readonly activeSamples: Float64Array } {
    const [us, samples, activeUs, activeSamples] = this.columns;
    return { us: us.data, samples: samples.data, activeUs: activeUs.data, activeSamples: activeSamples.data };
  }

  /** Takes all of the spans' runs. */
  add(spans: readonly Span[]): void {
    const taking = { sums: this.sums, nodes: this.length, nodeOf: null, shown: null, states: ALL_STATES, time: ALWAYS };
    for (const steps = takeRuns(spans, taking); !steps.next().done; );
  }
}

/**
 * Takes of the spans' runs what lies in the time and is counted, a little at each step. Where runs and nodes are many,
 * runs are sorted by blocks of nodes first: each node's times are then at hand, and need not be waited for.
 */
export function* takeRuns(spans: readonly Span[], taking: Taking): Generator<void> {
  const blocks = (taking.nodes >> BLOCK_BITS) + 1;
  const runs = spans.reduce((sum, { from, to }) => sum + to - from, 0);
  if (blocks === 1 || runs < FEW) {
    let taken = 0;
    for (const part of parts(spans)) {
      takeOneByOne(taking, part);
      taken += part.to - part.from;
      if (taken < CHUNK) continue;
      taken = 0;
      yield;
    }
    return;
  }
  const ends = new Uint32Array(blocks + 1);
  for (const part of parts(spans)) {
    countBlocks(ends, part);
    yield;
  }
  for (let block = 1; block <= blocks; block++) ends[block]! += ends[block - 1]!;
  // Whoever else sorts before this is done has memory of its own.
  const sorted = spare && spare.at.length >= runs ? spare : { at: new Uint32Array(runs), us: new Uint32Array(runs), samples: new Uint32Array(runs) };
  spare = null;
  for (const part of parts(spans)) {
    sortByBlock(sorted, ends, taking, part);
    yield;
  }
  for (let from = 0; from < runs; from += CHUNK) {
    takeSorted(taking, sorted, from, Math.min(runs, from + CHUNK));
    yield;
  }
  if (runs <= KEPT_RUNS) spare = sorted;
}

function* parts(spans: readonly Span[]): Generator<Span> {
  for (const { lane, from, to } of spans) for (let at = from; at < to; at += CHUNK) yield { lane, from: at, to: Math.min(to, at + CHUNK) };
}

/** Runs by blocks of nodes: twice the node, and one more where it was active; time, and samples. Zeros are runs that do not count. */
interface Sorted {
  readonly at: Uint32Array;
  readonly us: Uint32Array;
  readonly samples: Uint32Array;
}

let spare: Sorted | null = null;

function countBlocks(ends: Uint32Array, { lane: { node: { data: nodes } }, from, to }: Span): void {
  for (let run = from; run < to; run++) ends[(nodes[run]! >>> BLOCK_BITS) + 1]!++;
}

function sortByBlock({ at, us, samples }: Sorted, ends: Uint32Array, taking: Taking, { lane, from, to }: Span): void {
  const { start: { data: start }, count: { data: counts }, node: { data: nodes }, state: { data: states }, weight: { data: weights } } = lane;
  const { states: kinds, time: [begin, end] } = taking;
  for (let run = from; run < to; run++) {
    const node = nodes[run]!;
    const kind = kinds[states[run]!]!;
    const weight = weights[run]!;
    const begun = start[run]!;
    const slot = ends[node >>> BLOCK_BITS]!++;
    const whole = kind !== UNCOUNTED && begun >= begin && begun + weight <= end;
    at[slot] = 2 * node + (kind & RUNNING);
    us[slot] = whole ? weight : 0;
    samples[slot] = whole ? counts[run]! : 0;
    if (!whole && kind !== UNCOUNTED) takePart(taking, node, kind, weight, counts[run]!, Math.min(begun + weight, end) - Math.max(begun, begin));
  }
}

function takeSorted({ nodeOf, shown, sums }: Taking, { at, us, samples }: Sorted, from: number, to: number): void {
  const { us: allUs, samples: allSamples, activeUs, activeSamples } = sums;
  for (let i = from; i < to; i++) {
    let node = at[i]! >>> 1;
    if (nodeOf) node = nodeOf[node]!;
    if (shown && (node = shown[node]!) < 0) continue;
    const own = us[i]!;
    const running = at[i]! & RUNNING;
    if (activeUs && running) {
      activeUs[node]! += own;
      if (activeSamples) {
        activeSamples[node]! += samples[i]!;
        continue;
      }
    }
    allUs[node]! += own;
    allSamples[node]! += samples[i]!;
  }
}

function takeOneByOne(taking: Taking, { lane, from, to }: Span): void {
  const { start: { data: start }, count: { data: counts }, node: { data: nodes }, state: { data: states }, weight: { data: weights } } = lane;
  const { states: kinds, time: [begin, end] } = taking;
  for (let run = from; run < to; run++) {
    const kind = kinds[states[run]!]!;
    if (kind === UNCOUNTED) continue;
    const weight = weights[run]!;
    const begun = start[run]!;
    takePart(taking, nodes[run]!, kind, weight, counts[run]!, Math.min(begun + weight, end) - Math.max(begun, begin));
  }
}

/** Takes `inside` us of a run of `weight` us, and as many of its samples. */
function takePart({ nodeOf, shown, sums }: Taking, node: number, kind: number, weight: number, count: number, inside: number): void {
  if (inside <= 0) return;
  if (nodeOf) node = nodeOf[node]!;
  if (shown && (node = shown[node]!) < 0) return;
  const samples = inside === weight ? count : (count * inside) / weight;
  const { activeUs, activeSamples } = sums;
  if (activeUs && kind === RUNNING) {
    activeUs[node]! += inside;
    if (activeSamples) {
      activeSamples[node]! += samples;
      return;
    }
  }
  sums.us[node]! += inside;
  sums.samples[node]! += samples;
}
