/**
 * Time in each state per thread, in equal bins of time: what the timeline draws when a pixel covers many runs.
 * Past `MAX_BINS` the bins double in width, so memory is bounded however long the session.
 */
import type { Column } from "./column";
import { u32 } from "./column";
import { classOf, isActive, STATE_CLASSES } from "./state";

const MAX_BINS = 2048;
const FIRST_BIN_US = 5000;
/** Buckets of one second for the sparkline of the last half minute. */
export const RECENT_SECONDS = 30;

class Lane {
  /** `bins[bin * STATE_CLASSES + class]` = us. */
  bins = new Float32Array(64 * STATE_CLASSES);
  /** The thread's runs, in the order of time. */
  readonly runs: Column<Uint32Array> = u32();
  readonly recent = new Float32Array(RECENT_SECONDS + 2);
  readonly recentSecond = new Int32Array(RECENT_SECONDS + 2).fill(-1);
}

export class Activity {
  binUs = FIRST_BIN_US;
  private readonly lanes: Lane[] = [];

  add(thread: number, run: number, startUs: number, weightUs: number, state: number): void {
    const lane = (this.lanes[thread] ??= new Lane());
    const end = startUs + weightUs;
    while (end >= this.binUs * MAX_BINS) this.halveResolution();
    lane.runs.push(run);
    const kind = classOf(state);
    this.spread(startUs, end, this.binUs, (bin, us) => {
      const at = bin * STATE_CLASSES + kind;
      if (at >= lane.bins.length) lane.bins = grown(lane.bins, at + 1);
      lane.bins[at]! += us;
    });
    if (isActive(state)) this.addRecent(lane, Math.max(startUs, end - RECENT_SECONDS * 1e6), end);
  }

  /** The thread's bins (`bin * STATE_CLASSES + class` -> us); shorter than the session where it was not seen. */
  bins(thread: number): Float32Array | null {
    return this.lanes[thread]?.bins ?? null;
  }

  /** The thread's runs in the order of time. */
  runsOf(thread: number): Column<Uint32Array> | null {
    return this.lanes[thread]?.runs ?? null;
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
      const slot = second % lane.recent.length;
      // The second that runs now is not whole yet: its share is of the part that has passed.
      const span = second === last ? Math.max(1, endUs - second * 1e6) : 1e6;
      if (lane.recentSecond[slot] === second) into[i] = Math.min(1, lane.recent[slot]! / span);
    }
    return into;
  }

  private addRecent(lane: Lane, start: number, end: number): void {
    this.spread(start, end, 1e6, (second, us) => {
      const slot = second % lane.recent.length;
      if (lane.recentSecond[slot]! > second) return;
      if (lane.recentSecond[slot] !== second) {
        lane.recentSecond[slot] = second;
        lane.recent[slot] = 0;
      }
      lane.recent[slot]! += us;
    });
  }

  private spread(start: number, end: number, width: number, put: (bin: number, us: number) => void): void {
    let bin = Math.max(0, Math.floor(start / width));
    for (let from = start; from < end; bin++) {
      const to = Math.min(end, (bin + 1) * width);
      put(bin, to - from);
      from = to;
    }
  }

  private halveResolution(): void {
    this.binUs *= 2;
    for (const lane of this.lanes) {
      if (!lane) continue;
      const { bins } = lane;
      const half = Math.ceil(bins.length / (2 * STATE_CLASSES));
      for (let bin = 0; bin < half; bin++) {
        for (let kind = 0; kind < STATE_CLASSES; kind++) {
          const from = 2 * bin * STATE_CLASSES + kind;
          bins[bin * STATE_CLASSES + kind] = bins[from]! + (bins[from + STATE_CLASSES] ?? 0);
        }
      }
      bins.fill(0, half * STATE_CLASSES);
    }
  }
}

function grown(bins: Float32Array<ArrayBuffer>, length: number): Float32Array<ArrayBuffer> {
  const wider = new Float32Array(STATE_CLASSES * Math.ceil(Math.max(length, 2 * bins.length) / STATE_CLASSES));
  wider.set(bins);
  return wider;
}
