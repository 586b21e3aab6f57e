/**
 * The part of a profile that is looked at - threads, time, states - as a call tree with weights.
 *
 * Runs are folded in as they arrive: a live delta costs (new runs) x (depth), or one pass over the nodes,
 * whichever is less. A changed selection is folded anew.
 */
import { State } from "../stream";
import type { Granularity, Profile } from "./profile";
import { Names } from "./names";
import { Shape, UNSHAPED } from "./shape";
import { classOf, holdsGil, isActive, StateClass } from "./state";
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

/** Time of one thread inside the selected range, whatever threads and states are selected. */
export interface ThreadTime {
  seen: number;
  active: number;
  gil: number;
  /** The newest run inside the range. */
  lastRun: number;
}

export class SelectedTree {
  readonly tree: CallTree;
  /** Weights of the selected states. */
  readonly weights: Weights;
  /** Weights of the active states only: where running time goes. The same object where those are selected. */
  readonly activeWeights: Weights;
  readonly threads: ThreadTime[] = [];
  /** Time with the GIL held, summed over threads. */
  gilUs = 0;
  private folded = 0;
  private readonly counted: Uint8Array;

  /** Runs from `limit` on are left for later: they came after the view was paused. */
  constructor(
    readonly profile: Profile, readonly selection: Selection, readonly granularity: Granularity,
    readonly shape = new Shape(profile.tree(granularity), new Names(profile, granularity), UNSHAPED), public limit = Infinity,
  ) {
    this.tree = shape.tree;
    this.counted = COUNTED[selection.mode];
    this.weights = new Weights(this.tree);
    this.activeWeights = selection.mode === "all" ? new Weights(this.tree) : this.weights;
    this.update();
  }

  /** Length of the selected time in us. */
  get spanUs(): number {
    const { time } = this.selection;
    return time ? Math.max(0, Math.min(time[1], this.profile.endUs) - time[0]) : this.profile.endUs;
  }

  /** Folds in the runs that arrived since; true where there were some. */
  update(): boolean {
    const { runs } = this.profile;
    const from = this.folded;
    const to = Math.min(runs.start.length, this.limit);
    this.shape.update(this.profile.keyCount(this.granularity));
    this.weights.reserve();
    this.activeWeights.reserve();
    if (from === to) return false;
    const walk = this.walkIsCheaper(from, to);
    for (let run = from; run < to; run++) this.fold(run, walk);
    this.folded = to;
    if (!walk) {
      this.weights.sum();
      if (this.activeWeights !== this.weights) this.activeWeights.sum();
    }
    return true;
  }

  /** The node that a run's samples count for; -1 where they are left out by shape or state. */
  nodeOfRun(run: number): number {
    const { node, state } = this.profile.runs;
    if (run >= this.folded || !this.counted[state.data[run]!]) return -1;
    return this.shape.nodeOf(this.profile.nodeOf(this.granularity)[node.data[run]!]!);
  }

  private walkIsCheaper(from: number, to: number): boolean {
    const { depth: { data: depth }, size } = this.profile.tree(this.granularity);
    const nodeOf = this.profile.nodeOf(this.granularity);
    const node = this.profile.runs.node.data;
    let steps = 0;
    for (let run = from; run < to && steps < size; run++) steps += 1 + depth[nodeOf[node[run]!]!]!;
    return steps < size;
  }

  private fold(run: number, walk: boolean): void {
    const { profile, selection } = this;
    const { runs } = profile;
    let weight = runs.weight.data[run]!;
    let samples = runs.count.data[run]!;
    if (selection.time) {
      const start = runs.start.data[run]!;
      const inside = Math.min(start + weight, selection.time[1]) - Math.max(start, selection.time[0]);
      if (inside <= 0) return;
      samples *= inside / weight;
      weight = inside;
    }
    const thread = runs.thread.data[run]!;
    const state = runs.state.data[run]!;
    const active = isActive(state);
    const gil = holdsGil(state);
    const time = (this.threads[thread] ??= { seen: 0, active: 0, gil: 0, lastRun: run });
    time.seen += weight;
    time.lastRun = run;
    if (active) time.active += weight;
    if (gil) {
      time.gil += weight;
      this.gilUs += weight;
    }
    if (selection.threads.size && !selection.threads.has(thread)) return;
    const node = this.shape.nodeOf(profile.nodeOf(this.granularity)[runs.node.data[run]!]!);
    if (node < 0) return;
    if (this.counted[state]) this.put(this.weights, node, weight, samples, walk);
    if (active && this.activeWeights !== this.weights) this.put(this.activeWeights, node, weight, samples, walk);
  }

  private put(weights: Weights, node: number, weight: number, samples: number, walk: boolean): void {
    weights.addSelf(node, weight, samples);
    if (walk) weights.addToAncestors(node, weight, samples);
  }
}
