/**
 * The timeline's lanes: a thread's own, the busiest first, or one for all that are idle. Both follow from the whole
 * session, not from the part of it that is selected: else lanes would change places below the brush that selects.
 */
import type { Profile } from "./profile";
import type { Settings } from "./settings";
import { MARGIN, steadyOrder } from "./thread-order";
import { isIdle } from "./thread-times";

/** Stands for the lane that idle threads share. */
export const IDLERS = -1;

export class LaneOrder {
  /** Threads from the top down; `IDLERS` last where there is such a lane. */
  lanes: readonly number[] = [];
  /** Threads that share a lane. */
  idlers: readonly number[] = [];
  private order: readonly number[] = [];
  private asked = "";

  constructor(private readonly profile: Profile) {}

  /** Takes what arrived since. `held`: what is there stays where it is, unless the settings ask for it. */
  update({ idlers, mode, threads }: Settings, held: boolean): void {
    const { activity, end, threads: all } = this.profile;
    const share = (thread: number): number => {
      const times = activity.times(thread);
      return times && times.seen > 0 ? times.active / times.seen : 0;
    };
    this.order = steadyOrder(this.order, all.map(({ id }) => id), share, held ? Infinity : MARGIN);
    const wanted = idlers && mode !== "idle";
    const asked = JSON.stringify([wanted, threads]);
    const [had, shared] = [new Set(this.lanes), new Set(this.idlers)];
    const stays = held && asked === this.asked;
    this.asked = asked;
    const folds = (thread: number): boolean => {
      if (!wanted || threads.includes(thread)) return false;
      if (stays && (had.has(thread) || shared.has(thread))) return shared.has(thread);
      // While it goes on, one at the border does not come and go.
      return isIdle(activity.times(thread), had.has(thread) && !end ? 2 : 1);
    };
    const idle = this.order.filter(folds);
    // One alone takes no more room than a lane for all; where all are idle there is nothing else to see.
    this.idlers = idle.length > 1 && idle.length < this.order.length ? idle : [];
    const away = new Set(this.idlers);
    this.lanes = away.size ? [...this.order.filter((thread) => !away.has(thread)), IDLERS] : this.order;
  }
}
