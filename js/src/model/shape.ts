/**
 * Changes of a call tree's shape: which frames a stack shows. Each node of the profile's tree becomes a node of the
 * shaped one, or none; a parent's id is below its children's, so one pass in the order of ids tells them all, and a
 * tree that grows is shaped further from where it was. Weights go along: a frame that is not shown gives its own
 * time to the one that is shown in its stead.
 *
 * In the order in which they apply to a stack, from its root: what runs a notebook's cell is left out, and what every
 * thread begins with (`threading.py`'s `_bootstrap`, `run`); the stack begins at the function in focus, or is left out; a dropped function takes its stacks along; below a collapsed
 * function all time is its own; a hidden function's time is its caller's; a collapsed package's frames are one; and
 * recursion leads back to the function's first frame. nbspy/model/shaping.py has the same rules.
 */
import type { Column } from "./column";
import { i32, u8 } from "./column";
import type { FunctionRef } from "./function-ref";
import { fits } from "./function-ref";
import type { Names } from "./names";
import { PACKAGE_KEYS } from "./names";
import { CallTree } from "./tree";

export type Rule =
  | { readonly do: "focus" | "hide" | "drop" | "collapse"; readonly what: FunctionRef }
  | { readonly do: "package"; readonly what: string };

export interface Shaping {
  readonly rules: readonly Rule[];
  /** Recursion is folded. */
  readonly recursion: boolean;
  /** What runs a notebook's cell is left out, and what every thread begins with. */
  readonly machinery: boolean;
}

export const UNSHAPED: Shaping = { rules: [], recursion: false, machinery: false };

/** What the rules say of a key. */
const HIDE = 1;
const DROP = 2;
const COLLAPSE = 4;
const CELL = 8;
const START = 16;
/** What a node has on its way from the root; the focused functions that it has passed are counted apart. */
const IN_CELL = 1;
const DROPPED = 2;
const STUCK = 4;
const STARTING = 8;

export class Shape {
  readonly tree: CallTree;
  /** Node of the profile's tree -> node of this one, or -1 where it is left out; null where the trees are one. */
  private readonly map: Column<Int32Array> | null;
  private readonly passed = u8();
  private readonly flags = u8();
  private readonly keyFlags = u8();
  private readonly focus: readonly FunctionRef[];
  private readonly packages = new Map<string, number>();

  constructor(private readonly base: CallTree, private readonly names: Names, private readonly shaping: Shaping) {
    const { rules } = shaping;
    this.focus = rules.flatMap((rule) => (rule.do === "focus" ? [rule.what] : []));
    for (const rule of rules) if (rule.do === "package") this.packages.set(rule.what, names.packageKey(rule.what));
    const trivial = rules.length === 0 && !shaping.recursion && !shaping.machinery;
    this.tree = trivial ? base : new CallTree();
    this.map = trivial ? null : i32();
    if (this.map) {
      this.map.push(this.focus.length ? -1 : 0);
      this.passed.push(0);
      this.flags.push(STARTING);
    }
  }

  /** Whether the trees are one. */
  get same(): boolean {
    return this.map === null;
  }

  /** `nodeOf` of each; null where the trees are one. */
  get shown(): Int32Array | null {
    return this.map ? this.map.data : null;
  }

  /** The node here that stands for a node of the profile's tree; -1 where its stacks are left out. */
  nodeOf(node: number): number {
    return this.map ? this.map.data[node]! : node;
  }

  /** Shapes the nodes that are new in the profile's tree, `most` of them; true where all are. `keys` is how many keys it knows. */
  update(keys: number, most = Infinity): boolean {
    const { base, map } = this;
    if (!map) return true;
    this.flagKeys(keys);
    const to = Math.min(base.size, map.length + most);
    for (let node = map.length; node < to; node++) map.push(this.shape(node, base.parent.data[node]!, base.key.data[node]!));
    return to === base.size;
  }

  private flagKeys(keys: number): void {
    const { keyFlags, names, shaping } = this;
    for (let key = keyFlags.length; key < keys; key++) {
      let flags = !shaping.machinery ? 0 : names.isCell(key) ? CELL : names.startsThread(key) ? START : 0;
      for (const rule of shaping.rules) {
        if (rule.do === "package" || rule.do === "focus" || !fits(rule.what, names, key)) continue;
        flags |= rule.do === "hide" ? HIDE : rule.do === "drop" ? DROP : COLLAPSE;
      }
      keyFlags.push(flags);
    }
  }

  private shape(node: number, parent: number, key: number): number {
    const { focus, names } = this;
    const rule = this.keyFlags.data[key]!;
    let flags = this.flags.data[parent]!;
    let passed = this.passed.data[parent]!;
    let above = this.map!.data[parent]!;
    if (rule & START && flags & STARTING) return this.keep(node, flags, passed, above);
    flags &= ~STARTING;
    if (rule & CELL && !(flags & IN_CELL)) [flags, passed, above] = [IN_CELL, 0, 0];
    const begun = passed === focus.length;
    while (passed < focus.length && fits(focus[passed]!, names, key)) passed++;
    if (!begun && passed === focus.length) above = 0;
    if (rule & DROP && passed === focus.length) flags |= DROPPED;
    let shown = -1;
    if (passed === focus.length && !(flags & DROPPED)) {
      shown = flags & STUCK || (rule & HIDE) ? above : this.child(above, key);
      if (rule & COLLAPSE) flags |= STUCK;
    }
    return this.keep(node, flags, passed, shown);
  }

  private keep(node: number, flags: number, passed: number, shown: number): number {
    this.flags.extendTo(node + 1);
    this.passed.extendTo(node + 1);
    this.flags.data[node] = flags;
    this.passed.data[node] = passed;
    return shown;
  }

  private child(above: number, key: number): number {
    const { names, shaping, tree } = this;
    const packed = this.packages.size ? this.packages.get(names.package(key)) : undefined;
    if (packed !== undefined && tree.key.data[above] === packed && above !== 0) return above;
    const shown = packed ?? key;
    if (shaping.recursion) {
      for (let at = above; at !== 0; at = tree.parent.data[at]!) if (tree.key.data[at] === shown) return at;
    }
    return tree.child(above, shown);
  }
}

/** Whether a key stands for a collapsed package. */
export const isPackageKey = (key: number): boolean => key >= PACKAGE_KEYS && key < 2 * PACKAGE_KEYS;
