/**
 * One row per run of equal samples of one thread, as in the stream; times in us since the stream's origin.
 *
 * A row takes 25 bytes here and 4 in `Activity`. Past `MAX_RUNS` rows (350 MB) equal runs of a thread that lie within a
 * window of time become one, and the window doubles until half of the rows are gone: the resolution in time halves,
 * counts and weights stay exact. nbspy/sampling/runs.py does the same for what waits to be written.
 */
import type { Samples } from "../stream";
import type { Column } from "./column";
import { f64, u32, u8 } from "./column";

export const MAX_RUNS = 12_000_000;
/** The longest time that becomes one row (18 minutes): weights are 32 bits of microseconds. */
const MAX_WINDOW_US = 2 ** 30;
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
  coarsen(lanes: () => Column<Uint32Array>[], nodes: number): boolean {
    if (this.length <= this.limit) return false;
    this.windowUs ||= this.meanGap(lanes());
    for (;;) {
      new Merge(this, this.windowUs, nodes).all(lanes());
      this.generation++;
      if (this.length <= this.budget / 2 || this.windowUs >= MAX_WINDOW_US) break;
      this.windowUs = Math.min(MAX_WINDOW_US, 2 * this.windowUs);
    }
    // Where so many are different more are kept: to look again at every row would cost more than they do.
    this.limit = Math.max(this.budget, 2 * this.length);
    return true;
  }

  /** Twice the time from one run of a thread to the next: with less, nearly nothing would become one. */
  private meanGap(lanes: Column<Uint32Array>[]): number {
    const { start } = this;
    let whole = 0;
    for (const lane of lanes) if (lane.length) whole += start.data[lane.data[lane.length - 1]!]! - start.data[lane.data[0]!]!;
    return Math.max(1, Math.ceil((2 * whole) / this.length));
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
