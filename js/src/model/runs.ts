/**
 * One row per run of equal samples of one thread, as in the stream; times in us since the stream's origin.
 *
 * A row takes 25 bytes here and 4 in `Activity`. Past `MAX_RUNS` rows (350 MB) equal runs of a thread that lie within a
 * window of time become one, and the window doubles until half of the rows are gone: the resolution in time halves,
 * counts and weights stay exact. Stacks so many that the whole of the session as one window is too much lose their deepest
 * frames. nbspy/model/coarsening.py does the same in the kernel.
 */
import type { Samples } from "../stream";
import type { Column } from "./column";
import { f64, u32, u8 } from "./column";

export const MAX_RUNS = 12_000_000;
/** Weights are 32 bits of microseconds: what is longer than 71 minutes stays several rows. */
const MAX_U32 = 0xffffffff;

export class Runs {
  readonly start = f64();
  readonly thread = u32();
  readonly node = u32();
  readonly state = u8();
  readonly count = u32();
  readonly weight = u32();
  /** Grows when rows have become others: what was remembered of them, their numbers too, is void. */
  generation = 0;
  /** Equal runs of a thread are told apart where they are farther from each other than this; 0: always. */
  windowUs = 0;
  private limit: number;

  constructor(private readonly budget = MAX_RUNS) {
    this.limit = budget;
  }

  get length(): number {
    return this.start.length;
  }

  append(record: Samples): void {
    const { baseTimeUs, startUs } = record;
    const { start } = this;
    const from = start.length;
    start.extendTo(from + startUs.length);
    const { data } = start;
    for (let i = 0; i < startUs.length; i++) data[from + i] = baseTimeUs + startUs[i]!;
    this.thread.append(record.thread);
    this.node.append(record.node);
    this.state.append(record.state);
    this.count.append(record.count);
    this.weight.append(record.weightUs);
  }

  /** Makes room for so many runs more, as far as they will be kept: memory that is not written to costs nothing. */
  expect(more: number): void {
    const length = Math.min(this.limit, this.length + more);
    if (length <= this.start.data.length) return;
    // Some more than that: of what came the last part waits for its end.
    const roomy = Math.min(this.limit, Math.ceil(1.1 * length));
    for (const column of [this.start, this.thread, this.node, this.state, this.count, this.weight]) column.reserve(roomy);
  }

  /** Merges runs where there are more than the budget allows; true where rows have become others. */
  coarsen(lanes: () => Column<Uint32Array>[], parent: Column<Uint32Array>): boolean {
    if (this.length <= this.limit) return false;
    const wanted = this.budget / 2;
    const last = this.lastStart();
    for (this.windowUs = this.window(lanes(), parent.length, wanted, last);; this.windowUs *= 2) {
      new Merge(this, this.windowUs, parent.length).all(lanes());
      if (this.length <= wanted || this.windowUs > last) break;
    }
    if (this.length > wanted) this.cut(lanes, parent, wanted);
    this.generation++;
    // More threads than that: to look again at every row would cost more than they do.
    this.limit = Math.max(this.budget, 2 * this.length);
    return true;
  }

  private lastStart(): number {
    const { data, length } = this.start;
    let last = 0;
    for (let run = 0; run < length; run++) last = Math.max(last, data[run]!);
    return last;
  }

  /**
   * The shortest window, a power of two and no shorter than the last, that leaves so many runs as are wanted; one longer than
   * all where none does. Two equal runs lie in one window with a probability of 1 - gap / window, so the number of gaps of
   * each size and their sum tell. The same rule as nbspy/model/coarsening.py.
   */
  private window(lanes: Column<Uint32Array>[], nodes: number, wanted: number, last: number): number {
    const { node: { data: node }, start: { data: start } } = this;
    const [number, length] = [new Float64Array(64), new Float64Array(64)];
    const before = new Float64Array(nodes);
    for (const lane of lanes) {
      before.fill(-1);
      for (let i = 0; i < lane.length; i++) {
        const run = lane.data[i]!;
        const gap = start[run]! - before[node[run]!]!;
        if (before[node[run]!]! >= 0) {
          const size = gap < 1 ? 0 : Math.floor(Math.log2(gap)) + 1;
          number[size]! += 1;
          length[size]! += gap;
        }
        before[node[run]!] = start[run]!;
      }
    }
    let window = Math.max(1, this.windowUs);
    for (; window <= last; window *= 2) {
      let left = this.length;
      for (let size = 0; size <= Math.log2(window); size++) left -= number[size]! - length[size]! / window;
      if (left <= wanted) break;
    }
    return window;
  }

