/** What a thread was doing at a sample, as one of five words. */
import { State } from "../stream";

/** Order of the classes everywhere: index into weights, colours and words. */
export const StateClass = { IDLE: 0, RUNNING: 1, GIL: 2, GIL_WAIT: 3, GC: 4 } as const;
export const STATE_CLASSES = 5;
export const STATE_WORDS = ["idle", "running", "holds GIL", "waits for GIL", "GC"] as const;

/** The class of each state. */
export const CLASS_OF = Uint8Array.from({ length: 256 }, (_, bits) => {
  if (bits & State.GC) return StateClass.GC;
  if (bits & State.GIL) return StateClass.GIL;
  if (bits & State.GIL_WAIT) return StateClass.GIL_WAIT;
  return bits & State.ACTIVE ? StateClass.RUNNING : StateClass.IDLE;
});

export const classOf = (state: number): number => CLASS_OF[state & 255]!;

/** True where the thread runs or holds the GIL; the same rule as `ACTIVE_STATES` of nbspy/model/selection.py. */
export const isActive = (state: number): boolean => (state & (State.ACTIVE | State.GIL)) !== 0;
/** 1 for each state that is active: for loops over many runs. */
export const ACTIVE = Uint8Array.from({ length: 256 }, (_, state) => Number(isActive(state)));
/** 1 for each state that is not idle: a thread that waits for the GIL, too, wants to run. The same rule as `AWAKE_STATES` of nbspy/model/selection.py. */
export const AWAKE = CLASS_OF.map((kind) => Number(kind !== StateClass.IDLE));
export const holdsGil = (state: number): boolean => (state & State.GIL) !== 0;
