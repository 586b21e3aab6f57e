/** What lies across the lanes of time: marks at round times, and the part that is selected. On any 2D context. */
import { ticks } from "./timeline";

/** A part of the time, and where on the canvas it is. */
export interface TimeScale {
  readonly fromUs: number;
  readonly toUs: number;
  readonly left: number;
  readonly width: number;
}

export interface RulerInk {
  readonly background: string;
  readonly muted: string;
  readonly border: string;
  readonly accent: string;
  readonly fontFamily: string;
}

const MARK_PX = 70;

const xOf = ({ fromUs, left, toUs, width }: TimeScale, us: number): number => left + ((us - fromUs) / (toUs - fromUs)) * width;

/** Marks round times by lines as long as `bottom`, their texts below. */
export function paintRuler(ctx: CanvasRenderingContext2D, scale: TimeScale, bottom: number, ink: RulerInk): void {
  const { fromUs, left, toUs, width } = scale;
  const times = ticks(fromUs, toUs, width, MARK_PX);
  const digits = times.length > 1 ? Math.max(0, Math.min(6, Math.ceil(-Math.log10((times[1]! - times[0]!) / 1e6) - 1e-9))) : 1;
  ctx.font = `10px ${ink.fontFamily}`;
  ctx.textBaseline = "alphabetic";
  for (const time of times) {
    const x = Math.round(xOf(scale, time)) + 0.5;
    ctx.fillStyle = ink.border;
    ctx.fillRect(x, 0, 1, bottom + 3);
    const text = `${(time / 1e6).toFixed(digits)} s`;
    if (x + ctx.measureText(text).width > left + width + 6) continue;
    ctx.fillStyle = ink.muted;
    ctx.fillText(text, x + 3, bottom + 12);
  }
}

/** Veils what is not selected, and marks the ends of what is. */
export function paintBrush(ctx: CanvasRenderingContext2D, scale: TimeScale, range: readonly [number, number], bottom: number, ink: RulerInk): void {
  const { left, width } = scale;
  const from = Math.max(left, xOf(scale, range[0]));
  const to = Math.min(left + width, xOf(scale, range[1]));
  if (to < from) return;
  ctx.globalAlpha = 0.62;
  ctx.fillStyle = ink.background;
  ctx.fillRect(left, 0, from - left, bottom);
  ctx.fillRect(to, 0, left + width - to, bottom);
  ctx.globalAlpha = 1;
  ctx.fillStyle = ink.accent;
  ctx.fillRect(from - 1, 0, 2, bottom);
  ctx.fillRect(to - 1, 0, 2, bottom);
  ctx.fillRect(from, bottom, Math.max(1, to - from), 2);
}
