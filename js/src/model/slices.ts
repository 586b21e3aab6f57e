/** Work that would keep the view from answering is done in slices; what was shown before stays meanwhile. */

/** With what a frame has to do beside it, two fit in one. */
const SLICE_MS = 4;

/**
 * Calls `task` when the browser has had its turn: timers would wait 4 ms each, after the first few. Gives a function that calls
 * it off. Tests put another in its place.
 */
export const turns = {
  after(task: () => void): () => void {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (): void => {
      port1.close();
      task();
    };
    port2.postMessage(null);
    return () => port1.close();
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
    const until = performance.now() + SLICE_MS;
    while (!steps.next().done) {
      if (performance.now() < until) continue;
      this.callOff = turns.after(() => {
        this.callOff = null;
        if (this.run(steps, done)) done();
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
