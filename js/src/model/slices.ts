/** A new selection of very many runs is folded in slices, so that the view answers meanwhile; the one before stays. */
import type { SelectedTree } from "./selection";

const SLICE_MS = 8;

export class Slices {
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether a selection is still being folded. */
  working = false;

  /** Gives `next` where it is whole at once; else what was shown before, and calls `done` with `next` later. */
  fold(before: SelectedTree, next: SelectedTree, done: (whole: SelectedTree) => void): SelectedTree {
    clearTimeout(this.timer);
    this.working = !next.update(performance.now() + SLICE_MS);
    if (!this.working) return next;
    const goOn = (): void => {
      this.working = !next.update(performance.now() + SLICE_MS);
      if (this.working) this.timer = setTimeout(goOn);
      else done(next);
    };
    this.timer = setTimeout(goOn);
    return before;
  }
}
