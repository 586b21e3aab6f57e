/** What the timeline shows: which part of the time of each column went to which state, and where the axis is marked. */
import type { Activity } from "../model/activity";
import type { Profile } from "../model/profile";
import { classOf, STATE_CLASSES, StateClass } from "../model/state";

interface Columns {
  readonly of: string;
  readonly times: Float32Array;
}

/** What was drawn last of each lane: while one drags over the timeline it is drawn in every frame. */
const drawnLast = new WeakMap<Profile, Map<number, Columns>>();

/** The times of a lane's threads, or what they were where nothing has changed: then the same array. */
export function rememberedTimes(profile: Profile, lane: number, threads: readonly number[], fromUs: number, toUs: number, columns: number): Float32Array {
  let lanes = drawnLast.get(profile);
  if (!lanes) drawnLast.set(profile, (lanes = new Map<number, Columns>()));
  const { runs } = profile;
  const of = [runs.generation, ...threads.map((thread) => runs.of(thread)?.length), fromUs, toUs, columns].join();
  let last = lanes.get(lane);
  if (last?.of !== of) {
    const times = threads.length === 1 ? columnTimes(profile, threads[0]!, fromUs, toUs, columns) : sharedTimes(profile, threads, fromUs, toUs, columns);
    lanes.set(lane, (last = { of, times }));
  }
  return last.times;
}

/** What any of the threads does, one upon the other: a lane is full where one of them works all the time. */
function sharedTimes(profile: Profile, threads: readonly number[], fromUs: number, toUs: number, columns: number): Float32Array {
  const sum = new Float32Array(columns * STATE_CLASSES);
  for (const thread of threads) {
    // Most of them do nothing at all.
    if (profile.activity.times(thread)?.awake) columnTimes(profile, thread, fromUs, toUs, columns).forEach((us, i) => (sum[i]! += us));
  }
  const end = Math.min(columns, Math.ceil(((profile.endUs - fromUs) / (toUs - fromUs)) * columns));
  for (let column = 0; column < end; column++) sum[column * STATE_CLASSES + StateClass.IDLE]! += 1;
  return sum;
}

/** Time per state for each of `columns` equal parts of [fromUs, toUs): `[column * STATE_CLASSES + class]`. */
export function columnTimes(profile: Profile, thread: number, fromUs: number, toUs: number, columns: number): Float32Array {
  const times = new Float32Array(columns * STATE_CLASSES);
  const columnUs = (toUs - fromUs) / columns;
  if (!(columnUs > 0)) return times;
  if (columnUs >= profile.activity.binUs) fromBins(profile.activity, thread, fromUs, columnUs, columns, times);
  else fromRuns(profile, thread, fromUs, toUs, columnUs, times);
  return times;
}

function fromBins(
  activity: Activity, thread: number, fromUs: number, columnUs: number, columns: number, times: Float32Array,
): void {
  const found = activity.bins(thread, columnUs);
  if (!found) return;
  const { binUs, times: bins } = found;
  const first = Math.max(0, Math.floor(fromUs / binUs));
  const end = Math.min(bins.length / STATE_CLASSES, Math.ceil((fromUs + columns * columnUs) / binUs));
  for (let bin = first; bin < end; bin++) {
    const start = (bin * binUs - fromUs) / columnUs;
    const stop = ((bin + 1) * binUs - fromUs) / columnUs;
    // A bin that lies across the border of two columns is shared out between them.
    for (let column = Math.max(0, Math.floor(start)); column < Math.min(columns, stop); column++) {
      const part = (Math.min(stop, column + 1) - Math.max(start, column)) / (stop - start);
      for (let kind = 0; kind < STATE_CLASSES; kind++) {
        times[column * STATE_CLASSES + kind]! += part * bins[bin * STATE_CLASSES + kind]!;
      }
    }
  }
}

function fromRuns(
  profile: Profile, thread: number, fromUs: number, toUs: number, columnUs: number, times: Float32Array,
): void {
  const lane = profile.runs.of(thread);
  if (!lane) return;
  const { start, weight, state } = lane;
  for (let run = lane.firstAfter(fromUs); run < lane.length; run++) {
    if (start.data[run]! >= toUs) break;
    const kind = classOf(state.data[run]!);
    const end = Math.min(toUs, start.data[run]! + weight.data[run]!);
    let at = Math.max(fromUs, start.data[run]!);
    for (let column = Math.floor((at - fromUs) / columnUs); at < end; column++) {
      const next = Math.min(end, fromUs + (column + 1) * columnUs);
      const index = column * STATE_CLASSES + kind;
      if (index >= times.length) break;
      times[index]! += next - at;
      at = next;
    }
  }
}

/** Times to mark on the axis: 1, 2 or 5 times a power of ten, at least `minPx` apart. */
export function ticks(fromUs: number, toUs: number, widthPx: number, minPx: number): number[] {
  const span = toUs - fromUs;
  if (!(span > 0) || widthPx < minPx) return [];
  const least = (span * minPx) / widthPx;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((n) => n * power).find((candidate) => candidate >= least)!;
  const times: number[] = [];
  for (let at = Math.ceil(fromUs / step) * step; at <= toUs; at += step) times.push(at);
  return times;
}
