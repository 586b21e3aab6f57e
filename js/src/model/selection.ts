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
import type { Lane } from "./lane";
import type { NodeTimes, Places, Span } from "./node-times";
import { ALL_STATES, ALWAYS, CHUNK, REST, RUNNING, takeRuns, UNCOUNTED } from "./node-times";
import { Shape, UNSHAPED } from "./shape";
import type { Spares } from "./spares";
import { classOf, holdsGil, isActive, StateClass } from "./state";
import type { Limits, Range, ThreadTime } from "./thread-times";
import { idleThreads, threadTimes, ThreadTimes } from "./thread-times";
import type { CallTree } from "./tree";
import { Weights } from "./weights";

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
  /** Threads that were idle nearly all of the time are left out, where all threads and states are selected. */
  readonly idlers: boolean;
}

export const EVERYTHING: Selection = { threads: new Set(), time: null, mode: "all", idlers: false };

/** Modes whose times are kept with the profile. */
const KEPT: readonly Mode[] = ["all", "active", "idle"];

export class SelectedTree {
  readonly tree: CallTree;
  /** Weights of the selected states. */
  readonly weights: Weights;
  /** Times of the active states only: where running time goes. The same object where those are selected. */
  readonly activeWeights: Pick<Weights, "self" | "total">;
  /** The same, where they are not those of the selected states. */
  private readonly active: Weights | null;
  /** Threads that are left out because they were idle. */
  leftOut: ReadonlySet<number> = new Set();
  private readonly counted: Uint8Array;
  private readonly kinds: Uint8Array;
  private times: ThreadTimes;
  private generation: number;
  /** The next run of each thread. */
  private next: number[] = [];
  private work: Iterator<void> | null = null;
  private pausedAt: Limits = null;
  /** The time of `limits`: their numbers are void when runs have been merged. */
  private pausedUs = Infinity;

  /** Folds at once what there is, unless `later`. */
  constructor(
    readonly profile: Profile, readonly selection: Selection, readonly granularity: Granularity,
    readonly shape = new Shape(profile.tree(granularity), new Names(profile, granularity), UNSHAPED), limits: Limits = null, later = false,
    spares: Spares | null = null,
  ) {
    this.tree = shape.tree;
    this.counted = COUNTED[selection.mode];
    this.kinds = selection.mode === "all" ? ALL_STATES : this.counted.map((counted) => (counted ? REST : UNCOUNTED));
    this.weights = new Weights(this.tree, spares);
    this.active = selection.mode === "all" ? new Weights(this.tree, spares, true) : null;
    this.activeWeights = this.active ?? this.weights;
    this.generation = profile.runs.generation;
    this.limits = limits;
    this.times = threadTimes(profile, selection.time, limits);
    if (!later) this.update();
  }

  /** How many runs of each thread are looked at, where the view is paused: others came later. */
  get limits(): Limits {
    return this.pausedAt;
  }

  set limits(limits: Limits) {
    if (limits && !this.pausedAt && this.times) this.times = new ThreadTimes(this.profile, this.selection.time);
    this.pausedAt = limits;
    this.pausedUs = limits ? this.profile.endUs : Infinity;
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
    const endUs = Math.min(this.profile.endUs, this.pausedUs);
    return time ? Math.max(0, Math.min(time[1], endUs) - time[0]) : endUs;
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
    this.active?.release(spares);
  }

  /** The node that a run's samples count for; -1 where they are left out: for idling, by shape, state or pause. */
  nodeOfRun({ node, state, thread }: Lane, run: number): number {
    if (!this.counted[state.data[run]!] || run >= this.endOf(thread) || this.leftOut.has(thread)) return -1;
    return this.shape.nodeOf(this.profile.nodeOf(this.granularity)[node.data[run]!]!);
  }

  /** Whether a thread's runs are in it. */
  has(thread: number): boolean {
    const { threads } = this.selection;
    return threads.size ? threads.has(thread) : !this.leftOut.has(thread);
  }

  /** The number of a thread's runs that are looked at. */
  private endOf(thread: number): number {
    const { limits } = this;
    return limits ? limits[thread] ?? 0 : Infinity;
  }

  private get byThread(): boolean {
    return this.selection.threads.size > 0 || this.leftOut.size > 0 || this.range !== null;
  }

  private get range(): Range {
    const { time } = this.selection;
    return this.pausedUs < Infinity && !this.pausedAt ? [time?.[0] ?? 0, Math.min(time?.[1] ?? Infinity, this.pausedUs)] : time;
  }

  /** Runs were merged: all of them are folded anew. A paused view ends where its time ended. */
  private startAnew(): void {
    this.generation = this.profile.runs.generation;
    [this.next, this.pausedAt, this.work] = [[], null, null];
    if (this.pausedUs < Infinity) this.times = new ThreadTimes(this.profile, this.range);
  }

