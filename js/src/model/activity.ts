/**
 * Time in each state per thread, in equal bins of time: what the timeline draws when a pixel covers many runs.
 * Past `MAX_BINS` the bins double in width, so memory is bounded however long the session and however many threads.
 */
import type { Lane } from "./lane";
import { ACTIVE, AWAKE, CLASS_OF, holdsGil, STATE_CLASSES } from "./state";

/** Bins of one thread, and of all threads together: 20 bytes each, and a sixteenth of that. */
const MAX_BINS = 1 << 16;
const LEAST_MAX_BINS = 1 << 12;
const MAX_ALL_BINS = 1 << 20;
const FIRST_BIN_US = 20_000;
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

const GIL = Uint8Array.from({ length: 256 }, (_, state) => Number(holdsGil(state)));

/** Time of one thread in us. */
export interface Times {
  readonly seen: number;
  readonly active: number;
  readonly gil: number;
  /** Not idle. */
  readonly awake: number;
}

class Past implements Times {
  seen = 0;
  active = 0;
  gil = 0;
  awake = 0;
  /** `bins[bin * STATE_CLASSES + class]` = us. */
  bins = new Float32Array(4 * COARSE * STATE_CLASSES);
  coarse = new Float32Array(4 * STATE_CLASSES);
  /** The coarse bins lack what came from this bin on. */
  fineFrom = Infinity;
  /** The bin that the last run was in: the next is in it, too, more often than not. */
  binFromUs = 0;
  binToUs = 0;
  binAt = 0;
  readonly recent = new Float32Array(RECENT_SLOTS);
  readonly recentSecond = new Int32Array(RECENT_SLOTS).fill(-1);
}

export class Activity {
  binUs = FIRST_BIN_US;
  private readonly pasts: Past[] = [];
  private threads = 0;
  private maxBins = MAX_BINS;

  /** Takes the runs from `from` to `to` of a thread; gives when the last of them ends. */
  add(lane: Lane, from: number, to: number): number {
    const past = (this.pasts[lane.thread] ??= this.another());
    const { start: { data: start }, state: { data: state }, weight: { data: weight } } = lane;
    const last = sumUp(past, from, to, start, state, weight, (begun, end, kind) => {
      while (end >= this.binUs * this.maxBins) this.halveResolution();
      addBins(past, this.binUs, begun, end, kind);
    });
    return last;
  }

  /** What a thread's time was; null where it was not seen. */
  times(thread: number): Times | null {
    return this.pasts[thread] ?? null;
  }

  /** The thread's bins, the widest that are no wider than `columnUs` where there are such; they end where it was seen last. */
  bins(thread: number, columnUs = 0): Bins | null {
    const past = this.pasts[thread];
    if (!past) return null;
    const { binUs } = this;
    if (columnUs < COARSE * binUs) return { binUs, times: past.bins };
    makeCoarse(past);
    return { binUs: COARSE * binUs, times: past.coarse };
  }

  /** Active share of each of the last 30 seconds of a thread, oldest first, into `into`. */
  recentShares(lane: Lane, endUs: number, into: Float32Array): Float32Array {
    into.fill(0);
    const past = this.pasts[lane.thread];
    if (!past) return into;
    takeRecent(past, lane, endUs - RECENT_SECONDS * 1e6);
    const last = Math.max(0, Math.ceil(endUs / 1e6) - 1);
    for (let i = 0; i < into.length; i++) {
      const second = last - into.length + 1 + i;
      if (second < 0) continue;
      const slot = second % RECENT_SLOTS;
      // The second that runs now is not whole yet: its share is of the part that has passed.
      const span = second === last ? Math.max(1, endUs - second * 1e6) : 1e6;
      if (past.recentSecond[slot] === second) into[i] = Math.min(1, past.recent[slot]! / span);
    }
    return into;
  }

  private another(): Past {
    this.threads++;
    // Not more bins than are drawn at once need, however many threads there are.
    while (this.maxBins > LEAST_MAX_BINS && this.threads * this.maxBins > MAX_ALL_BINS) this.maxBins /= 2;
    return new Past();
  }

  private halveResolution(): void {
    this.binUs *= 2;
    for (const past of this.pasts) {
      if (!past) continue;
      halve(past.bins);
      [past.fineFrom, past.binToUs] = [0, 0];
    }
  }
}

