/** From one selection to the next: folded in slices, in the memory of those before. */
import type { SelectedTree } from "./selection";
import { Slices } from "./slices";
import { Spares } from "./spares";

export class Folding {
  readonly slices = new Slices();
  readonly spares = new Spares();
  private pending: SelectedTree | null = null;

  /** Gives `next` where it is whole at once; else what was shown before, and calls `adopt` with `next` later. */
  fold(shown: SelectedTree, next: SelectedTree, adopt: (whole: SelectedTree) => void): SelectedTree {
    // One that was not whole yet is not waited for any more.
    this.pending?.release(this.spares);
    this.pending = next;
    const atOnce = this.slices.run(next.updating(), () => {
      this.pending = null;
      adopt(next);
    });
    if (!atOnce) return shown;
    this.pending = null;
    return next;
  }
}
