/**
 * Which frames are one: of the same function, or of the same line of one. An open-addressing table over the frames'
 * own columns, because a million keys made of text would cost more than all the rest of reading them.
 */
import type { Column } from "./column";
import { u32 } from "./column";

export class Identities {
  /** Frame -> its identity; and identity -> the first of its frames that was seen, through which it is shown. */
  readonly of = u32();
  readonly frameOf = u32();
  /** Table of identities plus one; 0 is free. One is looked for in the slot of its first column first, then from its hash on. */
  private table = new Uint32Array(1024);

  /** `columns`: what frames have in common that are one. */
  constructor(private readonly columns: readonly Column<Uint32Array | Int32Array | Uint8Array>[]) {}

  /** Finds the identities of the frames up to `count`, `most` of them. */
  update(count: number, most = Infinity): void {
    this.of.reserve(count);
    let slots = this.table.length;
    while (slots < 2 * (this.frameOf.length + count - this.of.length)) slots *= 2;
    if (slots > this.table.length) this.rehash(slots);
    const to = Math.min(count, this.of.length + most);
    for (let frame = this.of.length; frame < to; frame++) this.of.push(this.find(frame));
  }

  private find(frame: number): number {
    const { table } = this;
    const mask = table.length - 1;
    let slot = this.near(frame) & mask;
    let entry = table[slot]!;
    if (entry !== 0 && !this.same(frame, this.frameOf.data[entry - 1]!)) {
      slot = this.hash(frame) & mask;
      for (entry = table[slot]!; entry !== 0 && !this.same(frame, this.frameOf.data[entry - 1]!); entry = table[slot]!) slot = (slot + 1) & mask;
    }
    if (entry !== 0) return entry - 1;
    this.frameOf.push(frame);
    table[slot] = this.frameOf.length;
    return this.frameOf.length - 1;
  }

  private same(a: number, b: number): boolean {
    const { columns } = this;
    for (let i = 0; i < columns.length; i++) if (columns[i]!.data[a] !== columns[i]!.data[b]) return false;
    return true;
  }

  /** Texts that come together have numbers that lie together. */
  private near(frame: number): number {
    return 2 * this.columns[0]!.data[frame]!;
  }

  private hash(frame: number): number {
    let h = 0;
    const { columns } = this;
    for (let i = 0; i < columns.length; i++) h = Math.imul(h ^ columns[i]!.data[frame]!, 0x9e3779b1) ^ (h >>> 15);
    h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
    return (h ^ (h >>> 13)) >>> 0;
  }

  private rehash(slots: number): void {
    const table = new Uint32Array(slots);
    const mask = table.length - 1;
    for (let id = 0; id < this.frameOf.length; id++) {
      let slot = this.near(this.frameOf.data[id]!) & mask;
      if (table[slot] !== 0) slot = this.hash(this.frameOf.data[id]!) & mask;
      while (table[slot] !== 0) slot = (slot + 1) & mask;
      table[slot] = id + 1;
    }
    this.table = table;
  }
}
