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
import type { Span } from "./node-times";
import { ACTIVE_AT, ALWAYS, CHUNK, NodeTimes, NOWHERE, PLACES, REST_AT, STRIDE } from "./node-times";
import { Shape, UNSHAPED } from "./shape";
import type { Spares } from "./spares";
import { classOf, holdsGil, isActive, StateClass } from "./state";
import type { Limits, Range, ThreadTime } from "./thread-times";
import { threadTimes, ThreadTimes } from "./thread-times";
import type { CallTree } from "./tree";
import { sumDown, Weights } from "./weights";

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

/** Modes whose times are kept with the profile, and the place of the times that are theirs alone. */
const KEPT: Partial<Record<Mode, number>> = { active: ACTIVE_AT, idle: REST_AT, all: REST_AT };

/** What weights are made of: the times of the stream's nodes, and the nodes that stand for them. */
interface Origin {
  readonly sums: Float64Array;
  readonly nodeOf: Uint32Array;
  readonly shape: Shape;
}

export class SelectedTree {
  readonly tree: CallTree;
  /** Weights of the selected states. */
  readonly weights: Weights;
  /** Times of the active states only: where running time goes. The same object where those are selected. */
  readonly activeWeights: Pick<Weights, "self" | "total">;
  /** The same, where they are not those of the selected states. */
  private readonly active: Weights | null;
  private readonly counted: Uint8Array;
  private readonly places: Uint8Array;
  /** The times of the nodes where they are not those of the profile. */
  private own: NodeTimes | null = null;
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
    private readonly spares: Spares | null = null,
  ) {
    this.tree = shape.tree;
    this.counted = COUNTED[selection.mode];
    this.places = selection.mode === "all" ? PLACES : this.counted.map((counted) => (counted ? ACTIVE_AT : NOWHERE));
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
    if (this.own) spares.give(this.own.sums.data);
  }

  /** The node that a run's samples count for; -1 where they are left out by shape, state or pause. */
  nodeOfRun({ node, state, thread }: Lane, run: number): number {
    if (!this.counted[state.data[run]!] || run >= this.endOf(thread)) return -1;
    return this.shape.nodeOf(this.profile.nodeOf(this.granularity)[node.data[run]!]!);
  }

  /** The number of a thread's runs that are looked at. */
  private endOf(thread: number): number {
    const { limits } = this;
    return limits ? limits[thread] ?? 0 : Infinity;
  }

  private get byThread(): boolean {
    return this.selection.threads.size > 0 || this.range !== null;
  }

  private get range(): Range {
    const { time } = this.selection;
    return this.pausedUs < Infinity && !this.pausedAt ? [time?.[0] ?? 0, Math.min(time?.[1] ?? Infinity, this.pausedUs)] : time;
  }

  /** Runs were merged: all of them are folded anew. A paused view ends where its time ended. */
  private startAnew(): void {
    this.weights.clear();
    this.active?.clear();
    this.generation = this.profile.runs.generation;
    [this.next, this.pausedAt, this.own, this.work] = [[], null, null, null];
    if (this.pausedUs < Infinity) this.times = new ThreadTimes(this.profile, this.range);
  }

  /** What is to be done to fold in what arrived, a little at each step. */
  private *steps(): Generator<void> {
    const { active, granularity, profile, shape, weights } = this;
    yield* this.times.steps(this.limits);
    profile.tree(granularity);
    while (!shape.update(profile.keyCount(granularity), CHUNK)) yield;
    weights.reserve();
    active?.reserve();
    let spans = this.spans();
    if (this.walkIsCheaper(spans)) {
      weights.begin();
      active?.begin();
      for (const span of spans) this.walk(span);
      // What is kept has to be true when there is more to be folded than can be walked.
      if (this.own) yield* this.own.add(spans, this.places, this.range ?? ALWAYS);
      this.folded(spans);
      return;
    }
    const kept = KEPT[this.selection.mode];
    if (!this.own && kept !== undefined && !this.byThread && !this.limits) {
      const times = profile.timesOfNodes();
      this.folded(spans);
      yield* this.weigh(times, kept);
      return;
    }
    if (this.own === null) {
      // What was folded before is not in these times.
      [this.own, this.next] = [new NodeTimes(this.spares?.take(profile.nodeCount * STRIDE)), []];
      spans = this.spans();
    }
    this.own.reserve(profile.nodeCount);
    yield* this.own.add(spans, this.places, this.range ?? ALWAYS);
    this.folded(spans);
    yield* this.weigh(this.own, this.selection.mode === "all" ? REST_AT : ACTIVE_AT);
  }

  /** The runs that are not folded yet. */
  private spans(): Span[] {
    const { next, profile: { runs }, range, selection } = this;
    const spans: Span[] = [];
    for (const lane of runs.lanes) {
      if (!lane || (selection.threads.size && !selection.threads.has(lane.thread))) continue;
      const from = next[lane.thread] ?? (range ? lane.firstAfter(range[0]) : 0);
      const to = Math.min(range ? lane.firstFrom(range[1]) : lane.length, this.endOf(lane.thread));
      if (from < to) spans.push({ lane, from, to });
    }
    return spans;
  }

  private folded(spans: readonly Span[]): void {
    for (const { lane, to } of spans) this.next[lane.thread] = to;
  }

  /** Makes the weights of times of the stream's nodes, whatever was folded before. */
  private *weigh({ sums: { data: sums, length } }: NodeTimes, kept: number): Generator<void> {
    const { active, granularity, profile, shape, tree: { parent }, weights } = this;
    // Nodes that came since room was made have no time yet.
    const size = Math.min(this.tree.size, weights.self.length);
    const count = length / STRIDE;
    const same = shape.same && profile.sameNodes(granularity);
    const origin: Origin = { sums, nodeOf: profile.nodeOf(granularity), shape };
    for (const one of [weights, active]) {
      one?.overwrite(same ? count : 0);
      if (!same && count > CHUNK) yield;
    }
    for (let node = 0; node < count; node += CHUNK) {
      const to = Math.min(count, node + CHUNK);
      if (same) copyTimes(sums, node, to, weights, active, kept);
      else moveTimes(origin, node, to, weights, active, kept);
      if (to < count) yield;
    }
    if (!same) {
      weights.total.set(weights.self.subarray(0, size));
      weights.samples.set(weights.selfSamples.subarray(0, size));
      if (size > CHUNK) yield;
      active?.total.set(active.self.subarray(0, size));
    }
    for (let before = size; before > 0; before -= CHUNK) {
      sumDown(parent.data, before, Math.max(1, before - CHUNK), weights.total, weights.samples, active?.total ?? null);
      if (before > CHUNK) yield;
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
    const { active, places, profile, shape, weights } = this;
    const { count: { data: counts }, node: { data: nodes }, start: { data: start }, state: { data: states }, weight: { data: all } } = lane;
    const time = this.range ?? ALWAYS;
    const nodeOf = profile.nodeOf(this.granularity);
    for (let run = from; run < to; run++) {
      const node = shape.nodeOf(nodeOf[nodes[run]!]!);
      const place = places[states[run]!]!;
      const inside = Math.min(start[run]! + all[run]!, time[1]) - Math.max(start[run]!, time[0]);
      if (node < 0 || place === NOWHERE || inside <= 0) continue;
      const samples = (counts[run]! * inside) / all[run]!;
      weights.addSelf(node, inside, samples);
      weights.addToAncestors(node, inside, samples);
      if (place === ACTIVE_AT) active?.addTime(node, inside);
    }
  }
}

