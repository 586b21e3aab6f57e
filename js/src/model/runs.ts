/**
 * One row per run of equal samples of one thread, as in the stream; times in us since the stream's origin. Rows lie
 * thread by thread: who looks at one thread's, or draws its lane, walks through memory that lies in a row.
 *
 * A row takes 21 bytes. Past `MAX_RUNS` rows (250 MB) equal runs of a thread that lie within a window of time become
 * one, and the window doubles until half of the rows are gone: the resolution in time halves, counts and weights stay
 * exact. Stacks so many that the whole of the session as one window is too much lose their deepest frames.
 * nbspy/model/coarsening.py does the same in the kernel.
 */
import type { Samples } from "../stream";
import type { Column } from "./column";
import { u32 } from "./column";
import { Lane } from "./lane";

export const MAX_RUNS = 12_000_000;
/** Rows that are sorted by thread together: a processor has them at hand, from whatever columns they are gathered. */
const AT_HAND = 1 << 13;
/** Weights are 32 bits of microseconds: what is longer than 71 minutes stays several rows. */
const MAX_U32 = 0xffffffff;

/** Rows that a record has brought to a thread. */
export type Taker = (lane: Lane, from: number, to: number) => void;

export class Runs {
  /** By thread; with none where it has no runs. */
  readonly lanes: (Lane | undefined)[] = [];
  /** The number of all rows. */
  length = 0;
  /** Grows when rows have become others: what was remembered of them, their numbers too, is void. */
  generation = 0;
  /** Equal runs of a thread are told apart where they are farther from each other than this; 0: always. */
  windowUs = 0;
  private limit: number;
  /** How many rows of a record each thread has, where they begin in `order`, and their numbers thread by thread. */
  private counts = new Uint32Array(64);
  private order = new Uint32Array(1024);

  constructor(private readonly budget = MAX_RUNS) {
    this.limit = budget;
  }

  /** The runs of a thread, or null where it has none. */
  of(thread: number): Lane | null {
    return this.lanes[thread] ?? null;
  }

  /** The number of each thread's rows. */
  get lengths(): number[] {
    return Array.from(this.lanes, (lane) => lane?.length ?? 0);
  }

  /** Puts the rows of a record to those of their threads, of which there are so many; these are told to `taken` one by one. */
  append(record: Samples, threads: number, taken: Taker): void {
    const { baseTimeUs, startUs, thread, node, state, count, weightUs, kind } = record;
    for (let from = 0; from < thread.length; from += AT_HAND) {
      const part = <A extends Uint32Array | Uint8Array>(column: A): A => column.subarray(from, from + AT_HAND) as A;
      this.appendPart({
        kind, baseTimeUs, startUs: part(startUs), thread: part(thread), node: part(node), state: part(state), count: part(count), weightUs: part(weightUs),
      }, threads, taken);
    }
  }

  private appendPart(record: Samples, threads: number, taken: Taker): void {
    const { thread } = record;
    const rows = thread.length;
    if (this.counts.length <= threads) this.counts = new Uint32Array(2 * threads);
    if (this.order.length < rows) this.order = new Uint32Array(2 * rows);
    const { counts, lanes, order } = this;
    sortByThread(thread, threads, counts, order);
    this.length += rows;
    // Sorting has left in `counts` where each thread's rows end.
    for (let id = 0, from = 0; id < threads; from = counts[id++]!) {
      const to = counts[id]!;
      if (from === to) continue;
      const lane = (lanes[id] ??= new Lane(id));
      const at = lane.length;
      lane.extendTo(at + to - from);
      gather(record, order, from, to, lane, at);
      taken(lane, at, lane.length);
    }
  }

  /** Makes room for so many runs more, as far as they will be kept: memory that is not written to costs nothing. */
  expect(more: number): void {
    const length = Math.min(this.limit, this.length + more);
    // Some more than that: of what came the last part waits for its end.
    const factor = 1.1 * length / Math.max(1, this.length);
    for (const lane of this.lanes) if (lane && lane.length * factor > 1.1 * lane.start.data.length) lane.reserve(Math.ceil(lane.length * factor));
  }

  /** There are more runs than the budget allows. */
  get full(): boolean {
    return this.length > this.limit;
  }

  /** Merges runs where there are more than the budget allows; true where rows have become others. */
  coarsen(parent: Column<Uint32Array>): boolean {
    if (!this.full) return false;
    const wanted = this.budget / 2;
    const last = this.lastStart();
    for (this.windowUs = this.window(parent.length, wanted, last);; this.windowUs *= 2) {
      this.merge(this.windowUs, parent.length);
      if (this.length <= wanted || this.windowUs > last) break;
    }
    if (this.length > wanted) this.cut(parent, wanted);
    this.generation++;
    // More threads than that: to look again at every row would cost more than they do.
    this.limit = Math.max(this.budget, 2 * this.length);
    return true;
  }

  private *all(): Generator<Lane> {
    for (const lane of this.lanes) if (lane) yield lane;
  }

