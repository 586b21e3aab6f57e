/** Text on every colour of the chart has its contrast, and what a colour says is seen beside what lies next to it. */
import { describe, expect, test } from "vitest";
import { STATE_CLASSES } from "../src/model/state";
import type { Theme } from "../src/render/colors";
import { changeFill, contrast, heatFill, INK, STATE_COLORS, stateFill } from "../src/render/colors";
import { HATCH_ALPHA, HATCH_LINES } from "../src/render/hatch";

type Rgb = readonly [number, number, number];
const hex = (text: string): Rgb => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)) as unknown as Rgb;
const mixed = (below: Rgb, above: Rgb, part: number): Rgb => below.map((value, i) => value + part * (above[i]! - value)) as unknown as Rgb;
const steps = Array.from({ length: 41 }, (_, i) => i / 40);
const BACKGROUNDS: Record<Theme, string> = { light: "#ffffff", dark: "#14171c" };

/** What `protanopia` and `deuteranopia` make of a linear colour (Viénot, Brettel and Mollon, 1999). */
const BLIND = {
  protanopia: [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
  deuteranopia: [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
} satisfies Record<string, readonly (readonly number[])[]>;

function seenBy(kind: keyof typeof BLIND, color: Rgb): Rgb {
  const linear = color.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return BLIND[kind].map((row) => {
    const value = Math.min(1, Math.max(0, row.reduce((sum, part, i) => sum + part * linear[i]!, 0)));
    return 255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055);
  }) as unknown as Rgb;
}

const distance = (a: Rgb, b: Rgb): number => Math.hypot(...a.map((value, i) => value - b[i]!));

describe.each(["light", "dark"] as const)("colours, %s", (theme) => {
  const inks = [INK[theme].text, INK[theme].faint].map(hex);

  test("GIVEN every state, heat and change THEN text on it has a contrast of 4.5, on the hatches' lines too", () => {
    const fills: Rgb[] = [];
    for (let kind = 0; kind <= STATE_CLASSES; kind++) for (let variant = 0; variant < 3; variant++) fills.push(stateFill(theme, kind, variant));
    for (const step of steps) fills.push(heatFill(theme, step), changeFill(theme, step), changeFill(theme, -step));
    const line = HATCH_LINES[theme];
    const lines = steps.flatMap((step) => [changeFill(theme, step), changeFill(theme, -step)])
      .map((fill) => mixed(fill, hex(line), (parseInt(line.slice(7), 16) / 255) * HATCH_ALPHA));
    for (const fill of [...fills, ...lines]) for (const ink of inks) expect(contrast(fill, ink)).toBeGreaterThanOrEqual(4.5);
  });

  test("GIVEN a state that says something THEN it stands out from the background by 3 to 1", () => {
    STATE_COLORS[theme].slice(1).forEach((color) => expect(contrast(hex(color), hex(BACKGROUNDS[theme]))).toBeGreaterThanOrEqual(3));
  });

  test("GIVEN more and less THEN those who see no red or no green tell them apart, and from no change", () => {
    for (const kind of ["protanopia", "deuteranopia"] as const) {
      const [less, none, more] = [-1, 0, 1].map((change) => seenBy(kind, changeFill(theme, change))) as [Rgb, Rgb, Rgb];
      expect(distance(less, more)).toBeGreaterThan(60);
      expect(distance(less, none)).toBeGreaterThan(30);
      expect(distance(more, none)).toBeGreaterThan(30);
    }
  });

  test("GIVEN running, holding and waiting THEN those who see no red or no green tell them apart", () => {
    for (const kind of ["protanopia", "deuteranopia"] as const) {
      const [, running, holding, waiting] = STATE_COLORS[theme].map((color) => seenBy(kind, hex(color))) as [Rgb, Rgb, Rgb, Rgb];
      for (const [a, b] of [[running, holding], [running, waiting], [holding, waiting]] as const) expect(distance(a, b)).toBeGreaterThan(30);
    }
  });
});
