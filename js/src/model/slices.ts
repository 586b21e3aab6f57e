/** Work that would keep the view from answering is done in slices; what was shown before stays meanwhile. */

/** Taken at once; what is not done by then has a part of each frame that follows. */
const FIRST_MS = 2;
/** When work ends, from the beginning of its frame: with the picture before it and an event after it, all fits into one of 60 a second. */
const FRAME_MS = 9;
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
  run(steps: Iterator<void>, done: () => void, untilMs = performance.now() + FIRST_MS): boolean {
    this.stop();
    while (!steps.next().done) {
      if (performance.now() < untilMs) continue;
      this.callOff = turns.after((until) => {
        this.callOff = null;
        if (this.run(steps, done, until)) done();
      });
      return false;
    }
    return true;
  }

  stop(): void {
    this.callOff?.();
    this.callOff = null;
  }
}