  private merge(windowUs: number, nodes: number): void {
    const merge = new Merge(windowUs, nodes);
    for (const lane of this.all()) merge.lane(lane);
    this.length = merge.rows;
  }

  private lastStart(): number {
    let last = 0;
    for (const { start: { data, length } } of this.all()) for (let run = 0; run < length; run++) last = Math.max(last, data[run]!);
    return last;
  }

  /**
   * The shortest window, a power of two and no shorter than the last, that leaves so many runs as are wanted; one longer than
   * all where none does. Two equal runs lie in one window with a probability of 1 - gap / window, so the number of gaps of
   * each size and their sum tell. The same rule as nbspy/model/coarsening.py.
   */
  private window(nodes: number, wanted: number, last: number): number {
    const [number, length] = [new Float64Array(64), new Float64Array(64)];
    const before = new Float64Array(nodes);
    for (const lane of this.all()) {
      const { node: { data: node }, start: { data: start } } = lane;
      before.fill(-1);
      for (let run = 0; run < lane.length; run++) {
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
  private cut({ data: parent, length: nodes }: Column<Uint32Array>, wanted: number): void {
    const [depth, ancestor] = [new Uint32Array(nodes), new Uint32Array(nodes)];
    let limit = 0;
    for (let node = 1; node < nodes; node++) limit = Math.max(limit, (depth[node] = depth[parent[node]!]! + 1));
    while (this.length > wanted && limit) {
      limit >>= 1;
      for (let node = 1; node < nodes; node++) ancestor[node] = depth[node]! > limit ? ancestor[parent[node]!]! : node;
      for (const { node: { data, length } } of this.all()) for (let run = 0; run < length; run++) data[run] = ancestor[data[run]!]!;
      this.merge(Infinity, nodes);
    }
  }
}

/** Writes into `order` the numbers of the rows of each thread, in their order; `counts` tells then where each thread's end. */
function sortByThread(thread: Uint32Array, threads: number, counts: Uint32Array, order: Uint32Array): void {
  counts.fill(0, 0, threads + 1);
  for (let i = 0; i < thread.length; i++) counts[thread[i]! + 1]!++;
  for (let id = 1; id <= threads; id++) counts[id]! += counts[id - 1]!;
  for (let i = 0; i < thread.length; i++) order[counts[thread[i]!]!++] = i;
}

/** Apart from what calls it, and over bare arrays: every run of a recording goes through here. */
function gather(record: Samples, order: Uint32Array, from: number, to: number, lane: Lane, first: number): void {
  const { baseTimeUs, startUs, node: nodeIn, state: stateIn, count: countIn, weightUs } = record;
  const { start: { data: start }, node: { data: node }, state: { data: state }, count: { data: count }, weight: { data: weight } } = lane;
  for (let i = from, at = first; i < to; i++, at++) {
    const row = order[i]!;
    start[at] = baseTimeUs + startUs[row]!;
    node[at] = nodeIn[row]!;
    state[at] = stateIn[row]!;
    count[at] = countIn[row]!;
    weight[at] = weightUs[row]!;
  }
}

/** One pass over all runs, thread by thread. */
class Merge {
  /** Rows that are left so far. */
  rows = 0;
  /** Node -> its newest row, counted over all threads, and row -> an older one of the same node: only those of the window count. */
  private readonly newest: Int32Array;
  private readonly older = u32();
  private out = new Lane(0);

  constructor(private readonly windowUs: number, nodes: number) {
    this.newest = new Int32Array(nodes).fill(-1);
  }

  lane(lane: Lane): void {
    const { windowUs } = this;
    const { start } = lane;
    const out = (this.out = new Lane(lane.thread));
    let window = -1;
    let first = 0;
    for (let run = 0; run < lane.length; run++) {
      const own = Math.floor(start.data[run]! / windowUs);
      if (own !== window) {
        layOut(out, first);
        [window, first] = [own, out.length];
      }
      this.add(lane, run, this.rows + first);
    }
    layOut(out, first);
    this.rows += out.length;
    lane.replace(out);
  }

  private add(lane: Lane, run: number, first: number): void {
    const { older, out, rows } = this;
    const node = lane.node.data[run]!;
    const state = lane.state.data[run]!;
    const weight = lane.weight.data[run]!;
    for (let row = this.newest[node]!; row >= first; row = older.data[row]! - 1) {
      if (out.state.data[row - rows] !== state || out.weight.data[row - rows]! + weight > MAX_U32) continue;
      out.weight.data[row - rows]! += weight;
      out.count.data[row - rows]! += lane.count.data[run]!;
      return;
    }
    older.push(this.newest[node]! + 1);
    this.newest[node] = rows + out.length;
    out.push(lane.start.data[run]!, node, state, lane.count.data[run]!, weight);
  }
}

/** Rows of a window follow each other without overlap, in the order of their first samples. */
function layOut({ length, start: { data: start }, weight: { data: weight } }: Lane, first: number): void {
  for (let row = first + 1; row < length; row++) start[row] = Math.max(start[row]!, start[row - 1]! + weight[row - 1]!);
}
