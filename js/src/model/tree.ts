/**
 * A call tree as columns: node 0 is the root, a parent's id is below its children's, children are linked in
 * the order of their first appearance. So one pass over the ids from the end sums every subtree, and an order
 * once seen never changes while the tree grows.
 */
import { i32, u32, u8 } from "./column";

/** The key of the root. */
export const NO_KEY = 0xffffffff;

export class CallTree {
  readonly parent = u32();
  /** What the node shows: the id of a frame or of a function. */
  readonly key = u32();
  readonly depth = u32();
  /** Which child of its parent it is, modulo 256: for colours that tell siblings apart. */
  readonly ordinal = u8();
  readonly firstChild = i32();
  readonly nextSibling = i32();
  private readonly lastChild = i32();
  /**
   * Open-addressing table of node ids by (parent, key); 0 is free. A node is looked for in the slot of its parent first, then
   * from its hash on: nodes come after their parents mostly, and the slots of those that come together lie together.
   */
  private table = new Int32Array(4096);

  constructor() {
    this.parent.push(0);
    this.key.push(NO_KEY);
    this.depth.push(0);
    this.ordinal.push(0);
    this.firstChild.push(-1);
    this.nextSibling.push(-1);
    this.lastChild.push(-1);
  }

  /** Number of nodes, the root among them. */
  get size(): number {
    return this.parent.length;
  }

  /** Makes room for so many nodes: a tree that is read in one go grows without being moved. */
  reserve(size: number): void {
    const { depth, firstChild, key, lastChild, nextSibling, ordinal, parent } = this;
    for (const column of [parent, key, depth, ordinal, firstChild, nextSibling, lastChild]) column.reserve(size);
    let slots = this.table.length;
    while (slots < 2 * size) slots *= 2;
    if (slots > this.table.length) this.rehash(slots);
  }

  private append(parent: number, key: number): number {
    const node = this.size;
    const last = this.lastChild.data[parent]!;
    this.parent.push(parent);
    this.key.push(key);
    this.depth.push(this.depth.data[parent]! + 1);
    this.ordinal.push(last < 0 ? 0 : this.ordinal.data[last]! + 1);
    this.firstChild.push(-1);
    this.nextSibling.push(-1);
    this.lastChild.push(-1);
    if (last < 0) this.firstChild.data[parent] = node;
    else this.nextSibling.data[last] = node;
    this.lastChild.data[parent] = node;
    return node;
  }

  /** Gives the parent's child with this key; makes it where there is none. */
  child(parent: number, key: number): number {
    if (2 * this.size > this.table.length) this.rehash(2 * this.table.length);
    const { table } = this;
    const { data: parents } = this.parent;
    const { data: keys } = this.key;
    const mask = table.length - 1;
    let slot = (2 * parent) & mask;
    let node = table[slot]!;
    if (node !== 0 && (parents[node] !== parent || keys[node] !== key)) {
      slot = hash(parent, key) & mask;
      for (node = table[slot]!; node !== 0 && (parents[node] !== parent || keys[node] !== key); node = table[slot]!) slot = (slot + 1) & mask;
    }
    return node || (table[slot] = this.append(parent, key));
  }

  /** Nodes from below the root down to `node`. */
  path(node: number): number[] {
    const nodes: number[] = [];
    for (let at = node; at !== 0; at = this.parent.data[at]!) nodes.push(at);
    return nodes.reverse();
  }

  private rehash(slots: number): void {
    const table = new Int32Array(slots);
    const mask = slots - 1;
    const { size, parent: { data: parents }, key: { data: keys } } = this;
    for (let node = 1; node < size; node++) {
      let slot = (2 * parents[node]!) & mask;
      if (table[slot] !== 0) slot = hash(parents[node]!, keys[node]!) & mask;
      while (table[slot] !== 0) slot = (slot + 1) & mask;
      table[slot] = node;
    }
    this.table = table;
  }
}

function hash(parent: number, key: number): number {
  let h = Math.imul(parent, 0x9e3779b1) ^ Math.imul(key, 0x85ebca6b);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}
