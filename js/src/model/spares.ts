/**
 * Memory of selections that are shown no more, for those that follow: with a million nodes each has a hundred megabytes,
 * and to ask the system for new ones costs more than to fill them.
 */

/** Shorter arrays are not worth it. */
const LEAST = 1 << 16;
const MOST = 6;

export class Spares {
  private readonly arrays: Float64Array<ArrayBuffer>[] = [];

  /** Gives an array of at least `length` numbers that are anything, or null where there is none. */
  take(length: number): Float64Array<ArrayBuffer> | null {
    const at = this.arrays.findIndex((array) => array.length >= length && array.length < 2 * length);
    return at < 0 ? null : this.arrays.splice(at, 1)[0]!;
  }

  /** Takes an array that nobody looks at any more. */
  give(array: Float64Array): void {
    if (array.length >= LEAST && this.arrays.push(array as Float64Array<ArrayBuffer>) > MOST) this.arrays.shift();
  }
}
