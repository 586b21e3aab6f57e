/**
 * The part of a profile that is looked at - threads, time, states - as a call tree with weights.
 *
 * Runs are folded in as they arrive: a live delta costs (new runs) x (depth), or one pass over the nodes,
 * whichever is less. A changed selection is folded anew, of threads and of times only the runs that are in it; a caller
 * that has no time for all of them goes on later.
 */
import { State } from "../stream";
import type { Granularity, Profile } from "./profile";
import { Names } from "./names";
import { ACTIVE_AT, NodeTimes, NOWHERE, PLACES, REST_AT, STRIDE } from "./node-times";
import { Shape, UNSHAPED } from "./shape";
import { forget } from "./siblings";
import type { Spares } from "./spares";
import { classOf, holdsGil, isActive, StateClass } from "./state";
import type { Range, ThreadTime } from "./thread-times";
import { threadTimes, ThreadTimes } from "./thread-times";
import type { CallTree } from "./tree";

/** Whose time counts: of threads in any state, or in one kind of them. */
export type Mode = "all" | "active" | "gil" | "gil-wait" | "gc" | "idle";

const byState = (wanted: (state: number) => boolean): Uint8Array => Uint8Array.from({ length: 256 }, (_, state) => Number(wanted(state)));
/** 1 for each state that a mode counts; the same words and rules as `_STATES` of nbspy/model/selection.py. */
const COUNTED: Record<Mode, Uint8Array> = {
  "all": byState(() => true),
  "active": byState(isActive),
  "gil": byState(holdsGil),
  "gil-wait": byState((state) => (state & State.GIL_WAIT) !== 0),
  "gc": byState((state) => classOf(state) === StateClass.GC),
  "idle": byState((state) => !isActive(state)),
};

export interface Selection {
  /** Thread ids; empty means all. */
  readonly threads: ReadonlySet<number>;
  /** Half-open range of time in us; null means all. */
  readonly time: readonly [number, number] | null;
  readonly mode: Mode;
}

export const EVERYTHING: Selection = { threads: new Set(), time: null, mode: "all" };

const COLUMNS = ["self", "total", "selfSamples", "samples"] as const;

/** Self and total of every node: time in us, and samples. */
export class Weights {
  self = new Float64Array(1024);
  total = new Float64Array(1024);
  selfSamples = new Float64Array(1024);
  samples = new Float64Array(1024);
  /** Nothing has been added yet. */
  private fresh = true;
  /** The memory was another's before. */
  private used = false;

  constructor(private readonly tree: CallTree, private readonly spares: Spares | null = null) {}

  reserve(): void {
    const { size } = this.tree;
    if (size <= this.self.length) return;
    for (const column of COLUMNS) {
      const length = Math.max(size, 2 * this[column].length);
      const spare = this.fresh ? this.spares?.take(length) : null;
      const wider = spare ?? new Float64Array(length);
      if (spare) this.used = true;
      if (!this.fresh) wider.set(this[column]);
      this[column] = wider;
    }
  }

  /** Gives away the memory: nobody looks at these weights any more. */
  release(spares: Spares): void {
    forget(this.total);
    for (const column of COLUMNS) spares.give(this[column]);
  }

  /** Forgets everything. New memory has nothing to forget, and to write to all of it at once would take a frame. */
  clear(): void {
    if (!this.fresh || this.used) for (const column of COLUMNS) this[column].fill(0);
    this.fresh = this.used = false;
  }

  /** Makes sure that what is added is added to nothing else. */
  begin(): void {
    if (this.used) this.clear();
  }

  addSelf(node: number, weight: number, samples: number): void {
    this.self[node]! += weight;
    this.selfSamples[node]! += samples;
  }

  addToAncestors(node: number, weight: number, samples: number): void {
    this.fresh = false;
    const parent = this.tree.parent.data;
    for (let at = node; ; at = parent[at]!) {
      this.total[at]! += weight;
      this.samples[at]! += samples;
      if (at === 0) return;
    }
  }

