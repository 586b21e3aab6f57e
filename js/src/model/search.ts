/** Search by function name or `file:line`: plain text, or a regular expression between slashes. */
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

/** Which keys of a tree match a query; grows with the profile. */
export class Matches {
  private matched = new Uint8Array(256);
  private tested = 0;
  /** String -> whether it has the plain text. */
  private hits = new Uint8Array(0);
  private searched = 0;

  constructor(private readonly wanted: Wanted, readonly names: Names) {}

  /** Tests the keys below `count` that were not tested before. */
  update(count: number): void {
    if (count > this.matched.length) this.matched = widened(this.matched, 2 * count);
    if (count > this.tested && this.wanted.plain !== undefined) this.findPlain(this.wanted.plain, count);
    else this.testEach(count);
    this.tested = Math.max(this.tested, count);
  }

  private testEach(count: number): void {
    const { names, wanted: { test } } = this;
    for (let key = this.tested; key < count; key++) {
      if (test(names.name(key)) || test(names.qualname(key)) || test(names.place(key))) this.matched[key] = 1;
    }
  }

  private findPlain(plain: string, count: number): void {
    const { matched, names, names: { profile } } = this;
    const { name, qualname, file, shortFile } = profile.frames;
    const { strings } = profile;
    if (this.hits.length < strings.length) this.hits = widened(this.hits, strings.length);
    const { hits } = this;
    profile.haystack.find(plain, this.searched, hits);
    this.searched = strings.length;
    const frameOf = profile.framesOfKeys(names.granularity);
    const inPlace = placeTest(plain);
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

/** Puts the heaviest nodes first. */
export function heaviestFirst(nodes: number[], total: Float64Array): number[] {
  const byWeight = (a: number, b: number): number => total[b]! - total[a]! || a - b;
  if (nodes.length <= 4 * SORTED) return nodes.sort(byWeight);
  const step = Math.floor(nodes.length / SORTED);
  const sample = Float64Array.from({ length: SORTED }, (_, i) => total[nodes[i * step]!]!).sort();
  const least = sample[Math.floor(SORTED * (1 - SORTED / nodes.length))]!;
  const heavy: number[] = [];
  const light: number[] = [];
  for (const node of nodes) (total[node]! > least ? heavy : light).push(node);
  return heavy.sort(byWeight).concat(light);
}
