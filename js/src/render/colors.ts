/**
 * Colours of frames and states. Hues are spaced in OKLCH, where equal steps look equal: a package keeps its
 * hue, functions of it differ a little in hue and lightness, and text on every one of them has a contrast of at
 * least 4.5 to 1 (tested).
 */
import type { Origin } from "../model/origin";

export type Theme = "light" | "dark";

/** Gives an sRGB colour for lightness 0..1, chroma and hue in degrees; out-of-gamut values are clipped. */
export function oklch(lightness: number, chroma: number, hue: number): [number, number, number] {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const gamma = (x: number): number => {
    const value = x <= 0.0031308 ? 12.92 * x : 1.055 * Math.max(x, 0) ** (1 / 2.4) - 0.055;
    return Math.round(255 * Math.min(1, Math.max(0, value)));
  };
  return [
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

/** WCAG relative luminance of an sRGB colour. */
export function luminance([r, g, b]: readonly [number, number, number]): number {
  const linear = (c: number): number => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

export function contrast(a: readonly [number, number, number], b: readonly [number, number, number]): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

export const css = ([r, g, b]: readonly [number, number, number]): string => `rgb(${r},${g},${b})`;

/** Seven hues, ordered so that neighbours in the order of appearance are far apart. Red is left to errors. */
const HUES = [255, 55, 165, 300, 95, 215, 130];
const FILL: Record<Theme, Record<Origin, { lightness: number; chroma: number }>> = {
  light: {
    own: { lightness: 0.835, chroma: 0.088 },
    installed: { lightness: 0.87, chroma: 0.052 },
    stdlib: { lightness: 0.905, chroma: 0.014 },
  },
  dark: {
    own: { lightness: 0.455, chroma: 0.085 },
    installed: { lightness: 0.4, chroma: 0.05 },
    stdlib: { lightness: 0.345, chroma: 0.014 },
  },
};
const STDLIB_HUE = 255;
/** Lightness step between siblings, so that borders are seen without lines. */
const STEP = 0.022;

/** A small hash, the same everywhere (FNV-1a). */
export function hashText(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** Gives each package a hue: by its name's hash, the next free one where that is taken. */
export class Hues {
  private readonly index = new Map<string, number>();
  private readonly used = new Uint32Array(HUES.length);

  of(name: string): number {
    let at = this.index.get(name);
    if (at === undefined) {
      at = hashText(name) % HUES.length;
      const least = Math.min(...this.used);
      while (this.used[at]! > least) at = (at + 1) % HUES.length;
      this.used[at]!++;
      this.index.set(name, at);
    }
    return HUES[at]!;
  }
}

/** Fill of a frame; `variant` is 0, 1 or 2 and differs between siblings, `shade` is a hash of the function. */
export function frameFill(
  theme: Theme, origin: Origin, hue: number, shade: number, variant: number,
): [number, number, number] {
  const { lightness, chroma } = FILL[theme][origin];
  const turned = origin === "stdlib" ? STDLIB_HUE : hue + ((shade % 7) - 3) * 6;
  return oklch(lightness + (variant - 1) * STEP, chroma, turned);
}

/** Hues and chromas of frames coloured by state, in the order of `StateClass`; then of those of no known state. */
const STATE_TINTS: readonly (readonly [number, number])[] = [[255, 0.006], [160, 0.085], [255, 0.095], [82, 0.1], [305, 0.085], [255, 0.006]];

/** Fill of a frame whose time is mostly of one state. */
export function stateFill(theme: Theme, kind: number, variant: number): [number, number, number] {
  const [hue, chroma] = STATE_TINTS[kind] ?? STATE_TINTS[5]!;
  return oklch(FILL[theme].own.lightness + (chroma < 0.05 ? (theme === "light" ? 0.06 : -0.1) : 0) + (variant - 1) * STEP, chroma, hue);
}

/** Fill of a frame with a part, from 0 to 1, of the hottest frame's own time. */
export function heatFill(theme: Theme, heat: number): [number, number, number] {
  const strength = Math.sqrt(Math.min(1, Math.max(0, heat)));
  return theme === "light" ? oklch(0.935 - 0.155 * strength, 0.008 + 0.13 * strength, 55) : oklch(0.32 + 0.172 * strength, 0.006 + 0.115 * strength, 50);
}

/** Fill of a frame whose share changed, from -1 (most less: blue) over 0 (grey) to 1 (most more: orange). */
export function changeFill(theme: Theme, change: number): [number, number, number] {
  const strength = Math.sqrt(Math.min(1, Math.abs(change)));
  const hue = change > 0 ? 60 : 250;
  return theme === "light" ? oklch(0.92 - 0.12 * strength, 0.004 + 0.11 * strength, hue) : oklch(0.33 + 0.157 * strength, 0.004 + 0.1 * strength, hue);
}

export interface ChartInk {
  readonly text: string;
  readonly faint: string;
  readonly dimFill: string;
  readonly dimText: string;
  readonly merged: string;
}

/** Colours of the chart that do not depend on the frame. */
export const INK: Record<Theme, ChartInk> = {
  light: {
    text: "#16202e", faint: "#3a4656", dimFill: "#f0f1f3", dimText: "#666d78", merged: "#d4d8de",
  },
  dark: {
    text: "#f5f7fa", faint: "#d5dbe4", dimFill: "#23272e", dimText: "#949ba6", merged: "#434a55",
  },
};

/** State colours, in the order of `StateClass`: from a palette that colour-blind readers can tell apart. */
export const STATE_COLORS: Record<Theme, readonly string[]> = {
  light: ["#dfe3e8", "#2f9e6e", "#2f6fd0", "#bd7f0c", "#8a5cc2"],
  dark: ["#3a4049", "#3fb383", "#5794ee", "#e5ae3c", "#a982dc"],
};
