/** What most of a frame's time is: which state, which thread. For colours; made anew when the weights change. */
import type { Scene } from "./scene";
import type { SelectedTree } from "./selection";
import { classOf } from "./state";

export class Tinting {
  /** Node of the selected tree -> what most of its total time is; 255 = unknown. */
  private readonly ofNode: Uint8Array;
  private readonly ofKey = new Map<number, number>();

  /** `kind`: states as their classes, or threads by their ids modulo `colors`. */
  constructor(private readonly selected: SelectedTree, kind: "state" | "thread", colors: number) {
    const { profile, tree, weights } = selected;
    const { runs } = profile;
    const size = tree.size;
    const groups = kind === "state" ? colors : Math.max(1, Math.min(255, profile.threads.length));
    const best = new Float64Array(size);
    this.ofNode = new Uint8Array(size).fill(255);
    const byGroup = new Map<number, Float64Array>();
    for (const lane of runs.lanes) {
      if (!lane || !selected.has(lane.thread)) continue;
      for (let run = 0; run < lane.length; run++) {
        const node = selected.nodeOfRun(lane, run);
        if (node < 0) continue;
        const group = kind === "state" ? classOf(lane.state.data[run]!) : lane.thread % groups;
        let sums = byGroup.get(group);
        if (!sums) byGroup.set(group, (sums = new Float64Array(size)));
        sums[node]! += lane.weight.data[run]!;
      }
    }
    for (const [group, sums] of [...byGroup].sort((a, b) => a[0] - b[0])) {
      for (let node = size - 1; node > 0; node--) sums[tree.parent.data[node]!]! += sums[node]!;
      for (let node = 0; node < size; node++) {
        if (sums[node]! <= best[node]!) continue;
        best[node] = sums[node]!;
        this.ofNode[node] = group;
      }
    }
    const heaviest = new Map<number, number>();
    for (let node = 1; node < size; node++) {
      const key = tree.key.data[node]!;
      if (!(weights.total[node]! > (heaviest.get(key) ?? 0))) continue;
      heaviest.set(key, weights.total[node]!);
      this.ofKey.set(key, this.ofNode[node]!);
    }
  }

  /** The state or thread of a scene's node: where its tree is another than the selected one, its function's. */
  of(scene: Scene, node: number): number {
    return scene.tree === this.selected.tree ? (this.ofNode[node] ?? 255) : (this.ofKey.get(scene.tree.key.data[node]!) ?? 255);
  }
}
