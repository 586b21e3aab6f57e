/** Self and total of every node of a call tree: time in us, and samples. */
import { forget } from "./siblings";
import type { Spares } from "./spares";
import type { CallTree } from "./tree";

const TIMES = ["self", "total"] as const;
/** Nodes that are taken in one step. */
const STEP = 1 << 16;
const COLUMNS = [...TIMES, "selfSamples", "samples"] as const;

export class Weights {
  self = new Float64Array(1024);
  total = new Float64Array(1024);
  selfSamples = new Float64Array(1024);
  samples = new Float64Array(1024);
  /** Nothing has been added yet, as far as is known. */
  private fresh: boolean;
  /** The memory was another's before. */
  private used = false;
  private readonly columns: readonly (typeof COLUMNS)[number][];

  /** `timed`: of times alone; samples are not counted. */
  constructor(private readonly tree: CallTree, private readonly spares: Spares | null = null, timed = false) {
    this.columns = timed ? TIMES : COLUMNS;
    this.fresh = spares !== null;
  }

  reserve(): void {
    const { size } = this.tree;
    if (size <= this.self.length) return;
    for (const column of this.columns) {
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
    for (const column of this.columns) spares.give(this[column]);
  }

  /**
   * Forgets what was added, a little at each step: from now on there is nothing in the selves, nor in the totals of the nodes from
   * `totals` on. New memory has nothing to forget, and to write to all of it at once would take a frame.
   */
  *forget(totals = 0): Generator<void> {
    if (!this.fresh || this.used) {
      for (const column of this.columns) {
        const array = this[column];
        for (let at = column.startsWith("self") ? 0 : totals; at < array.length; at += STEP) {
          array.fill(0, at, at + STEP);
          yield;
        }
      }
    }
    this.fresh = this.used = false;
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

  /** Adds time, where samples are not counted. */
  addTime(node: number, weight: number): void {
    this.fresh = false;
    const parent = this.tree.parent.data;
    this.self[node]! += weight;
    for (let at = node; ; at = parent[at]!) {
      this.total[at]! += weight;
      if (at === 0) return;
    }
  }

  /** Computes every total from the selves. */
  sum(): void {
    for (const steps = this.summing(); !steps.next().done; );
  }

  /** The same, a little at each step; of times that go along, too. */
  *summing(active: Weights | null = null): Generator<void> {
    const { samples, self, selfSamples, total, tree: { parent, size } } = this;
    for (let at = 0; at < size; at += STEP) {
      const to = Math.min(size, at + STEP);
      total.set(self.subarray(at, to), at);
      samples.set(selfSamples.subarray(at, to), at);
      active?.total.set(active.self.subarray(at, to), at);
      if (to < size) yield;
    }
    for (let before = size; before > 0; before -= STEP) {
      sumDown(parent.data, before, Math.max(1, before - STEP), total, samples, active?.total ?? null);
      if (before > STEP) yield;
    }
  }
}

/** Adds the totals of the nodes below `before`, down to `last`, to their parents'. */
function sumDown(
  parent: Uint32Array, before: number, last: number, total: Float64Array, samples: Float64Array, active: Float64Array | null,
): void {
  for (let node = before - 1; node >= last; node--) {
    const above = parent[node]!;
    total[above]! += total[node]!;
    samples[above]! += samples[node]!;
    if (active) active[above]! += active[node]!;
  }
}
