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
import { ACTIVE_AT, REST_AT, STRIDE } from "./node-times";
import { Shape, UNSHAPED } from "./shape";
import { ACTIVE, classOf, holdsGil, isActive, StateClass } from "./state";
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

/** Self and total of every node: time in us, and samples. */
export class Weights {
  self = new Float64Array(1024);
  total = new Float64Array(1024);
  selfSamples = new Float64Array(1024);
  samples = new Float64Array(1024);

  constructor(private readonly tree: CallTree) {}

  reserve(): void {
    const { size } = this.tree;
    if (size <= this.self.length) return;
    for (const column of ["self", "total", "selfSamples", "samples"] as const) {
      const wider = new Float64Array(Math.max(size, 2 * this[column].length));
      wider.set(this[column]);
      this[column] = wider;
    }
  }

  /** Forgets everything; what is not added anew is 0 once it is summed. */
  clear(): void {
    this.self.fill(0);
    this.selfSamples.fill(0);
  }

  addSelf(node: number, weight: number, samples: number): void {
    this.self[node]! += weight;
    this.selfSamples[node]! += samples;
  }

  addToAncestors(node: number, weight: number, samples: number): void {
    const parent = this.tree.parent.data;
    for (let at = node; ; at = parent[at]!) {
      this.total[at]! += weight;
      this.samples[at]! += samples;
      if (at === 0) return;
    }
  }

  /** Computes every total from the selves. */
  sum(): void {
    const { size } = this.tree;
    const parent = this.tree.parent.data;
    const { total, samples } = this;
    total.set(this.self.subarray(0, size));
    samples.set(this.selfSamples.subarray(0, size));
    for (let node = size - 1; node > 0; node--) {
      total[parent[node]!]! += total[node]!;
      samples[parent[node]!]! += samples[node]!;
    }
  }
}

/** Modes whose times are among those kept of each node, and where: those of all are both together. */
const KEPT: Partial<Record<Mode, number>> = { active: ACTIVE_AT, idle: REST_AT, all: REST_AT };
/** Runs that are folded at least, before the clock is looked at: fewer are always folded at once. */
const CHUNK = 1 << 16;

export class SelectedTree {
  readonly tree: CallTree;
  /** Weights of the selected states. */
  readonly weights: Weights;
  /** Weights of the active states only: where running time goes. The same object where those are selected. */
  readonly activeWeights: Weights;
  private readonly counted: Uint8Array;
  private times: ThreadTimes;
  private generation: number;
  /** All runs before it are folded, where all threads and all time are selected. */
  private folded = 0;
  /** Else the next run of each thread, by its place among the thread's own. */
  private next: number[] = [];
  private summed = true;
  private lastRun = Infinity;
  /** The time of `limit`: its number is void when runs have been merged. */
  private pausedUs = Infinity;

  /** Folds at once what there is, unless `later`. */
  constructor(
    readonly profile: Profile, readonly selection: Selection, readonly granularity: Granularity,
    readonly shape = new Shape(profile.tree(granularity), new Names(profile, granularity), UNSHAPED), limit = Infinity, later = false,
  ) {
    this.tree = shape.tree;
    this.counted = COUNTED[selection.mode];
    this.weights = new Weights(this.tree);
    this.activeWeights = selection.mode === "all" ? new Weights(this.tree) : this.weights;
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
    const { granularity, profile, profile: { runs } } = this;
    if (this.generation !== runs.generation) this.startAnew();
    profile.tree(granularity);
    this.shape.update(profile.keyCount(granularity));
    this.weights.reserve();
    this.activeWeights.reserve();
    this.times.update(this.limit);
    const done = this.byThread ? this.foldThreads(untilMs) : this.foldAll(untilMs);
    if (!done) return false;
    if (!this.summed) {
      this.weights.sum();
      if (this.activeWeights !== this.weights) this.activeWeights.sum();
      this.summed = true;
    }
    return true;
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
    this.weights.sum();
    this.activeWeights.sum();
    this.generation = this.profile.runs.generation;
    [this.folded, this.next, this.lastRun] = [0, [], Infinity];
    if (this.pausedUs < Infinity) this.times = new ThreadTimes(this.profile, this.range);
  }

