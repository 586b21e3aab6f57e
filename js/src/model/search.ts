/** Search by function name or `file:line`: plain text, or a regular expression between slashes. */
import type { Column } from "./column";
import { i32 } from "./column";
import type { Names } from "./names";
import type { CallTree } from "./tree";

export interface Wanted {
  readonly test: (text: string) => boolean;
  /** The text in lower case, where it is no regular expression. */
  readonly plain?: string;
}

export type Query = Wanted | { readonly error: string };

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
  return { test: (candidate) => candidate.toLowerCase().includes(wanted), plain: wanted };
}

/** Keys and nodes that are looked at in one step. */
const CHUNK = 1 << 15;

/** Which keys of a tree match a query; grows with the profile. */
export class Matches {
  private matched = new Uint8Array(0);
  private tested = 0;
  /** String -> whether it has the plain text. */
  private hits = new Uint8Array(0);
  private searched = 0;

  constructor(private readonly wanted: Wanted, readonly names: Names) {}

  /** Tests the keys below `count` that were not tested before, a little at each step. */
  *steps(count: number): Generator<void> {
    if (count > this.matched.length) this.matched = widened(this.matched, this.tested ? 2 * count : count);
    const { plain } = this.wanted;
    const { haystack, strings } = this.names.profile;
    if (count > this.tested && plain !== undefined) {
      if (this.hits.length < strings.length) this.hits = widened(this.hits, strings.length);
      yield* haystack.find(plain, this.searched, this.hits);
      this.searched = strings.length;
    }
    while (this.tested < count) {
      const to = Math.min(count, this.tested + (plain === undefined ? CHUNK / 16 : CHUNK));
      if (plain === undefined) this.testEach(to);
      else this.findPlain(plain, to);
      this.tested = to;
      if (to < count) yield;
    }
  }

  private testEach(count: number): void {
    const { names, wanted: { test } } = this;
    for (let key = this.tested; key < count; key++) {
      if (test(names.name(key)) || test(names.qualname(key)) || test(names.place(key))) this.matched[key] = 1;
    }
  }

  private findPlain(plain: string, count: number): void {
    const { hits, matched, names, names: { profile } } = this;
    const { name, qualname, file, shortFile } = profile.frames;
    const frameOf = profile.framesOfKeys(names.granularity);
    const inPlace = placeTest(plain);
    if (!inPlace && !profile.labels.size) {
      markHits(matched, this.tested, count, frameOf, hits, name.data, qualname.data, file.data, shortFile.data);
      return;
    }
    // Frames of a file follow each other.
    let [known, inFile, shown] = [-1, false, ""];
    for (let key = this.tested; key < count; key++) {
      const frame = frameOf[key]!;
      if (hits[name.data[frame]!] || hits[qualname.data[frame]!]) {
        matched[key] = 1;
        continue;
      }
      const own = file.data[frame]! * 2 ** 21 + shortFile.data[frame]!;
      if (own !== known) {
        [known, shown] = [own, names.shownFile(key).toLowerCase()];
        inFile = shown.includes(plain);
      }
      if (inFile || (inPlace && shown && inPlace(shown, names.line(key)))) matched[key] = 1;
    }
  }

  has(key: number): boolean {
    return this.matched[key] === 1;
  }

  /**
   * The matching nodes with weight at or below `root`, in the order of ids, and the weight below the topmost of
   * them (a match inside a match is not counted twice).
   */
  *inTree(tree: CallTree, total: Float64Array, root: number): Generator<void, { nodes: Int32Array; weight: number }> {
    const { size } = tree;
    // Per node: 1 = at or below root, 2 = at or below a match.
    const flags = new Uint8Array(size);
    const nodes = i32();
    let weight = 0;
    flags[root] = 1;
    if (root !== 0 && total[root]! > 0 && this.has(tree.key.data[root]!)) {
      nodes.push(root);
      weight += total[root]!;
      flags[root] = 3;
    }
    for (let from = root + 1; from < size; from += CHUNK) {
      weight += addMatches(nodes, flags, this.matched, from, Math.min(size, from + CHUNK), tree.parent.data, tree.key.data, total);
      if (from + CHUNK < size) yield;
    }
    return { nodes: nodes.data.subarray(0, nodes.length), weight };
  }
}

/** Adds the matching nodes of those from `from` to `to`; gives the weight of the topmost of them. */
function addMatches(
  nodes: Column<Int32Array>, flags: Uint8Array, matched: Uint8Array, from: number, to: number, parent: Uint32Array, key: Uint32Array, total: Float64Array,
): number {
  nodes.reserve(nodes.length + to - from);
  const { data } = nodes;
  let { length } = nodes;
  let weight = 0;
  for (let node = from; node < to; node++) {
    const inherited = flags[parent[node]!]!;
    if (!inherited) continue;
    flags[node] = inherited;
    if (matched[key[node]!] !== 1 || !(total[node]! > 0)) continue;
    data[length++] = node;
    if (inherited === 1) weight += total[node]!;
    flags[node] = 3;
  }
  nodes.length = length;
  return weight;
}

/** Marks the keys from `from` to `to` that have a hit in one of their texts; a short name of a file stands for its whole. */
function markHits(
  matched: Uint8Array, from: number, to: number, frameOf: Uint32Array, hits: Uint8Array,
  name: Uint32Array, qualname: Uint32Array, file: Uint32Array, shortFile: Uint32Array,
): void {
  for (let key = from; key < to; key++) {
    const frame = frameOf[key]!;
    if (hits[name[frame]!] || hits[qualname[frame]!] || hits[shortFile[frame]! || file[frame]!]) matched[key] = 1;
  }
}

function widened(bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  const wider = new Uint8Array(length);
  wider.set(bytes);
  return wider;
}

/** Gives the test of `file:line` for a text that is not in the file's name alone; null where no line can make it. */
function placeTest(plain: string): ((file: string, line: number) => boolean) | null {
  const parts = /^(.*?):?(\d*)$/s.exec(plain)!;
  const digits = parts[2]!;
  if (plain === digits) return (_, line) => line > 0 && String(line).includes(digits);
  if (!plain.endsWith(`:${digits}`)) return null;
  const end = plain.slice(0, plain.length - digits.length - 1);
  return (file, line) => line > 0 && file.endsWith(end) && String(line).startsWith(digits);
}

/** Beyond this many only the heaviest are put in order: nobody steps through them all. */
const SORTED = 5000;

/** Puts the heaviest nodes first, a little at each step. */
export function* heaviestFirst(nodes: Int32Array, total: Float64Array): Generator<void, Int32Array> {
  const byWeight = (a: number, b: number): number => total[b]! - total[a]! || a - b;
  if (nodes.length <= 4 * SORTED) return nodes.sort(byWeight);
  const step = Math.floor(nodes.length / SORTED);
  const sample = Float64Array.from({ length: SORTED }, (_, i) => total[nodes[i * step]!]!).sort();
  const least = sample[Math.floor(SORTED * (1 - SORTED / nodes.length))]!;
  const sorted = new Int32Array(nodes.length);
  const heavy = split(nodes, total, least, true, sorted, 0);
  yield;
  split(nodes, total, least, false, sorted, heavy);
  yield;
  sorted.subarray(0, heavy).sort(byWeight);
  return sorted;
}

/** Writes the nodes that are heavier than `least`, or those that are not, into `out` from `at` on; gives where they end. */
function split(nodes: Int32Array, total: Float64Array, least: number, heavier: boolean, out: Int32Array, at: number): number {
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i]!;
    if (total[node]! > least === heavier) out[at++] = node;
  }
  return at;
}
