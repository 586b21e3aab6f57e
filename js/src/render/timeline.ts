/**
 * Paints the timeline: a lane per thread, each pixel column showing which part of its time went to which
 * state. Heights carry the same message as colours, and waiting and GC are hatched.
 */
import type { Activity } from "../model/activity";
import type { Profile } from "../model/profile";
import { classOf, STATE_CLASSES, StateClass } from "../model/state";

export interface TimelinePicture {
  readonly profile: Profile;
  readonly left: number;
  readonly widthPx: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly lanes: readonly { readonly thread: number; readonly top: number; readonly height: number; readonly dim: boolean }[];
  /** Fills in the order of `StateClass`. */
  readonly fills: readonly (string | CanvasPattern)[];
}

/** Bottom to top inside a lane. */
const STACKING = [StateClass.GIL, StateClass.RUNNING, StateClass.GC, StateClass.GIL_WAIT] as const;

interface Columns {
  readonly of: string;
  readonly times: Float32Array;
}

/** What was drawn last of each thread: while one drags over the timeline it is drawn in every frame. */
const drawnLast = new WeakMap<Profile, Columns[]>();

function rememberedTimes(profile: Profile, thread: number, fromUs: number, toUs: number, columns: number): Float32Array {
  let lanes = drawnLast.get(profile);
  if (!lanes) drawnLast.set(profile, (lanes = []));
  const of = [profile.runs.generation, profile.activity.runsOf(thread)?.length, fromUs, toUs, columns].join();
  if (lanes[thread]?.of !== of) lanes[thread] = { of, times: columnTimes(profile, thread, fromUs, toUs, columns) };
  return lanes[thread]!.times;
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
  const bins = activity.bins(thread);
  if (!bins) return;
  const { binUs } = activity;
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
  const runs = profile.activity.runsOf(thread);
  if (!runs) return;
  const { start, weight, state } = profile.runs;
  let low = profile.activity.firstAfter(thread, fromUs);
  for (; low < runs.length; low++) {
    const run = runs.data[low]!;
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

export function paintLanes(ctx: CanvasRenderingContext2D, picture: TimelinePicture): void {
  const columns = Math.max(0, Math.floor(picture.widthPx));
  if (!columns) return;
  const columnUs = (picture.toUs - picture.fromUs) / columns;
  const lanes = picture.lanes.map((lane) => ({
    ...lane, times: rememberedTimes(picture.profile, lane.thread, picture.fromUs, picture.toUs, columns),
  }));
  for (const dim of [false, true]) {
    const drawn = lanes.filter((lane) => lane.dim === dim);
    if (!drawn.length) continue;
    ctx.globalAlpha = dim ? 0.35 : 1;
    fillIdle(ctx, picture, drawn, columns);
    for (const kind of STACKING) {
      ctx.fillStyle = picture.fills[kind]!;
      for (const lane of drawn) stackState(ctx, picture.left, lane, kind, columns, columnUs);
    }
  }
  ctx.globalAlpha = 1;
}

interface Lane {
  readonly top: number;
  readonly height: number;
  readonly times: Float32Array;
}

/** A thread that was there has a light band behind everything, from its first to its last sample. */
function fillIdle(ctx: CanvasRenderingContext2D, picture: TimelinePicture, lanes: readonly Lane[], columns: number): void {
  ctx.fillStyle = picture.fills[StateClass.IDLE]!;
  for (const { times, top, height } of lanes) {
    let from = -1;
    for (let column = 0; column <= columns; column++) {
      let seen = false;
      for (let kind = 0; kind < STATE_CLASSES && column < columns; kind++) seen ||= times[column * STATE_CLASSES + kind]! > 0;
      if (seen && from < 0) from = column;
      if (!seen && from >= 0) {
        ctx.fillRect(picture.left + from, top, column - from, height);
        from = -1;
      }
    }
  }
}

function stackState(
  ctx: CanvasRenderingContext2D, left: number, lane: Lane, kind: number, columns: number, columnUs: number,
): void {
  const { times, top, height } = lane;
  const place = STACKING.indexOf(kind as (typeof STACKING)[number]);
  let from = 0;
  let bottom = 0;
  let tall = 0;
  for (let column = 0; column <= columns; column++) {
    let below = 0;
    let own = 0;
    if (column < columns) {
      const at = column * STATE_CLASSES;
      for (let i = 0; i < place; i++) below += times[at + STACKING[i]!]!;
      own = Math.min(1, times[at + kind]! / columnUs);
      below = Math.min(1, below / columnUs);
    }
    const nextTall = Math.round(height * Math.min(1, below + own) * 2) / 2 - Math.round(height * below * 2) / 2;
    const nextBottom = Math.round(height * below * 2) / 2;
    if (nextTall === tall && nextBottom === bottom) continue;
    // Equal neighbours become one rectangle.
    if (tall > 0) ctx.fillRect(left + from, top + height - bottom - tall, column - from, tall);
    from = column;
    tall = nextTall;
    bottom = nextBottom;
  }
  if (tall > 0) ctx.fillRect(left + from, top + height - bottom - tall, columns - from, tall);
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
