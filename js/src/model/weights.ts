/** Self and total of every node of a call tree: time in us, and samples. */
import { forget } from "./siblings";
import type { Spares } from "./spares";
import type { CallTree } from "./tree";

const TIMES = ["self", "total"] as const;
const COLUMNS = [...TIMES, "selfSamples", "samples"] as const;

export class Weights {
  self = new Float64Array(1024);
  total = new Float64Array(1024);
  selfSamples = new Float64Array(1024);
  samples = new Float64Array(1024);
  /** Nothing has been added yet. */
  private fresh = true;
  /** The memory was another's before. */
  private used = false;
  private readonly columns: readonly (typeof COLUMNS)[number][];

  /** `timed`: of times alone; samples are not counted. */
  constructor(private readonly tree: CallTree, private readonly spares: Spares | null = null, timed = false) {
    this.columns = timed ? TIMES : COLUMNS;
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

  /** Forgets everything. New memory has nothing to forget, and to write to all of it at once would take a frame. */
  clear(): void {
    this.overwrite(0);
  }

  /** Makes sure that what is added is added to nothing else. */
  begin(): void {
    if (this.used) this.clear();
  }

  /** Forgets everything but of the nodes below `count`, which are written anew. */
  overwrite(count: number): void {
    if (!this.fresh || this.used) for (const column of this.columns) this[column].fill(0, count);
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
    const { size } = this.tree;
    this.total.set(this.self.subarray(0, size));
    this.samples.set(this.selfSamples.subarray(0, size));
    sumDown(this.tree.parent.data, size, 1, this.total, this.samples, null);
  }
}

/** Adds the totals of the nodes below `before`, down to `last`, to their parents'. */
export function sumDown(
  parent: Uint32Array, before: number, last: number, total: Float64Array, samples: Float64Array, active: Float64Array | null,
): void {
  for (let node = before - 1; node >= last; node--) {
    const above = parent[node]!;
    total[above]! += total[node]!;
    samples[above]! += samples[node]!;
    if (active) active[above]! += active[node]!;
  }
}
