/** Columns that grow: typed arrays with room to spare, doubled when it is used up. */

const LARGE = 1 << 20;

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

  /** Makes room for `length` elements, so that they can be written into `data`. */
  reserve(length: number): void {
    if (length <= this.data.length) return;
    // Twice as much while that is little; what is large grows by half.
    const roomy = this.data.length * (this.data.length < LARGE ? 2 : 1.5);
    const data = new this.make(Math.max(length, Math.floor(roomy)));
    data.set(this.data.subarray(0, this.length));
    this.data = data;
  }
}

export const u8 = (capacity?: number): Column<Uint8Array> => new Column(Uint8Array, capacity);
export const u32 = (capacity?: number): Column<Uint32Array> => new Column(Uint32Array, capacity);
export const i32 = (capacity?: number): Column<Int32Array> => new Column(Int32Array, capacity);
export const f64 = (capacity?: number): Column<Float64Array> => new Column(Float64Array, capacity);