  /** What is to be done to fold in what arrived, a little at each step. */
  private *steps(): Generator<void> {
    const { active, granularity, profile, shape, weights } = this;
    yield* this.times.steps(this.limits);
    this.leaveOut();
    yield* profile.grow(granularity);
    while (!shape.update(profile.keyCount(granularity), CHUNK)) yield;
    weights.reserve();
    active?.reserve();
    const spans = this.spans();
    if (this.walkIsCheaper(spans)) {
      yield* this.forget(0);
      for (const span of spans) this.walk(span);
      this.folded(spans);
      return;
    }
    const { size } = this.tree;
    if (KEPT.includes(this.selection.mode) && !this.byThread && !this.limits) {
      const times = profile.timesOfNodes();
      yield* this.forget(size, true);
      yield* this.move(times);
    } else {
      yield* this.forget(size);
      const { self, selfSamples } = weights;
      yield* takeRuns(spans, {
        ...this.places, sums: { us: self, samples: selfSamples, activeUs: active?.self ?? null, activeSamples: null },
        nodes: profile.nodeCount, states: this.kinds, time: this.range ?? ALWAYS,
      });
    }
    this.folded(spans);
    yield* weights.summing(active);
  }

  /** A thread that has begun to run comes in with all of its runs. Where none ran before, others that were shown go. */
  private leaveOut(): void {
    const { idlers, mode, threads } = this.selection;
    if (!idlers || threads.size || mode !== "all") return;
    this.leftOut = idleThreads(this.threads, (thread) => !this.profile.end && this.next[thread] !== undefined);
    for (const thread of this.leftOut) if (this.next[thread] !== undefined) this.next = [];
  }

  /** Where the stream's nodes count. */
  private get places(): Places {
    const { granularity, profile, shape } = this;
    return { nodeOf: profile.sameNodes(granularity) ? null : profile.nodeOf(granularity), shown: shape.shown };
  }

  /** Begins with nothing, unless there is something already that was folded, or then too. */
  private *forget(totals: number, all = false): Generator<void> {
    if (!all && this.next.length) return;
    yield* this.weights.forget(totals);
    if (this.active) yield* this.active.forget(totals);
  }

  /** The runs that are not folded yet. */
  private spans(): Span[] {
    const { next, profile: { runs }, range } = this;
    const spans: Span[] = [];
    for (const lane of runs.lanes) {
      if (!lane || !this.has(lane.thread)) continue;
      const from = next[lane.thread] ?? (range ? lane.firstAfter(range[0]) : 0);
      const to = Math.min(range ? lane.firstFrom(range[1]) : lane.length, this.endOf(lane.thread));
      if (from < to) spans.push({ lane, from, to });
    }
    return spans;
  }

  private folded(spans: readonly Span[]): void {
    for (const { lane, to } of spans) this.next[lane.thread] = to;
  }

  /** Gives the nodes the times of the stream's nodes that they stand for. */
  private *move(times: NodeTimes): Generator<void> {
    const { active, places, selection: { mode }, weights } = this;
    const count = times.length;
    for (let node = 0; node < count; node += CHUNK) {
      moveTimes(times, places, node, Math.min(count, node + CHUNK), weights, active, mode);
      if (node + CHUNK < count) yield;
    }
  }

  /** Whether adding to the ancestors of each run takes fewer steps than to sum the whole tree. */
  private walkIsCheaper(spans: readonly Span[]): boolean {
    const { depth: { data: depth }, size } = this.profile.tree(this.granularity);
    const nodeOf = this.profile.nodeOf(this.granularity);
    let steps = 0;
    for (const { lane: { node: { data: node } }, from, to } of spans) {
      for (let run = from; run < to && steps < size; run++) steps += 1 + depth[nodeOf[node[run]!]!]!;
      if (steps >= size) return false;
    }
    return true;
  }

  /** Adds a span's runs to the weights of the tree. */
  private walk({ lane, from, to }: Span): void {
    const { active, kinds, profile, shape, weights } = this;
    const { count: { data: counts }, node: { data: nodes }, start: { data: start }, state: { data: states }, weight: { data: all } } = lane;
    const time = this.range ?? ALWAYS;
    const nodeOf = profile.nodeOf(this.granularity);
    for (let run = from; run < to; run++) {
      const node = shape.nodeOf(nodeOf[nodes[run]!]!);
      const kind = kinds[states[run]!]!;
      const inside = Math.min(start[run]! + all[run]!, time[1]) - Math.max(start[run]!, time[0]);
      if (node < 0 || kind === UNCOUNTED || inside <= 0) continue;
      const samples = (counts[run]! * inside) / all[run]!;
      weights.addSelf(node, inside, samples);
      weights.addToAncestors(node, inside, samples);
      if (kind === RUNNING) active?.addTime(node, inside);
    }
  }
}

/** Adds the times of the stream's nodes to the nodes that stand for them: all, active ones, or those of the rest. */
function moveTimes({ sums }: NodeTimes, { nodeOf, shown }: Places, from: number, to: number, weights: Weights, active: Weights | null, mode: Mode): void {
  const { us: restUs, samples: restSamples, activeUs, activeSamples } = sums;
  const { self, selfSamples } = weights;
  const activeSelf = active?.self;
  const [rest, running] = [Number(mode !== "active"), Number(mode !== "idle")];
  for (let own = from; own < to; own++) {
    let node = nodeOf ? nodeOf[own]! : own;
    if (shown && (node = shown[node]!) < 0) continue;
    self[node]! += rest * restUs[own]! + running * activeUs[own]!;
    selfSamples[node]! += rest * restSamples[own]! + running * activeSamples[own]!;
    if (activeSelf) activeSelf[node]! += activeUs[own]!;
  }
}
