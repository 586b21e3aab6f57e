/** From one selection to the next: folded in slices; those that were looked at last are kept, for one goes back and forth. */
import type { SelectedTree } from "./selection";
import { Slices } from "./slices";
import { Spares } from "./spares";

/** How many are kept beside the one that is shown: fewer where they are large, whose memory goes to those that follow; two at least. */
const MOST = 8;
const KEPT_BYTES = 200e6;
const NODE_BYTES = 48;

export class Folding {
  readonly slices = new Slices();
  readonly spares = new Spares();
  /** By what they select, what was asked for last at the end; some are not whole. */
  private readonly kept = new Map<string, SelectedTree>();

  /** Keeps what is shown from now on, and nothing else. */
  begin(key: string, shown: SelectedTree): void {
    this.slices.stop();
    this.kept.clear();
    this.kept.set(key, shown);
  }

  /** Gives what `key` stands for where it is whole at once; else what was shown before, and calls `adopt` with it later. */
  fold(shown: SelectedTree, key: string, make: () => SelectedTree, adopt: (whole: SelectedTree) => void): SelectedTree {
    const { kept, slices, spares } = this;
    const next = kept.get(key) ?? make();
    kept.delete(key);
    kept.set(key, next);
    const most = Math.min(MOST, KEPT_BYTES / NODE_BYTES / next.tree.size);
    for (const [old, tree] of kept) {
      if (kept.size - 1 <= Math.max(2, most)) break;
      if (tree === shown || tree === next) continue;
      kept.delete(old);
      tree.release(spares);
    }
    return slices.run(next.updating(), () => adopt(next)) ? next : shown;
  }
}
