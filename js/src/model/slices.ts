/** Work that would keep the view from answering is done in slices; what was shown before stays meanwhile. */

/** Taken at once; what is not done by then has a part of each frame that follows. */
const FIRST_MS = 1;
/** When work ends, from the beginning of its frame: with the picture before it and an event after it, all fits into one of 60 a second. */
const FRAME_MS = 12;
/** However long the picture took. */
const LEAST_MS = 2;

/** Calls `task` when the next frame is painted, with the time by which it should be done; gives a function that calls it off. Tests put another in its place. */
export const turns = {
  after(task: (untilMs: number) => void): () => void {
    let timer = 0;
    const frame = requestAnimationFrame((begun) => {
      timer = window.setTimeout(() => task(Math.max(begun + FRAME_MS, performance.now() + LEAST_MS)));
    });
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  },
};

export class Slices {
  private callOff: (() => void) | null = null;
  /** Whether something is still being worked at. */
  get working(): boolean {
    return this.callOff !== null;
  }

  /** Ends what is being worked at, and works at `steps`; true where they are done at once, else `done` is called later. */
  run(steps: Iterator<void>, done: () => void): boolean {
    this.stop();
    const whole = work(steps, performance.now() + FIRST_MS);
    if (!whole) this.goOn(steps, done);
    return whole;
  }

  private goOn(steps: Iterator<void>, done: () => void): void {
    this.callOff = turns.after((untilMs) => {
      // Asked for before: the browser makes ready for the next frame meanwhile.
      this.goOn(steps, done);
      let goesOn = false;
      try {
        goesOn = !work(steps, untilMs);
      } finally {
        if (!goesOn) this.stop();
      }
      if (!goesOn) done();
    });
  }

  stop(): void {
    this.callOff?.();
    this.callOff = null;
  }
}

/** Takes steps until that time; true where they are done. */
function work(steps: Iterator<void>, untilMs: number): boolean {
  while (!steps.next().done) if (performance.now() >= untilMs) return false;
  return true;
}
