/** Self and total per function, and a function's callers and callees, over a merged call tree. */
import type { Change } from "./compare";
import type { Seeds } from "./invert";
import { Weights } from "./weights";
import { isPackageKey } from "./shape";
import { CallTree } from "./tree";

export interface FunctionRow {
  readonly key: number;
  self: number;
  total: number;
  selfSamples: number;
  samples: number;
  /** How its shares differ from another profile's, where one is compared with. */
  change?: Change;
}

/**
 * Calls `visit` for each node with weight, below the root, in depth-first order; `nested` is true where its key
 * stands on the way to it already. Without recursion: stacks of ten thousand frames are ordinary.
 */
function walk(tree: CallTree, total: Float64Array, visit: (node: number, nested: boolean) => void): void {
  const { firstChild: { data: first }, nextSibling: { data: next }, key: { data: keys }, parent: { data: parents } } = tree;
  const open = new Map<number, number>();
  let node = first[0]!;
  while (node > 0) {
    const key = keys[node]!;
    const count = open.get(key) ?? 0;
    if (total[node]! > 0) {
      visit(node, count > 0);
      if (first[node]! >= 0) {
        open.set(key, count + 1);
        node = first[node]!;
        continue;
      }
    }
    while (next[node]! < 0) {
      node = parents[node]!;
      if (node === 0) return;
      open.set(keys[node]!, open.get(keys[node]!)! - 1);
    }
    node = next[node]!;
  }
}

/** Nodes that are looked at one by one from each that has been looked for. */
const NEAR = 64;

/** A function in all of its places: how many, and the time in it; a stack counts once, however often it recurs. */
export function everywhere({ key: { data: keys }, parent: { data: parents }, size }: CallTree, { total }: Weights, key: number): { places: number; total: number } {
  const sum = { places: 0, total: 0 };
  // The engine looks for the next faster than we do where there are few, and slower where there are many.
  for (let from = keys.indexOf(key, 1); from > 0 && from < size; from = keys.indexOf(key, from)) {
    for (const end = Math.min(size, from + NEAR); from < end; from++) {
      if (keys[from] !== key || !(total[from]! > 0)) continue;
      let above = parents[from]!;
      while (above > 0 && keys[above] !== key) above = parents[above]!;
      sum.places++;
      if (above === 0) sum.total += total[from]!;
    }
  }
  return sum;
}

/** One row for each function, most self time first. A stack counts once for a function, however often it recurs. */
export function functionRows(tree: CallTree, weights: Weights): FunctionRow[] {
  const rows = new Map<number, FunctionRow>();
  const { self, selfSamples, samples, total } = weights;
  walk(tree, total, (node, nested) => {
    const key = tree.key.data[node]!;
    let row = rows.get(key);
    if (!row) rows.set(key, (row = { key, self: 0, total: 0, selfSamples: 0, samples: 0 }));
    row.self += self[node]!;
    row.selfSamples += selfSamples[node]!;
    if (nested) return;
    row.total += total[node]!;
    row.samples += samples[node]!;
  });
  return [...rows.values()].sort((a, b) => b.self - a.self || b.total - a.total || a.key - b.key);
}

/** The key of the function with most time of its own, packages left out; -1 where there is none. */
export function mostOwnTime(tree: CallTree, { self, total }: Pick<Weights, "self" | "total">): number {
  const sums = new Map<number, number>();
  for (let node = 1; node < tree.size; node++) {
    const key = tree.key.data[node]!;
    if (total[node]! > 0 && !isPackageKey(key)) sums.set(key, (sums.get(key) ?? 0) + self[node]!);
  }
  let most = -1;
  for (const [key, us] of sums) if (most < 0 || us > sums.get(most)! || (us === sums.get(most) && key < most)) most = key;
  return most;
}

/** The outermost nodes of a function: where its callers are read from. `wanted` tells the function's keys. */
export function outermost(tree: CallTree, weights: Weights, wanted: (key: number) => boolean): Seeds {
  const nodes: number[] = [];
  const inside = new Uint8Array(tree.size);
  for (let node = 1; node < tree.size; node++) {
    inside[node] = inside[tree.parent.data[node]!]!;
    if (inside[node] || !(weights.total[node]! > 0) || !wanted(tree.key.data[node]!)) continue;
    inside[node] = 1;
    nodes.push(node);
  }
  return { nodes, weight: nodes.map((node) => weights.total[node]!), samples: nodes.map((node) => weights.samples[node]!) };
}

/** What a function calls: the parts of the tree from its outermost nodes down, merged. */
export function callees(tree: CallTree, weights: Weights, wanted: (key: number) => boolean): { tree: CallTree; weights: Weights } {
  const merged = new CallTree();
  const sums = new Weights(merged);
  const { self, selfSamples, total } = weights;
  const place = new Int32Array(tree.size);
  for (let node = 1; node < tree.size; node++) {
    if (!(total[node]! > 0)) continue;
    const above = place[tree.parent.data[node]!]!;
    if (above === 0 && !wanted(tree.key.data[node]!)) continue;
    const own = (place[node] = merged.child(above, tree.key.data[node]!));
    sums.reserve();
    sums.addSelf(own, self[node]!, selfSamples[node]!);
  }
  sums.reserve();
  sums.sum();
  return { tree: merged, weights: sums };
}
