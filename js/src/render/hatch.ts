/** Hatched fills: what differs by colour differs without colour too. */

/** Lines of `line` over `color`, rising to the right or falling; the plain colour where there are no patterns. */
export function hatched(ctx: CanvasRenderingContext2D, color: string, line: string, rising: boolean): string | CanvasPattern {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const pen = tile.getContext("2d");
  if (!pen) return color;
  pen.fillStyle = color;
  pen.fillRect(0, 0, 6, 6);
  pen.strokeStyle = line;
  pen.globalAlpha = 0.55;
  pen.lineWidth = 1.2;
  pen.beginPath();
  for (const shift of [-6, 0, 6]) {
    pen.moveTo(shift - 1, rising ? 7 : -1);
    pen.lineTo(shift + 7, rising ? -1 : 7);
  }
  pen.stroke();
  return ctx.createPattern(tile, "repeat") ?? color;
}