  /** Cuts stacks to half their depth, and again, until all equal runs of a thread as one are few enough: callers count for them. */
  private cut(lanes: () => Column<Uint32Array>[], { data: parent, length: nodes }: Column<Uint32Array>, wanted: number): void {
    const [depth, ancestor] = [new Uint32Array(nodes), new Uint32Array(nodes)];
    let limit = 0;
    for (let node = 1; node < nodes; node++) limit = Math.max(limit, (depth[node] = depth[parent[node]!]! + 1));
    while (this.length > wanted && limit) {
      limit >>= 1;
      for (let node = 1; node < nodes; node++) ancestor[node] = depth[node]! > limit ? ancestor[parent[node]!]! : node;
      const { data, length } = this.node;
      for (let run = 0; run < length; run++) data[run] = ancestor[data[run]!]!;
      new Merge(this, Infinity, nodes).all(lanes());
    }
  }

  /** Replaces all rows. */
  replace(rows: Runs): void {
    for (const name of ["start", "thread", "node", "state", "count", "weight"] as const) {
      const column: Column<Float64Array | Uint32Array | Uint8Array> = this[name];
      column.data = rows[name].data;
      column.length = rows[name].length;
    }
  }
}

/** One pass over all runs, thread by thread: afterwards the rows of a thread follow each other. */
class Merge {
  private readonly out: Runs;
  /** Node -> its newest row, and row -> an older one of the same node: only those of the window count. */
  private readonly newest: Int32Array;
  private readonly older = u32();

  constructor(private readonly runs: Runs, private readonly windowUs: number, nodes: number) {
    this.out = new Runs();
    this.newest = new Int32Array(nodes).fill(-1);
  }

  all(lanes: Column<Uint32Array>[]): void {
    const { out, runs } = this;
    for (const lane of lanes) {
      const begun = out.length;
      this.lane(lane);
      lane.length = 0;
      for (let row = begun; row < out.length; row++) lane.push(row);
    }
    runs.replace(out);
  }

  private lane(lane: Column<Uint32Array>): void {
    const { out, runs: { start }, windowUs } = this;
    let window = -1;
    let first = out.length;
    for (let i = 0; i < lane.length; i++) {
      const run = lane.data[i]!;
      const own = Math.floor(start.data[run]! / windowUs);
      if (own !== window) {
        this.layOut(first);
        [window, first] = [own, out.length];
      }
      this.add(run, first);
    }
    this.layOut(first);
  }

  private add(run: number, first: number): void {
    const { older, out, runs } = this;
    const node = runs.node.data[run]!;
    const state = runs.state.data[run]!;
    const weight = runs.weight.data[run]!;
    for (let row = this.newest[node]!; row >= first; row = older.data[row]! - 1) {
      if (out.state.data[row] !== state || out.weight.data[row]! + weight > MAX_U32) continue;
      out.weight.data[row]! += weight;
      out.count.data[row]! += runs.count.data[run]!;
      return;
    }
    older.push(this.newest[node]! + 1);
    this.newest[node] = out.length;
    out.start.push(runs.start.data[run]!);
    out.thread.push(runs.thread.data[run]!);
    out.node.push(node);
    out.state.push(state);
    out.count.push(runs.count.data[run]!);
    out.weight.push(weight);
  }

  /** Rows of a window follow each other without overlap, in the order of their first samples. */
  private layOut(first: number): void {
    const { length, start: { data: start }, weight: { data: weight } } = this.out;
    for (let row = first + 1; row < length; row++) start[row] = Math.max(start[row]!, start[row - 1]! + weight[row - 1]!);
  }
}