/** Gives the nodes the times of the stream's nodes, where those are the same; `active` counts beside the rest. */
function copyTimes(sums: Float64Array, from: number, to: number, weights: Weights, active: Weights | null, kept: number): void {
  const { self, selfSamples, samples, total } = weights;
  for (let node = from; node < to; node++) {
    const at = node * STRIDE + kept;
    self[node] = sums[at]!;
    selfSamples[node] = sums[at + 1]!;
  }
  if (active) {
    const { self: activeSelf, total: activeTotal } = active;
    for (let node = from; node < to; node++) {
      const at = node * STRIDE + ACTIVE_AT;
      self[node]! += (activeTotal[node] = activeSelf[node] = sums[at]!);
      selfSamples[node]! += sums[at + 1]!;
    }
  }
  for (let node = from; node < to; node++) {
    total[node] = self[node]!;
    samples[node] = selfSamples[node]!;
  }
}

/** Adds times of the stream's nodes to the nodes that stand for them. */
function moveTimes({ nodeOf, shape, sums }: Origin, from: number, to: number, weights: Weights, active: Weights | null, kept: number): void {
  const { self, selfSamples } = weights;
  for (let node = from; node < to; node++) {
    const shown = shape.nodeOf(nodeOf[node]!);
    if (shown < 0) continue;
    const at = node * STRIDE;
    self[shown]! += sums[at + kept]!;
    selfSamples[shown]! += sums[at + kept + 1]!;
    if (!active) continue;
    self[shown]! += sums[at + ACTIVE_AT]!;
    selfSamples[shown]! += sums[at + ACTIVE_AT + 1]!;
    active.self[shown]! += sums[at + ACTIVE_AT]!;
  }
}