  /** Computes every total from the selves. */
  sum(): void {
    this.total.fill(0);
    this.samples.fill(0);
    this.sumFrom(this.tree.size, 0);
  }

  /** Adds the selves of the nodes below `before`, down to `last`, to their totals, and those to their parents'. */
  sumFrom(before: number, last: number): void {
    const parent = this.tree.parent.data;
    const { self, selfSamples, total, samples } = this;
    for (let node = before - 1; node >= last; node--) {
      const us = (total[node]! += self[node]!);
      const count = (samples[node]! += selfSamples[node]!);
      if (node === 0) break;
      total[parent[node]!]! += us;
      samples[parent[node]!]! += count;
    }
  }
}

/** Modes whose times are kept with the profile, and the place of the times that are theirs alone. */
const KEPT: Partial<Record<Mode, number>> = { active: ACTIVE_AT, idle: REST_AT, all: REST_AT };
/** Runs and nodes that are folded at least, before the clock is looked at: fewer are always folded at once. */
const CHUNK = 1 << 14;
const ALWAYS: readonly [number, number] = [-Infinity, Infinity];

/** Runs to be folded: of a thread's own, or of all. */
interface Span {
  readonly thread: number;
  readonly lane: Uint32Array | null;
  readonly from: number;
  readonly to: number;
}

export class SelectedTree {
  readonly tree: CallTree;
  /** Weights of the selected states. */
  readonly weights: Weights;
  /** Weights of the active states only: where running time goes. The same object where those are selected. */
  readonly activeWeights: Weights;
  private readonly counted: Uint8Array;
  private readonly places: Uint8Array;
  /** The times of the nodes where they are not those of the profile. */
  private own: NodeTimes | null = null;
  private times: ThreadTimes;
  private generation: number;
  /** All runs before it are folded, where all threads and all time are selected. */
  private folded = 0;
  /** Else the next run of each thread, by its place among the thread's own. */
  private next: number[] = [];
  private work: Iterator<void> | null = null;
  private lastRun = Infinity;
  /** The time of `limit`: its number is void when runs have been merged. */
  private pausedUs = Infinity;

  /** Folds at once what there is, unless `later`. */
  constructor(
    readonly profile: Profile, readonly selection: Selection, readonly granularity: Granularity,
    readonly shape = new Shape(profile.tree(granularity), new Names(profile, granularity), UNSHAPED), limit = Infinity, later = false,
    private readonly spares: Spares | null = null,
  ) {
    this.tree = shape.tree;
    this.counted = COUNTED[selection.mode];
    this.places = selection.mode === "all" ? PLACES : this.counted.map((counted) => (counted ? ACTIVE_AT : NOWHERE));
    this.weights = new Weights(this.tree, spares);
    this.activeWeights = selection.mode === "all" ? new Weights(this.tree, spares) : this.weights;
    this.generation = profile.runs.generation;
    this.limit = limit;
    this.times = threadTimes(profile, selection.time, this.limit);
    if (!later) this.update();
  }

  /** Runs from `limit` on are left for later: they came after the view was paused. */
  get limit(): number {
    return this.lastRun;
  }

  set limit(run: number) {
    if (run < Infinity && this.lastRun === Infinity && this.times) this.times = new ThreadTimes(this.profile, this.selection.time);
    this.lastRun = run;
    this.pausedUs = run < Infinity ? this.profile.endUs : Infinity;
  }

  /** Time of each thread inside the selected range, whatever threads and states are selected. */
  get threads(): readonly ThreadTime[] {
    return this.times.threads;
  }

  /** Time with the GIL held, summed over threads. */
  get gilUs(): number {
    return this.times.gilUs;
  }

  /** Length of the selected time in us. */
  get spanUs(): number {
    const { time } = this.selection;
    return time ? Math.max(0, Math.min(time[1], this.profile.endUs) - time[0]) : this.profile.endUs;
  }

  /** Folds in the runs that arrived since, or as many as can be by the time `untilMs`; true where all are. */
  update(untilMs = Infinity): boolean {
    for (const steps = this.updating(); !steps.next().done; ) if (performance.now() >= untilMs) return false;
    return true;
  }

