/** Search by function name or `file:line`: plain text, or a regular expression between slashes. */
import type { Names } from "./names";
import type { CallTree } from "./tree";

export type Query = { readonly test: (text: string) => boolean } | { readonly error: string };

/** Gives the query in `text`, or null for an empty one. Plain text ignores case; `/re/` does not, `/re/i` does. */
export function parseQuery(text: string): Query | null {
  if (!text.trim()) return null;
  const regex = /^\/(.+?)(?:\/([imsu]*))?$/.exec(text.trim());
  if (regex) {
    try {
      const compiled = new RegExp(regex[1]!, regex[2] ?? "");
      return { test: (candidate) => compiled.test(candidate) };
    } catch {
      return { error: "not a regular expression" };
    }
  }
  const wanted = text.trim().toLowerCase();
  return { test: (candidate) => candidate.toLowerCase().includes(wanted) };
}

/** Which keys of a tree match a query; grows with the profile. */
export class Matches {
  private matched = new Uint8Array(256);
  private tested = 0;

  constructor(private readonly test: (text: string) => boolean, private readonly names: Names) {}

  /** Tests the keys below `count` that were not tested before. */
  update(count: number): void {
    if (count > this.matched.length) {
      const wider = new Uint8Array(2 * count);
      wider.set(this.matched);
      this.matched = wider;
    }
    const { names, test } = this;
    for (let key = this.tested; key < count; key++) {
      if (test(names.name(key)) || test(names.qualname(key)) || test(names.place(key))) this.matched[key] = 1;
    }
    this.tested = Math.max(this.tested, count);
  }

  has(key: number): boolean {
    return this.matched[key] === 1;
  }

  /**
   * The matching nodes with weight at or below `root`, in the order of ids, and the weight below the topmost of
   * them (a match inside a match is not counted twice).
   */
  inTree(tree: CallTree, total: Float64Array, root: number): { nodes: number[]; weight: number } {
    const { size } = tree;
    const parent = tree.parent.data;
    const key = tree.key.data;
    // Per node: 1 = at or below root, 2 = at or below a match.
    const flags = new Uint8Array(size);
    const nodes: number[] = [];
    let weight = 0;
    flags[root] = 1;
    for (let node = root; node < size; node++) {
      const inherited = node === root ? 1 : flags[parent[node]!]!;
      if (!(inherited & 1)) continue;
      flags[node] = inherited;
      if (node === 0 || !(total[node]! > 0) || !this.has(key[node]!)) continue;
      nodes.push(node);
      if (!(inherited & 2)) weight += total[node]!;
      flags[node] = 3;
    }
    return { nodes, weight };
  }
}
