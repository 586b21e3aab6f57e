/** The fields of a record, one after the other, and memory for their columns. */

import type { Texts } from "./texts";
import { JoinedTexts } from "./texts";

export class StreamError extends Error {}

/**
 * Memory for the columns of one record after the other: whoever takes a record takes its columns over at once, and new
 * memory for each would cost more than the copy.
 */
export class Scratch {
  private readonly buffers: Uint8Array<ArrayBuffer>[] = [];

  /** Copies a column to its place, where it stays until the next record's comes. */
  copy(bytes: Uint8Array, place: number): Uint8Array<ArrayBuffer> {
    let buffer = this.buffers[place];
    if (!buffer || buffer.length < bytes.length) this.buffers[place] = buffer = new Uint8Array(Math.max(1024, 2 * bytes.length));
    buffer.set(bytes);
    return buffer.subarray(0, bytes.length);
  }
}

/** Reads the fields of one record in order, and refuses a field of another type than the one asked for. */
export class Fields {
  private index = 2;
  constructor(private readonly values: unknown[], private readonly scratch: Scratch | null = null) {}

  private next(): unknown {
    if (this.index >= this.values.length) throw new StreamError("a record ends early");
    return this.values[this.index++];
  }
  number(): number {
    const value = this.next();
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw new StreamError("a number is missing in a record");
  }
  /** A field that older writers do not send. */
  laterNumber(): number | null {
    return this.index < this.values.length ? this.optionalNumber() : null;
  }
  optionalNumber(): number | null {
    const value = this.next();
    if (value === null || typeof value === "number") return value;
    throw new StreamError("a number is missing in a record");
  }
  text(): string {
    const value = this.next();
    if (typeof value === "string") return value;
    throw new StreamError("a text is missing in a record");
  }
  flag(): boolean {
    return this.next() === true;
  }
  texts(): Texts {
    const value = this.next();
    if (value instanceof JoinedTexts) return value;
    this.index--;
    return this.list().map((text) => {
      if (typeof text === "string") return text;
      throw new StreamError("a text is missing in a record");
    });
  }
  list(): unknown[] {
    const value = this.next();
    if (Array.isArray(value)) return value as unknown[];
    throw new StreamError("a list is missing in a record");
  }
  /** Gives the elements of a list of lists, each as fields read from its start. */
  rows<T>(read: (row: Fields) => T): T[] {
    return this.list().map((value) => {
      if (!Array.isArray(value)) throw new StreamError("a row is missing in a record");
      const row = new Fields(value as unknown[]);
      row.index = 0;
      return read(row);
    });
  }
  bytes(): Uint8Array<ArrayBuffer> {
    const value = this.next();
    if (value instanceof Uint8Array) return this.scratch ? this.scratch.copy(value, this.index) : value.slice();
    throw new StreamError("a column is missing in a record");
  }
  u32(): Uint32Array {
    const { buffer, length } = this.wholeElements();
    return new Uint32Array(buffer, 0, length / 4);
  }
  i32(): Int32Array {
    const { buffer, length } = this.wholeElements();
    return new Int32Array(buffer, 0, length / 4);
  }
  private wholeElements(): Uint8Array<ArrayBuffer> {
    const bytes = this.bytes();
    if (bytes.length % 4) throw new StreamError(`a column of ${bytes.length} bytes is no array of 4-byte elements`);
    return bytes;
  }
}
