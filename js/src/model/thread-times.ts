/** What each thread's time was, in a range of time: whatever threads and states are selected. */
import type { Profile } from "./profile";
import { holdsGil, isActive } from "./state";

/** Time of one thread inside the range. */
export interface ThreadTime {
  seen: number;
  active: number;
  gil: number;
  /** The newest run inside the range. */
  lastRun: number;
}

export type Range = readonly [number, number] | null;

const STATES = 256;
/** Runs after which others may have their turn. */
const MANY = 1 << 16;
const ACTIVE = 1;
const GIL = 2;
const KINDS = Uint8Array.from({ length: 256 }, (_, state) => (isActive(state) ? ACTIVE : 0) | (holdsGil(state) ? GIL : 0));

export class ThreadTimes {
  threads: ThreadTime[] = [];
  /** Time with the GIL held, summed over threads. */
  gilUs = 0;
  /** The next run of each thread, by its place among the thread's own. */
  private next: number[] = [];
  /** Where all of the time is wanted: all runs before it are taken, times by thread and state, and each thread's last run. */
  private taken = 0;
  private sums = new Float64Array(0);
  private last = new Int32Array(0);
  private generation = 0;

  constructor(private readonly profile: Profile, private readonly range: Range) {}

  /** Takes what arrived since, a little at each step; runs from `limit` on are left for later. */
  *steps(limit: number): Generator<void> {
    const { activity, runs, threads } = this.profile;
    if (this.generation !== runs.generation) {
      this.generation = runs.generation;
      [this.threads, this.next, this.gilUs, this.taken] = [[], [], 0, 0];
      [this.sums, this.last] = [new Float64Array(0), new Int32Array(0)];
    }
    if (!this.range) {
      this.takeAll(Math.min(runs.length, limit));
      return;
    }
    let before = 0;
    for (let thread = 0; thread < threads.length; thread++) {
      const lane = activity.runsOf(thread);
      if (!lane) continue;
      const from = this.next[thread] ?? activity.firstAfter(thread, this.range?.[0] ?? -Infinity);
      this.next[thread] = this.take(thread, lane.data, from, lane.length, limit);
      before += this.next[thread]! - from;
      if (before < MANY) continue;
      before = 0;
      yield;
    }
  }

  /** Takes all runs that are new in the order in which they came: by threads each would be a leap through memory. */
  private takeAll(to: number): void {
    const { threads, profile: { runs, threads: { length } } } = this;
    if (this.sums.length < length * STATES) {
      const wider = new Float64Array(2 * length * STATES);
      wider.set(this.sums);
      this.sums = wider;
      this.last = Int32Array.from({ length: 2 * length }, (_, thread) => this.last[thread] ?? -1);
    }
    const { last, sums } = this;
    addByState(sums, last, this.taken, to, runs.thread.data, runs.state.data, runs.weight.data);
    this.taken = to;
    this.gilUs = 0;
    for (let thread = 0; thread < length; thread++) {
      if (last[thread]! < 0) continue;
      const time = (threads[thread] = { seen: 0, active: 0, gil: 0, lastRun: last[thread]! });
      for (let state = 0; state < STATES; state++) {
        const us = sums[thread * STATES + state]!;
        time.seen += us;
        if (KINDS[state]! & ACTIVE) time.active += us;
        if (KINDS[state]! & GIL) time.gil += us;
      }
      this.gilUs += time.gil;
    }
  }

  private take(thread: number, lane: Uint32Array, from: number, to: number, limit: number): number {
    const { range, profile: { runs: { start: { data: start }, state: { data: state }, weight: { data: weights } } } } = this;
    const end = range ? range[1] : Infinity;
    let [seen, active, gil, at] = [0, 0, 0, from];
    for (; at < to; at++) {
      const run = lane[at]!;
      if (run >= limit || start[run]! >= end) break;
      let weight = weights[run]!;
      if (range) weight = Math.min(start[run]! + weight, end) - Math.max(start[run]!, range[0]);
      const kind = KINDS[state[run]!]!;
      seen += weight;
      if (kind & ACTIVE) active += weight;
      if (kind & GIL) gil += weight;
    }
    if (at === from) return at;
    const time = (this.threads[thread] ??= { seen: 0, active: 0, gil: 0, lastRun: 0 });
    time.seen += seen;
    time.active += active;
    time.gil += gil;
    time.lastRun = lane[at - 1]!;
    this.gilUs += gil;
    return at;
  }
}

/** Apart from what calls it: millions of runs go through here when a recording is opened. */
function addByState(
  sums: Float64Array, last: Int32Array, from: number, to: number, threads: Uint32Array, states: Uint8Array, weights: Uint32Array,
): void {
  for (let run = from; run < to; run++) {
    const thread = threads[run]!;
    sums[thread * STATES + states[run]!]! += weights[run]!;
    last[thread] = run;
  }
}

const ofAllTime = new WeakMap<Profile, ThreadTimes>();

/** Gives the times of a range; those of all time are kept, because every other selection of threads asks for them. */
export function threadTimes(profile: Profile, range: Range, limit: number): ThreadTimes {
  if (range || limit < Infinity) return new ThreadTimes(profile, range);
  let times = ofAllTime.get(profile);
  if (!times) ofAllTime.set(profile, (times = new ThreadTimes(profile, null)));
  return times;
}