  private foldAll(untilMs: number): boolean {
    const to = Math.min(this.profile.runs.length, this.limit);
    const walk = this.walkIsCheaper(null, this.folded, to);
    const kept = KEPT[this.selection.mode];
    if (!walk && kept !== undefined && to === this.profile.runs.length) {
      this.takeKept(kept);
      this.folded = to;
      return true;
    }
    const begun = this.folded;
    while (this.folded < to) {
      if (this.folded - begun >= CHUNK && performance.now() >= untilMs) return false;
      const end = Math.min(to, this.folded + CHUNK);
      this.fold(null, this.folded, end, walk);
      this.folded = end;
    }
    return true;
  }

  /** Makes the weights of the times that are kept of each node, whatever was folded before. */
  private takeKept(kept: number): void {
    const { activeWeights, profile, shape, weights } = this;
    const { nodeTimes: { sums: { data: sums, length } } } = profile;
    const nodeOf = profile.nodeOf(this.granularity);
    const both = activeWeights !== weights;
    weights.clear();
    if (both) activeWeights.clear();
    this.summed = false;
    for (let node = 0, at = 0; at < length; node++, at += STRIDE) {
      const shown = shape.nodeOf(nodeOf[node]!);
      if (shown < 0) continue;
      weights.addSelf(shown, sums[at + kept]!, sums[at + kept + 1]!);
      if (!both) continue;
      weights.addSelf(shown, sums[at + ACTIVE_AT]!, sums[at + ACTIVE_AT + 1]!);
      activeWeights.addSelf(shown, sums[at + ACTIVE_AT]!, sums[at + ACTIVE_AT + 1]!);
    }
  }

  private foldThreads(untilMs: number): boolean {
    const { limit, next, profile: { activity, threads }, range, selection } = this;
    let done = 0;
    for (let thread = 0; thread < threads.length; thread++) {
      const lane = activity.runsOf(thread);
      if (!lane || (selection.threads.size && !selection.threads.has(thread))) continue;
      let at = next[thread] ?? activity.firstAfter(thread, range?.[0] ?? -Infinity);
      let to = range ? activity.firstFrom(thread, range[1]) : lane.length;
      while (to > at && lane.data[to - 1]! >= limit) to--;
      const walk = this.walkIsCheaper(lane.data, at, to);
      while (at < to) {
        if (done >= CHUNK && performance.now() >= untilMs) return false;
        const end = Math.min(to, at + CHUNK);
        this.fold(lane.data, at, end, walk);
        done += end - at;
        next[thread] = at = end;
      }
    }
    return true;
  }

  /** Whether adding to the ancestors of each run takes fewer steps than to sum the whole tree. */
  private walkIsCheaper(lane: Uint32Array | null, from: number, to: number): boolean {
    if (!this.summed) return false;
    const { depth: { data: depth }, size } = this.profile.tree(this.granularity);
    const nodeOf = this.profile.nodeOf(this.granularity);
    const node = this.profile.runs.node.data;
    let steps = 0;
    for (let i = from; i < to && steps < size; i++) steps += 1 + depth[nodeOf[node[lane ? lane[i]! : i]!]!]!;
    return steps < size;
  }

  /** Adds the runs from `from` to `to`, of all or of a thread's own. */
  private fold(lane: Uint32Array | null, from: number, to: number, walk: boolean): void {
    const { activeWeights, counted, profile, range, shape, weights } = this;
    const { count: { data: counts }, node: { data: nodes }, start: { data: start }, state: { data: states } } = profile.runs;
    const { data: allWeights } = profile.runs.weight;
    const nodeOf = profile.nodeOf(this.granularity);
    const both = activeWeights !== weights;
    this.summed &&= walk;
    for (let i = from; i < to; i++) {
      const run = lane ? lane[i]! : i;
      const node = shape.nodeOf(nodeOf[nodes[run]!]!);
      if (node < 0) continue;
      let weight = allWeights[run]!;
      let samples = counts[run]!;
      if (range) {
        const inside = Math.min(start[run]! + weight, range[1]) - Math.max(start[run]!, range[0]);
        if (inside <= 0) continue;
        samples *= inside / weight;
        weight = inside;
      }
      const state = states[run]!;
      if (counted[state]) put(weights, node, weight, samples, walk);
      if (both && ACTIVE[state]) put(activeWeights, node, weight, samples, walk);
    }
  }
}

function put(weights: Weights, node: number, weight: number, samples: number, walk: boolean): void {
  weights.addSelf(node, weight, samples);
  if (walk) weights.addToAncestors(node, weight, samples);
}