  /** The same, a little at each step. */
  *updating(): Generator<void> {
    if (this.generation !== this.profile.runs.generation) this.startAnew();
    for (this.work ??= this.steps(); !this.work.next().done; ) {
      yield;
      // Runs were merged meanwhile.
      if (this.generation !== this.profile.runs.generation) this.startAnew();
      this.work ??= this.steps();
    }
    this.work = null;
  }

  /** Gives away the memory: this selection is looked at no more. */
  release(spares: Spares): void {
    this.weights.release(spares);
    if (this.activeWeights !== this.weights) this.activeWeights.release(spares);
    if (this.own) spares.give(this.own.sums.data);
  }

  /** The node that a run's samples count for; -1 where they are left out by shape or state. */
  nodeOfRun(run: number): number {
    const { node, state } = this.profile.runs;
    if (run >= this.limit || !this.counted[state.data[run]!]) return -1;
    return this.shape.nodeOf(this.profile.nodeOf(this.granularity)[node.data[run]!]!);
  }

  private get byThread(): boolean {
    return this.selection.threads.size > 0 || this.range !== null;
  }

  private get range(): Range {
    const { time } = this.selection;
    return this.pausedUs < Infinity && this.lastRun === Infinity ? [time?.[0] ?? 0, Math.min(time?.[1] ?? Infinity, this.pausedUs)] : time;
  }

  /** Runs were merged: all of them are folded anew. A paused view ends where its time ended. */
  private startAnew(): void {
    this.weights.clear();
    this.activeWeights.clear();
    this.generation = this.profile.runs.generation;
    [this.folded, this.next, this.lastRun, this.own, this.work] = [0, [], Infinity, null, null];
    if (this.pausedUs < Infinity) this.times = new ThreadTimes(this.profile, this.range);
  }

  /** What is to be done to fold in what arrived, a little at each step. */
  private *steps(): Generator<void> {
    const { activeWeights, granularity, profile, shape, weights } = this;
    profile.tree(granularity);
    while (!shape.update(profile.keyCount(granularity), CHUNK)) yield;
    weights.reserve();
    activeWeights.reserve();
    yield* this.times.steps(this.limit);
    const spans = [...this.spans()];
    const walk = this.walkIsCheaper(spans);
    if (walk) for (const one of [weights, activeWeights]) one.begin();
    const { limit, profile: { nodeTimes, runs } } = this;
    const kept = KEPT[this.selection.mode];
    if (!this.own && !walk && kept !== undefined && !this.byThread && limit >= runs.length) {
      this.folded = runs.length;
      yield* this.weigh(nodeTimes, kept);
      return;
    }
    if (this.own === null && !walk) {
      // What was folded before is not in these times.
      [this.own, this.folded, this.next] = [new NodeTimes(this.spares?.take(profile.nodeCount * STRIDE)), 0, []];
      spans.splice(0, spans.length, ...this.spans());
    }
    this.own?.reserve(profile.nodeCount);
    let done = 0;
    for (const span of spans) {
      for (let at = span.from; at < span.to; at += CHUNK) {
        const to = Math.min(span.to, at + CHUNK);
        this.fold(span, at, to, walk);
        done += to - at;
        if (done < CHUNK) continue;
        done = 0;
        yield;
      }
    }
    if (!walk) yield* this.weigh(this.own!, this.selection.mode === "all" ? REST_AT : ACTIVE_AT);
  }

  /** The runs that are not folded yet. */
  private *spans(): Generator<Span> {
    const { limit, next, profile: { activity, runs, threads }, range, selection } = this;
    if (!this.byThread) {
      yield { thread: -1, lane: null, from: this.folded, to: Math.min(runs.length, limit) };
      return;
    }
    for (let thread = 0; thread < threads.length; thread++) {
      const lane = activity.runsOf(thread);
      if (!lane || (selection.threads.size && !selection.threads.has(thread))) continue;
      const from = next[thread] ?? activity.firstAfter(thread, range?.[0] ?? -Infinity);
      let to = range ? activity.firstFrom(thread, range[1]) : lane.length;
      while (to > from && lane.data[to - 1]! >= limit) to--;
      yield { thread, lane: lane.data, from, to };
    }
  }

