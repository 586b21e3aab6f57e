/** The hottest path: from the root along the heaviest child, as long as much of the time goes there. */
import type { CallTree } from "./tree";

/** Least share of its parent, and of the whole, that a step has. */
const OF_PARENT = 0.25;
const OF_WHOLE = 0.1;

export interface HotPath {
  /** From below the root to the last node. */
  readonly nodes: number[];
  /** Share of the root's weight that the last node has. */
  readonly share: number;
}

export function hottestPath(tree: CallTree, total: Float64Array): HotPath | null {
  const whole = total[0]!;
  if (!(whole > 0)) return null;
  const nodes: number[] = [];
  const next = tree.nextSibling.data;
  for (let at = 0; ; ) {
    let heaviest = -1;
    for (let child = tree.firstChild.data[at]!; child >= 0; child = next[child]!) {
      if (heaviest < 0 || total[child]! > total[heaviest]!) heaviest = child;
    }
    // The first step is taken always: threads stand side by side below the root.
    if (heaviest < 0 || (at !== 0 && total[heaviest]! < Math.max(OF_PARENT * total[at]!, OF_WHOLE * whole))) break;
    nodes.push(heaviest);
    at = heaviest;
  }
  const last = nodes.at(-1);
  return last === undefined ? null : { nodes, share: total[last]! / whole };
}
