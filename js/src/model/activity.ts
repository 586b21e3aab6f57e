/**
 * Time in each state per thread, in equal bins of time: what the timeline draws when a pixel covers many runs.
 * Past `MAX_BINS` the bins double in width, so memory is bounded however long the session and however many threads.
 */
import type { Column } from "./column";
import { u32 } from "./column";
import type { Runs } from "./runs";
import { ACTIVE, CLASS_OF, STATE_CLASSES } from "./state";

/** Bins of one thread, and of all threads together: 20 bytes each, and a sixteenth of that. */
const MAX_BINS = 1 << 16;
const LEAST_MAX_BINS = 1 << 12;
const MAX_ALL_BINS = 1 << 20;
const FIRST_BIN_US = 5000;
/** Buckets of one second for the sparkline of the last half minute. */
export const RECENT_SECONDS = 30;
const RECENT_SLOTS = RECENT_SECONDS + 2;

/** So many bins are one coarse bin: a picture of a whole session looks at no more bins than it has columns by far. */
const COARSE = 16;

export interface Bins {
  readonly binUs: number;
  /** `times[bin * STATE_CLASSES + class]` = us. */
  readonly times: Float32Array;
}

class Lane {
  /** `bins[bin * STATE_CLASSES + class]` = us. */
  bins = new Float32Array(4 * COARSE * STATE_CLASSES);
  coarse = new Float32Array(4 * STATE_CLASSES);
  /** The coarse bins lack what came from this bin on. */
  fineFrom = Infinity;
  /** The bin that the last run was in: the next is in it, too, more often than not. */
  binFromUs = 0;
  binToUs = 0;
  binAt = 0;
  /** The thread's runs, in the order of time. */
  readonly runs: Column<Uint32Array> = u32();
  readonly recent = new Float32Array(RECENT_SLOTS);
  readonly recentSecond = new Int32Array(RECENT_SLOTS).fill(-1);
}

export class Activity {
  binUs = FIRST_BIN_US;
  private readonly lanes: Lane[] = [];
  private threads = 0;
  private maxBins = MAX_BINS;

  constructor(private readonly runs: Runs) {}

  /** Takes the runs from `from` to `to`; gives when the last of them ends. */
  add(from: number, to: number): number {
    const { start: { data: start }, state: { data: state }, thread: { data: thread }, weight: { data: weight } } = this.runs;
    const { lanes } = this;
    let last = 0;
    for (let run = from; run < to; run++) {
      const end = start[run]! + weight[run]!;
      if (end > last) last = end;
      if (!lanes[thread[run]!]) this.addLane(thread[run]!);
    }
    while (last >= this.binUs * this.maxBins) this.halveResolution();
    const recently = last - RECENT_SECONDS * 1e6;
    const { binUs } = this;
    for (let run = from; run < to; run++) {
      const lane = lanes[thread[run]!]!;
      const begun = start[run]!;
      const end = begun + weight[run]!;
      const kind = CLASS_OF[state[run]!]!;
      lane.runs.push(run);
      if (begun >= lane.binFromUs && end < lane.binToUs) lane.bins[lane.binAt + kind]! += end - begun;
      else addBins(lane, binUs, begun, end, kind);
      if (end > recently && ACTIVE[state[run]!]) addRecent(lane, Math.max(begun, recently), end);
    }
    return last;
  }

  /** The thread's bins, the widest that are no wider than `columnUs` where there are such; they end where it was seen last. */
  bins(thread: number, columnUs = 0): Bins | null {
    const lane = this.lanes[thread];
    if (!lane) return null;
    const { binUs } = this;
    if (columnUs < COARSE * binUs) return { binUs, times: lane.bins };
    makeCoarse(lane);
    return { binUs: COARSE * binUs, times: lane.coarse };
  }

  /** The thread's runs in the order of time. */
  runsOf(thread: number): Column<Uint32Array> | null {
    return this.lanes[thread]?.runs ?? null;
  }

  /** The place, among the thread's own runs, of the first that ends after `us`. */
  firstAfter(thread: number, us: number): number {
    const { start: { data: start }, weight: { data: weight } } = this.runs;
    return this.first(thread, (run) => start[run]! + weight[run]! > us);
  }

  /** The same, of the first that begins at `us` or later. */
  firstFrom(thread: number, us: number): number {
    const { start: { data: start } } = this.runs;
    return this.first(thread, (run) => start[run]! >= us);
  }

