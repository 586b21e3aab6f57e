/** Hatched fills: what differs by colour differs without colour too. */
import type { Theme } from "./colors";
import type { Tile } from "./lanes";

const SIZE_PX = 6;
/** Colours of the lines over frames, which bear text. */
export const HATCH_LINES: Record<Theme, string> = { light: "#ffffffb0", dark: "#00000080" };
export const HATCH_ALPHA = 0.55;

/** Draws lines of `line` over `color`, rising to the right or falling, into a tile; null where there is no canvas. */
function draw(color: string, line: string | null, rising: boolean, size: number): CanvasRenderingContext2D | null {
  const tile = document.createElement("canvas");
  tile.width = tile.height = size;
  const pen = tile.getContext("2d", { willReadFrequently: true });
  if (!pen) return null;
  pen.scale(size / SIZE_PX, size / SIZE_PX);
  pen.fillStyle = color;
  pen.fillRect(0, 0, SIZE_PX, SIZE_PX);
  if (line === null) return pen;
  pen.strokeStyle = line;
  pen.globalAlpha = HATCH_ALPHA;
  pen.lineWidth = 1.2;
  pen.beginPath();
  for (const shift of [-SIZE_PX, 0, SIZE_PX]) {
    pen.moveTo(shift - 1, rising ? 7 : -1);
    pen.lineTo(shift + 7, rising ? -1 : 7);
  }
  pen.stroke();
  return pen;
}

/** A fill of such lines; the plain colour where there are no patterns. */
export function hatched(ctx: CanvasRenderingContext2D, color: string, line: string, rising: boolean): string | CanvasPattern {
  const pen = draw(color, line, rising, SIZE_PX);
  return (pen && ctx.createPattern(pen.canvas, "repeat")) ?? color;
}

/** The same as pixels, or with no `line` the colour alone, for a screen with `ratio` pixels for one of CSS. */
export function tileOf(color: string, line: string | null, rising: boolean, ratio: number): Tile {
  const size = line === null ? 1 : Math.max(1, Math.round(SIZE_PX * ratio));
  const data = draw(color, line, rising, size)?.getImageData(0, 0, size, size).data;
  return { size, pixels: data ? new Uint32Array(data.buffer) : new Uint32Array(size * size) };
}
