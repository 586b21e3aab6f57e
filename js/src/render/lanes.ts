/**
 * The lanes of the timeline as pixels: each column shows which part of its time went to which state, from the bottom up.
 * Heights carry the same message as colours, and waiting and GC are hatched. They are written as pixels because a lane has
 * thousands of rectangles: filling them took 80 ms a frame, where this takes two.
 */
import { STATE_CLASSES, StateClass } from "../model/state";

/** The pixels of a square tile that fills repeat, as bytes of red, green, blue and alpha. */
export interface Tile {
  readonly size: number;
  readonly pixels: Uint32Array;
}

export interface LanePicture {
  /** Time per state of each column: `[column * STATE_CLASSES + class]`. */
  readonly times: Float32Array;
  readonly columnUs: number;
  readonly top: number;
  readonly height: number;
}

/** Bottom to top inside a lane. */
const STACKING = [StateClass.GIL, StateClass.RUNNING, StateClass.GC, StateClass.GIL_WAIT] as const;

/** The middle of two colours. */
const mixed = (a: number, b: number): number => (((a ^ b) & 0xfefefefe) >>> 1) + (a & b);

/** Writes lanes into the pixels of an image that many columns wide; what they do not cover is left. `tiles`: by `StateClass`. */
export function rasterLanes(pixels: Uint32Array, columns: number, lanes: readonly LanePicture[], tiles: readonly Tile[]): void {
  const rows = Math.floor(pixels.length / columns);
  for (const { columnUs, height, times, top } of lanes) {
    // Half pixels, from the bottom: a state that fills half of one is seen as a mixture.
    const halves = new Uint8Array(2 * height);
    const first = Math.max(0, top + height - rows);
    const last = Math.min(height, top + height);
    for (let column = 0; column < columns; column++) {
      if (!stack(halves, times, column * STATE_CLASSES, columnUs)) continue;
      for (let y = first; y < last; y++) {
        const row = top + height - 1 - y;
        const low = halves[2 * y]!;
        const high = halves[2 * y + 1]!;
        const color = pixelOf(tiles[low]!, column, row);
        pixels[row * columns + column] = low === high ? color : mixed(color, pixelOf(tiles[high]!, column, row));
      }
    }
  }
}

/** A thread that was there has a light band behind everything, from its first to its last sample; false where it was not. */
function stack(halves: Uint8Array, times: Float32Array, at: number, columnUs: number): boolean {
  const { length } = halves;
  let time = 0;
  let half = 0;
  for (let i = 0; i < STACKING.length; i++) {
    const kind = STACKING[i]!;
    time += times[at + kind]!;
    const to = Math.min(length, Math.round((length * time) / columnUs));
    while (half < to) halves[half++] = kind;
  }
  if (!(time + times[at + StateClass.IDLE]! > 0)) return false;
  while (half < length) halves[half++] = StateClass.IDLE;
  return true;
}

const pixelOf = ({ pixels, size }: Tile, x: number, y: number): number => pixels[size === 1 ? 0 : (y % size) * size + (x % size)]!;