  private first(thread: number, reached: (run: number) => boolean): number {
    const lane = this.lanes[thread];
    if (!lane) return 0;
    const { data, length } = lane.runs;
    let low = 0;
    let high = length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (reached(data[middle]!)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The runs of each thread that has some. */
  get runsByThread(): Column<Uint32Array>[] {
    return this.lanes.filter(Boolean).map((lane) => lane.runs);
  }

  /** Active share of each of the last 30 seconds, oldest first, into `into`. */
  recentShares(thread: number, endUs: number, into: Float32Array): Float32Array {
    into.fill(0);
    const lane = this.lanes[thread];
    if (!lane) return into;
    const last = Math.max(0, Math.ceil(endUs / 1e6) - 1);
    for (let i = 0; i < into.length; i++) {
      const second = last - into.length + 1 + i;
      if (second < 0) continue;
      const slot = second % RECENT_SLOTS;
      // The second that runs now is not whole yet: its share is of the part that has passed.
      const span = second === last ? Math.max(1, endUs - second * 1e6) : 1e6;
      if (lane.recentSecond[slot] === second) into[i] = Math.min(1, lane.recent[slot]! / span);
    }
    return into;
  }

  private addLane(thread: number): void {
    this.lanes[thread] = new Lane();
    this.threads++;
    // Not more bins than are drawn at once need, however many threads there are.
    while (this.maxBins > LEAST_MAX_BINS && this.threads * this.maxBins > MAX_ALL_BINS) this.maxBins /= 2;
  }

  private halveResolution(): void {
    this.binUs *= 2;
    for (const lane of this.lanes) {
      if (!lane) continue;
      halve(lane.bins);
      [lane.fineFrom, lane.binToUs] = [0, 0];
    }
  }
}

/** Adds a run's time to the bins it lies in. */
function addBins(lane: Lane, binUs: number, start: number, end: number, kind: number): void {
  const first = Math.floor(start / binUs);
  const last = Math.floor(end / binUs);
  if (first < lane.fineFrom) lane.fineFrom = first;
  if ((last + 1) * STATE_CLASSES > lane.bins.length) lane.bins = grown(lane.bins, (last + 1) * STATE_CLASSES);
  const { bins } = lane;
  for (let from = start, bin = first; from < end; bin++) {
    const to = Math.min(end, (bin + 1) * binUs);
    bins[bin * STATE_CLASSES + kind]! += to - from;
    from = to;
  }
  [lane.binFromUs, lane.binToUs, lane.binAt] = [last * binUs, (last + 1) * binUs, last * STATE_CLASSES];
}

/** Sums up the bins that have changed. Runs come in the order of time, so in a live session these are few. */
function makeCoarse(lane: Lane): void {
  const { bins } = lane;
  const count = Math.ceil(bins.length / (COARSE * STATE_CLASSES));
  if (lane.coarse.length < count * STATE_CLASSES) lane.coarse = grown(lane.coarse, count * STATE_CLASSES);
  const { coarse } = lane;
  for (let bin = Math.floor(Math.min(lane.fineFrom / COARSE, count)); bin < count; bin++) {
    for (let kind = 0; kind < STATE_CLASSES; kind++) {
      let sum = 0;
      for (let i = 0; i < COARSE; i++) sum += bins[(bin * COARSE + i) * STATE_CLASSES + kind] ?? 0;
      coarse[bin * STATE_CLASSES + kind] = sum;
    }
  }
  // The next run is not taken for granted to be in the last one's bin: that bin is then known to have changed.
  [lane.fineFrom, lane.binToUs] = [Infinity, 0];
}

/** Makes two bins one. */
function halve(bins: Float32Array): void {
  const half = Math.ceil(bins.length / (2 * STATE_CLASSES));
  for (let bin = 0; bin < half; bin++) {
    for (let kind = 0; kind < STATE_CLASSES; kind++) {
      const from = 2 * bin * STATE_CLASSES + kind;
      bins[bin * STATE_CLASSES + kind] = bins[from]! + (bins[from + STATE_CLASSES] ?? 0);
    }
  }
  bins.fill(0, half * STATE_CLASSES);
}

function addRecent(lane: Lane, start: number, end: number): void {
  let second = Math.max(0, Math.floor(start / 1e6));
  for (let from = start; from < end; second++) {
    const to = Math.min(end, (second + 1) * 1e6);
    const slot = second % RECENT_SLOTS;
    if (lane.recentSecond[slot]! < second) {
      lane.recentSecond[slot] = second;
      lane.recent[slot] = 0;
    }
    if (lane.recentSecond[slot] === second) lane.recent[slot]! += to - from;
    from = to;
  }
}

function grown(bins: Float32Array<ArrayBuffer>, length: number): Float32Array<ArrayBuffer> {
  const wider = new Float32Array(STATE_CLASSES * Math.ceil(Math.max(length, 2 * bins.length) / STATE_CLASSES));
  wider.set(bins);
  return wider;
}
