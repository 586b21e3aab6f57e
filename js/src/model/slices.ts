/** Work that would keep the view from answering is done in slices; what was shown before stays meanwhile. */

const SLICE_MS = 6;

export class Slices {
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether something is still being worked at. */
  working = false;

  /** Ends what is being worked at, and works at `steps`; true where they are done at once, else `done` is called later. */
  run(steps: Iterator<void>, done: () => void): boolean {
    this.stop();
    const until = performance.now() + SLICE_MS;
    while (!steps.next().done) {
      if (performance.now() < until) continue;
      this.working = true;
      this.timer = setTimeout(() => {
        if (this.run(steps, done)) done();
      });
      return false;
    }
    return true;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.working = false;
  }
}
