/** Columns that grow: typed arrays with room to spare, doubled when it is used up. */

type Numbers = Uint8Array | Uint32Array | Int32Array | Float64Array;

export class Column<A extends Numbers> {
  /** Values are in `data[0 .. length)`. A growing column replaces `data`: do not keep it. */
  data: A;
  length = 0;

  constructor(private readonly make: new (length: number) => A, capacity = 1024) {
    this.data = new make(capacity);
  }

  push(value: number): void {
    if (this.length === this.data.length) this.reserve(this.length + 1);
    this.data[this.length++] = value;
  }

  append(values: A): void {
    this.reserve(this.length + values.length);
    this.data.set(values, this.length);
    this.length += values.length;
  }

  /** Sets the length; new elements are 0. */
  extendTo(length: number): void {
    this.reserve(length);
    this.length = Math.max(this.length, length);
  }

  private reserve(length: number): void {
    if (length <= this.data.length) return;
    const data = new this.make(Math.max(length, 2 * this.data.length));
    data.set(this.data);
    this.data = data;
  }
}

export const u8 = (): Column<Uint8Array> => new Column(Uint8Array);
export const u32 = (): Column<Uint32Array> => new Column(Uint32Array);
export const i32 = (): Column<Int32Array> => new Column(Int32Array);
export const f64 = (): Column<Float64Array> => new Column(Float64Array);
