/** What each thread's time was, in a range of time: whatever threads and states are selected. */
import type { Lane } from "./lane";
import type { Profile } from "./profile";
import { AWAKE, holdsGil, isActive } from "./state";

/** Time of one thread inside the range. */
export interface ThreadTime {
  seen: number;
  active: number;
  gil: number;
  /** Not idle. */
  awake: number;
  /** The newest run inside the range, among the thread's own. */
  lastRun: number;
}

export type Range = readonly [number, number] | null;
/** How many runs of each thread count: the others came after the view was paused. */
export type Limits = readonly number[] | null;

/** Runs after which others may have their turn. */
const MANY = 1 << 16;
const ACTIVE = 1;
const GIL = 2;
const WAKES = 4;
const KINDS = AWAKE.map((awake, state) => (isActive(state) ? ACTIVE : 0) | (holdsGil(state) ? GIL : 0) | (awake ? WAKES : 0));

export class ThreadTimes {
  threads: ThreadTime[] = [];
  /** Time with the GIL held, summed over threads. */
  gilUs = 0;
  /** The next run of each thread. */
  private next: number[] = [];
  private generation = 0;

  constructor(private readonly profile: Profile, private readonly range: Range) {}

  /** Takes what arrived since, a little at each step. */
  *steps(limits: Limits): Generator<void> {
    const { runs } = this.profile;
    if (this.generation !== runs.generation) {
      this.generation = runs.generation;
      [this.threads, this.next, this.gilUs] = [[], [], 0];
    }
    if (!this.range && !limits) {
      this.takeAll();
      return;
    }
    let before = 0;
    for (const lane of runs.lanes) {
      if (!lane) continue;
      const from = this.next[lane.thread] ?? lane.firstAfter(this.range?.[0] ?? -Infinity);
      const to = Math.min(lane.length, limits ? limits[lane.thread] ?? 0 : Infinity);
      this.next[lane.thread] = this.take(lane, from, to);
      before += this.next[lane.thread]! - from;
      if (before < MANY) continue;
      before = 0;
      yield;
    }
  }

  /** Where all of the time is wanted it is known already. */
  private takeAll(): void {
    const { activity, runs } = this.profile;
    this.gilUs = 0;
    for (const lane of runs.lanes) {
      const times = lane && activity.times(lane.thread);
      if (!times) continue;
      const { active, awake, gil, seen } = times;
      this.threads[lane.thread] = { seen, active, gil, awake, lastRun: lane.length - 1 };
      this.gilUs += gil;
    }
  }

  private take({ start: { data: start }, state: { data: state }, thread, weight: { data: weights } }: Lane, from: number, to: number): number {
    const { range } = this;
    const end = range ? range[1] : Infinity;
    let [seen, active, gil, awake, run] = [0, 0, 0, 0, from];
    for (; run < to && start[run]! < end; run++) {
      let weight = weights[run]!;
      if (range) weight = Math.min(start[run]! + weight, end) - Math.max(start[run]!, range[0]);
      const kind = KINDS[state[run]!]!;
      seen += weight;
      if (kind & ACTIVE) active += weight;
      if (kind & GIL) gil += weight;
      if (kind & WAKES) awake += weight;
    }
    if (run <= from) return from;
    const time = (this.threads[thread] ??= { seen: 0, active: 0, gil: 0, awake: 0, lastRun: 0 });
    time.seen += seen;
    time.active += active;
    time.gil += gil;
    time.awake += awake;
    time.lastRun = run - 1;
    this.gilUs += gil;
    return run;
  }
}

const ofAllTime = new WeakMap<Profile, ThreadTimes>();

/** Gives the times of a range; those of all time are kept, because every other selection of threads asks for them. */
export function threadTimes(profile: Profile, range: Range, limits: Limits): ThreadTimes {
  if (range || limits) return new ThreadTimes(profile, range);
  let times = ofAllTime.get(profile);
  if (!times) ofAllTime.set(profile, (times = new ThreadTimes(profile, null)));
  return times;
}

/** Who is awake for less than one part of so many is idle: a thread that only looks now and then whether there is work. */
const SELDOM = 100;

/** Whether that is a thread's time; `times` as much must be, where it is asked for. */
export const isIdle = (time: Pick<ThreadTime, "awake" | "seen"> | null, times = 1): boolean => !time?.awake || time.awake * SELDOM * times < time.seen;

/**
 * Threads that were idle nearly all of the time; none where all were: then nothing else is to be seen. Those that `stay`
 * are idle at half of the share: one at the limit would come and go while samples arrive, and all the chart move with it.
 */
export function idleThreads(threads: readonly ThreadTime[], stay: (thread: number) => boolean): ReadonlySet<number> {
  const idle = new Set<number>();
  let count = 0;
  threads.forEach((time, thread) => {
    count++;
    if (isIdle(time, stay(thread) ? 2 : 1)) idle.add(thread);
  });
  return idle.size < count ? idle : new Set();
}

/** The thread that was active most. */
export function busiestThread(threads: readonly ThreadTime[], leftOut: ReadonlySet<number>): number {
  let [busiest, most] = [0, -1];
  threads.forEach(({ active }, thread) => {
    if (active > most && !leftOut.has(thread)) [busiest, most] = [thread, active];
  });
  return busiest;
}
