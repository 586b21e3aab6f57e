/** The runs of one thread, in the order of time: 21 bytes each. */
import { f64, u32, u8 } from "./column";

/** Threads may be many, of which most do little. */
const FIRST = 16;

export class Lane {
  /** In us since the stream's origin. */
  readonly start = f64(FIRST);
  readonly node = u32(FIRST);
  readonly state = u8(FIRST);
  readonly count = u32(FIRST);
  readonly weight = u32(FIRST);

  /** How many of the runs the sparkline has taken. */
  recent = 0;

  constructor(readonly thread: number) {}

  get length(): number {
    return this.start.length;
  }

  /** Makes room for `length` runs. */
  reserve(length: number): void {
    for (const column of [this.start, this.node, this.state, this.count, this.weight]) column.reserve(length);
  }

  /** Sets the length, where columns were written to in the room that was made. */
  extendTo(length: number): void {
    for (const column of [this.start, this.node, this.state, this.count, this.weight]) column.extendTo(length);
  }

  push(start: number, node: number, state: number, count: number, weight: number): void {
    this.start.push(start);
    this.node.push(node);
    this.state.push(state);
    this.count.push(count);
    this.weight.push(weight);
  }

  /** Takes over the runs of another, which is looked at no more. */
  replace(other: Lane): void {
    this.recent = 0;
    for (const [own, others] of [[this.start, other.start], [this.node, other.node], [this.state, other.state], [this.count, other.count], [this.weight, other.weight]] as const) {
      own.data = others.data;
      own.length = others.length;
    }
  }

  /** Index of the first run that ends after `us`. */
  firstAfter(us: number): number {
    const { start: { data: start }, weight: { data: weight } } = this;
    return this.first((run) => start[run]! + weight[run]! > us);
  }

  /** Index of the first run that begins at `us` or later. */
  firstFrom(us: number): number {
    const { start: { data: start } } = this;
    return this.first((run) => start[run]! >= us);
  }

  private first(reached: (run: number) => boolean): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (reached(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