/**
 * Adds runs to the times of a thread; gives when the last of them ends. What is not in the bin of the run before goes to
 * `across`. Apart from what calls it, and over bare arrays: every run of a recording goes through here.
 */
function sumUp(
  past: Past, from: number, to: number, start: Float64Array, state: Uint8Array, weight: Uint32Array,
  across: (begun: number, end: number, kind: number) => void,
): number {
  let [last, seen, active, gil, awake] = [0, 0, 0, 0, 0];
  let { binAt, binFromUs, binToUs, bins } = past;
  for (let run = from; run < to; run++) {
    const us = weight[run]!;
    const bits = state[run]!;
    const begun = start[run]!;
    const end = begun + us;
    if (end > last) last = end;
    seen += us;
    // Without a branch: which way it goes cannot be foretold.
    active += us * ACTIVE[bits]!;
    gil += us * GIL[bits]!;
    awake += us * AWAKE[bits]!;
    const kind = CLASS_OF[bits]!;
    if (begun >= binFromUs && end < binToUs) {
      bins[binAt + kind]! += us;
      continue;
    }
    across(begun, end, kind);
    ({ binAt, binFromUs, binToUs, bins } = past);
  }
  past.seen += seen;
  past.active += active;
  past.gil += gil;
  past.awake += awake;
  return last;
}

/** Adds a run's time to the bins it lies in. */
function addBins(past: Past, binUs: number, start: number, end: number, kind: number): void {
  const first = Math.floor(start / binUs);
  const last = Math.floor(end / binUs);
  if (first < past.fineFrom) past.fineFrom = first;
  if ((last + 1) * STATE_CLASSES > past.bins.length) past.bins = grown(past.bins, (last + 1) * STATE_CLASSES);
  const { bins } = past;
  for (let from = start, bin = first; from < end; bin++) {
    const to = Math.min(end, (bin + 1) * binUs);
    bins[bin * STATE_CLASSES + kind]! += to - from;
    from = to;
  }
  [past.binFromUs, past.binToUs, past.binAt] = [last * binUs, (last + 1) * binUs, last * STATE_CLASSES];
}

/** Sums up the bins that have changed. Runs come in the order of time, so in a live session these are few. */
function makeCoarse(past: Past): void {
  const { bins } = past;
  const count = Math.ceil(bins.length / (COARSE * STATE_CLASSES));
  if (past.coarse.length < count * STATE_CLASSES) past.coarse = grown(past.coarse, count * STATE_CLASSES);
  const { coarse } = past;
  for (let bin = Math.floor(Math.min(past.fineFrom / COARSE, count)); bin < count; bin++) {
    for (let kind = 0; kind < STATE_CLASSES; kind++) {
      let sum = 0;
      for (let i = 0; i < COARSE; i++) sum += bins[(bin * COARSE + i) * STATE_CLASSES + kind] ?? 0;
      coarse[bin * STATE_CLASSES + kind] = sum;
    }
  }
  // The next run is not taken for granted to be in the last one's bin: that bin is then known to have changed.
  [past.fineFrom, past.binToUs] = [Infinity, 0];
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

/** Takes what ended after `us` and was not taken yet: a recording of hours has but half a minute of it. */
function takeRecent(past: Past, lane: Lane, us: number): void {
  const { start: { data: start }, state: { data: state }, weight: { data: weight } } = lane;
  if (!lane.recent) past.recentSecond.fill(-1);
  for (let run = Math.max(lane.recent, lane.firstAfter(us)); run < lane.length; run++) {
    if (ACTIVE[state[run]!]) addRecent(past, Math.max(start[run]!, us), start[run]! + weight[run]!);
  }
  lane.recent = lane.length;
}

function addRecent(past: Past, start: number, end: number): void {
  let second = Math.max(0, Math.floor(start / 1e6));
  for (let from = start; from < end; second++) {
    const to = Math.min(end, (second + 1) * 1e6);
    const slot = second % RECENT_SLOTS;
    if (past.recentSecond[slot]! < second) {
      past.recentSecond[slot] = second;
      past.recent[slot] = 0;
    }
    if (past.recentSecond[slot] === second) past.recent[slot]! += to - from;
    from = to;
  }
}

function grown(bins: Float32Array<ArrayBuffer>, length: number): Float32Array<ArrayBuffer> {
  const wider = new Float32Array(STATE_CLASSES * Math.ceil(Math.max(length, 2 * bins.length) / STATE_CLASSES));
  wider.set(bins);
  return wider;
}
