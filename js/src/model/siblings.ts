/**
 * The children of a node in the order in which they are drawn, and where each begins. What was asked for is kept as
 * long as the weights are the same: a picture that is panned or zoomed asks for the same again in every frame.
 */
import type { Order } from "./layout";
import type { CallTree } from "./tree";

export interface Siblings {
  /** Children with weight. */
  readonly nodes: Int32Array;
  /** Left edges from the parent's own, in the unit of the weights; one more than nodes. */
  readonly edges: Float64Array;
}

interface Known {
  readonly size: number;
  readonly whole: number;
  readonly order: Order;
  readonly of: Map<number, Siblings>;
}

const NONE: Siblings = { nodes: new Int32Array(0), edges: new Float64Array(1) };
const ONE: Siblings = { nodes: new Int32Array(1), edges: new Float64Array(2) };
const known = new WeakMap<Float64Array, Known>();

/** Gives the children of `node`. Weights grow: with the same whole and as many nodes they are the same. */
export function siblings(tree: CallTree, total: Float64Array, node: number, order: Order): Siblings {
  const first = tree.firstChild.data[node]!;
  if (first < 0) return NONE;
  if (tree.nextSibling.data[first]! < 0) {
    // Chains of only children are most of a tree: whoever asks is done with the one before.
    ONE.nodes[0] = first;
    ONE.edges[1] = total[first]!;
    return ONE.edges[1] > 0 ? ONE : NONE;
  }
  let kept = known.get(total);
  if (!kept || kept.size !== tree.size || kept.whole !== total[0] || kept.order !== order) {
    known.set(total, (kept = { size: tree.size, whole: total[0]!, order, of: new Map() }));
  }
  let found = kept.of.get(node);
  if (!found) kept.of.set(node, (found = arranged(tree, total, node, order)));
  return found;
}

/** Forgets what is kept of weights whose memory others will use. */
export const forget = (total: Float64Array): boolean => known.delete(total);

function arranged(tree: CallTree, total: Float64Array, node: number, order: Order): Siblings {
  const next = tree.nextSibling.data;
  let count = 0;
  for (let child = tree.firstChild.data[node]!; child >= 0; child = next[child]!) if (total[child]! > 0) count++;
  const nodes = new Int32Array(count);
  let at = 0;
  for (let child = tree.firstChild.data[node]!; child >= 0; child = next[child]!) if (total[child]! > 0) nodes[at++] = child;
  // Equal weights keep the order of appearance: children that came later have higher numbers.
  if (order === "heavy") nodes.sort((a, b) => total[b]! - total[a]! || a - b);
  const edges = new Float64Array(count + 1);
  for (let i = 0; i < count; i++) edges[i + 1] = edges[i]! + total[nodes[i]!]!;
  return { nodes, edges };
}
