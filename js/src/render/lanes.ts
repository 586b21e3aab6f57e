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
  readonly dim: boolean;
}

/** Bottom to top inside a lane. */
const STACKING = [StateClass.GIL, StateClass.RUNNING, StateClass.GC, StateClass.GIL_WAIT] as const;
/** Whether numbers lie in memory with their last byte first: then alpha is the highest. */
const ALPHA_SHIFT = new Uint8Array(Uint32Array.of(1).buffer)[0] ? 24 : 0;
const DIM_ALPHA = 90;

/** The middle of two colours. */
const mixed = (a: number, b: number): number => (((a ^ b) & 0xfefefefe) >>> 1) + (a & b);

/** Writes lanes into the pixels of an image that many columns wide; what they do not cover is left. `tiles`: by `StateClass`. */
export function rasterLanes(pixels: Uint32Array, columns: number, lanes: readonly LanePicture[], tiles: readonly Tile[]): void {
  const rows = Math.floor(pixels.length / columns);
  for (const lane of lanes) {
    const alpha = lane.dim ? ((DIM_ALPHA << ALPHA_SHIFT) | ~(255 << ALPHA_SHIFT)) >>> 0 : 0xffffffff;
    // Half pixels, from the bottom: a state that fills half of one is seen as a mixture.
    const halves = new Uint8Array(2 * lane.height);
    for (let column = 0; column < columns; column++) {
      if (!stack(halves, lane, column)) continue;
      for (let y = 0; y < lane.height; y++) {
        const row = lane.top + lane.height - 1 - y;
        if (row < 0 || row >= rows) continue;
        const [low, high] = [halves[2 * y]!, halves[2 * y + 1]!];
        const color = pixelOf(tiles[low]!, column, row);
        pixels[row * columns + column] = (low === high ? color : mixed(color, pixelOf(tiles[high]!, column, row))) & alpha;
      }
    }
  }
}

/** A thread that was there has a light band behind everything, from its first to its last sample; false where it was not. */
function stack(halves: Uint8Array, { columnUs, times }: LanePicture, column: number): boolean {
  const at = column * STATE_CLASSES;
  let time = 0;
  let from = 0;
  for (const kind of STACKING) {
    time += times[at + kind]!;
    const to = Math.min(halves.length, Math.round((halves.length * time) / columnUs));
    halves.fill(kind, from, to);
    from = to;
  }
  if (!(time + times[at + StateClass.IDLE]! > 0)) return false;
  halves.fill(StateClass.IDLE, from);
  return true;
}

const pixelOf = ({ pixels, size }: Tile, x: number, y: number): number => pixels[(y % size) * size + (x % size)]!;
