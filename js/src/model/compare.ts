/**
 * Two profiles as one tree, by share of time: a node for each path that either has. The widths are the mean of both
 * shares, so that what is gone can still be seen. A function is the same in both where its name and its file are,
 * whatever its line, and a notebook's cell is the same under any number: the rule of nbspy/model/compare.py.
 */
import type { FunctionRow } from "./functions";
import { functionRows } from "./functions";
import { Names } from "./names";
import type { Profile } from "./profile";
import type { Selection } from "./selection";
import { SelectedTree } from "./selection";
import { Weights } from "./weights";
import type { Shaping } from "./shape";
import { Shape } from "./shape";
import { CallTree } from "./tree";

/** What is the same function in both profiles. */
export function sameFunction(names: Names, key: number): string {
  return `${names.qualname(key)}\n${names.isCell(key) ? "a cell" : names.shownFile(key)}`;
}

/** Names of keys that are of either profile. */
export class UnionNames extends Names {
  private readonly ids = new Map<string, number>();
  private readonly places: { readonly names: Names; readonly key: number }[] = [];

  constructor(profile: Profile) {
    super(profile, "function");
  }

  /** The key here for one of another's keys. */
  keyFor(names: Names, key: number): number {
    const same = sameFunction(names, key);
    let id = this.ids.get(same);
    if (id === undefined) {
      this.ids.set(same, (id = this.places.length));
      this.places.push({ names, key });
    }
    return id;
  }

  get keys(): number {
    return this.places.length;
  }

  private at<T>(key: number, read: (names: Names, key: number) => T): T {
    const place = this.places[key]!;
    return read(place.names, place.key);
  }

  override name(key: number): string {
    return this.at(key, (names, own) => names.name(own));
  }

  override qualname(key: number): string {
    return this.at(key, (names, own) => names.qualname(own));
  }

  override file(key: number): string {
    return this.at(key, (names, own) => names.file(own));
  }

  override module(key: number): string {
    return this.at(key, (names, own) => names.module(own));
  }

  override shownFile(key: number): string {
    return this.at(key, (names, own) => names.shownFile(own));
  }

  override isLabelled(key: number): boolean {
    return this.at(key, (names, own) => names.isLabelled(own));
  }

  override package(key: number): string {
    return this.at(key, (names, own) => names.package(own));
  }

  override firstLine(key: number): number {
    return this.at(key, (names, own) => names.firstLine(own));
  }

  override line(key: number): number {
    return this.at(key, (names, own) => names.line(own));
  }

}

export interface Change {
  /** Shares of own and of total time, from 0 to 1. */
  readonly selfBefore: number;
  readonly selfAfter: number;
  readonly totalBefore: number;
  readonly totalAfter: number;
}

export interface Side {
  readonly selected: SelectedTree;
  readonly names: Names;
}

/** One side of a comparison: a part of a profile, in a shape, by function. */
export function sideOf(profile: Profile, selection: Selection, shaping: Shaping): Side {
  const names = new Names(profile, "function");
  return { names, selected: new SelectedTree(profile, selection, "function", new Shape(profile.functionTree, names, shaping)) };
}

export class Difference {
  readonly tree = new CallTree();
  readonly names: UnionNames;
  /** Mean shares, in parts of a million: what the boxes' widths are. */
  readonly weights = new Weights(this.tree);
  /** Shares of each node's total time, before and after. */
  readonly before: Float64Array;
  readonly after: Float64Array;
  /** The greatest change of a node's share, either way. */
  readonly greatest: number;

  constructor(private readonly sides: { readonly before: Side; readonly after: Side }) {
    this.names = new UnionNames(sides.after.selected.profile);
    // Equal functions that differ in their lines only are children of their own in a tree: here they are one.
    const [after, before] = [this.add(sides.after), this.add(sides.before)];
    this.weights.reserve();
    const { size } = this.tree;
    this.before = this.total(before, sides.before, size);
    this.after = this.total(after, sides.after, size);
    let greatest = 0;
    for (let node = 1; node < size; node++) {
      this.weights.total[node] = 5e5 * (this.before[node]! + this.after[node]!);
      greatest = Math.max(greatest, Math.abs(this.after[node]! - this.before[node]!));
    }
    this.weights.total[0] = 1e6;
    this.greatest = greatest;
    for (let node = 0; node < size; node++) {
      let below = 0;
      for (let child = this.tree.firstChild.data[node]!; child >= 0; child = this.tree.nextSibling.data[child]!) below += this.weights.total[child]!;
      this.weights.self[node] = Math.max(0, this.weights.total[node]! - below);
    }
  }

  change(node: number): number {
    return this.after[node]! - this.before[node]!;
  }

  /** Every function of either profile, most self time of the later one first: its time there, and its change. */
  functions(): FunctionRow[] {
    const before = new Map(this.rowsOf(this.sides.before).map((row) => [row.key, row]));
    const [wholeBefore, whole] = [this.sides.before, this.sides.after].map((side) => side.selected.weights.total[0]! || 1) as [number, number];
    const changed = ({ key, ...row }: FunctionRow): FunctionRow => {
      const old = before.get(key);
      before.delete(key);
      const [selfBefore, totalBefore] = [(old?.self ?? 0) / wholeBefore, (old?.total ?? 0) / wholeBefore];
      return { key, ...row, change: { selfBefore, selfAfter: row.self / whole, totalBefore, totalAfter: row.total / whole } };
    };
    const rows = this.rowsOf(this.sides.after).map(changed);
    return [...rows, ...[...before.keys()].map((key) => changed({ key, self: 0, total: 0, selfSamples: 0, samples: 0 }))];
  }

  /** Self and total of each function of one side, by this comparison's names; a stack counts once for a function. */
  private rowsOf({ names, selected }: Side): FunctionRow[] {
    const merged = new CallTree();
    const sums = new Weights(merged);
    const { tree, weights } = selected;
    const place = new Int32Array(tree.size);
    for (let node = 0; node < tree.size; node++) {
      if (!(weights.total[node]! > 0)) continue;
      if (node) place[node] = merged.child(place[tree.parent.data[node]!]!, this.names.keyFor(names, tree.key.data[node]!));
      sums.reserve();
      sums.addSelf(place[node]!, weights.self[node]!, weights.selfSamples[node]!);
    }
    sums.reserve();
    sums.sum();
    return functionRows(merged, sums);
  }

  private add({ names, selected }: Side): Int32Array {
    const { tree, weights } = selected;
    const place = new Int32Array(tree.size);
    for (let node = 1; node < tree.size; node++) {
      if (!(weights.total[node]! > 0)) continue;
      place[node] = this.tree.child(place[tree.parent.data[node]!]!, this.names.keyFor(names, tree.key.data[node]!));
    }
    return place;
  }

  private total(place: Int32Array, { selected }: Side, size: number): Float64Array {
    const shares = new Float64Array(size);
    const { total } = selected.weights;
    const whole = total[0]! || 1;
    for (let node = 0; node < place.length; node++) if (node === 0 || place[node]! > 0) shares[place[node]!]! += total[node]! / whole;
    return shares;
  }
}