  /** Makes the weights of times of the stream's nodes, whatever was folded before. */
  private *weigh({ sums }: NodeTimes, kept: number): Generator<void> {
    const { activeWeights, profile, shape, weights } = this;
    const nodeOf = profile.nodeOf(this.granularity);
    const both = activeWeights !== weights;
    const count = sums.length / STRIDE;
    weights.clear();
    if (count > CHUNK) yield;
    if (both) activeWeights.clear();
    for (let node = 0; node < count; node += CHUNK) {
      moveTimes(sums.data, node, Math.min(count, node + CHUNK), nodeOf, shape, weights, kept);
      if (both) moveTimes(sums.data, node, Math.min(count, node + CHUNK), nodeOf, shape, activeWeights, ACTIVE_AT);
      if (both) moveTimes(sums.data, node, Math.min(count, node + CHUNK), nodeOf, shape, weights, ACTIVE_AT);
      if (node + CHUNK < count) yield;
    }
    for (const summed of both ? [weights, activeWeights] : [weights]) {
      for (let before = this.tree.size; before > 0; before -= CHUNK) {
        summed.sumFrom(before, Math.max(0, before - CHUNK));
        if (before > CHUNK) yield;
      }
    }
  }

  /** Whether adding to the ancestors of each run takes fewer steps than to sum the whole tree. */
  private walkIsCheaper(spans: readonly Span[]): boolean {
    const { depth: { data: depth }, size } = this.profile.tree(this.granularity);
    const nodeOf = this.profile.nodeOf(this.granularity);
    const node = this.profile.runs.node.data;
    let steps = 0;
    for (const { lane, from, to } of spans) {
      for (let i = from; i < to && steps < size; i++) steps += 1 + depth[nodeOf[node[lane ? lane[i]! : i]!]!]!;
    }
    return steps < size;
  }

  /** Adds the runs from `from` to `to` of a span to the times of the nodes, with `walk` to the weights of the tree too. */
  private fold({ lane, thread }: Span, from: number, to: number, walk: boolean): void {
    const { activeWeights, own, places, profile, shape, weights } = this;
    const time = this.range ?? ALWAYS;
    own?.addPart(profile.runs, lane, from, to, places, time);
    if (thread < 0) this.folded = to;
    else this.next[thread] = to;
    if (!walk) return;
    const { count: { data: counts }, node: { data: nodes }, start: { data: start }, state: { data: states }, weight: { data: all } } = profile.runs;
    const nodeOf = profile.nodeOf(this.granularity);
    for (let i = from; i < to; i++) {
      const run = lane ? lane[i]! : i;
      const node = shape.nodeOf(nodeOf[nodes[run]!]!);
      const place = places[states[run]!]!;
      const inside = Math.min(start[run]! + all[run]!, time[1]) - Math.max(start[run]!, time[0]);
      if (node < 0 || place === NOWHERE || inside <= 0) continue;
      const samples = (counts[run]! * inside) / all[run]!;
      put(weights, node, inside, samples);
      if (activeWeights !== weights && place === ACTIVE_AT) put(activeWeights, node, inside, samples);
    }
  }
}

/** Adds times of the stream's nodes to the nodes that stand for them. */
function moveTimes(sums: Float64Array, from: number, to: number, nodeOf: Uint32Array, shape: Shape, { self, selfSamples }: Weights, place: number): void {
  for (let node = from; node < to; node++) {
    const shown = shape.nodeOf(nodeOf[node]!);
    if (shown < 0) continue;
    self[shown]! += sums[node * STRIDE + place]!;
    selfSamples[shown]! += sums[node * STRIDE + place + 1]!;
  }
}

function put(weights: Weights, node: number, weight: number, samples: number): void {
  weights.addSelf(node, weight, samples);
  weights.addToAncestors(node, weight, samples);
}
