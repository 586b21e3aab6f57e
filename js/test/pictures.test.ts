import { describe, expect, test } from "vitest";
import { roughPercent } from "../src/model/format";
import { Boxes, layoutTree } from "../src/model/layout";
import { EVERYTHING, SelectedTree } from "../src/model/selection";
import { INK } from "../src/render/colors";
import type { FlamePicture } from "../src/render/flame";
import { paintFlame, ROW_PX } from "../src/render/flame";
import { LabelFitter } from "../src/render/labels";
import { SPARK_HEIGHT, SPARK_WIDTH, sparkPath } from "../src/render/spark";
import { SvgContext } from "../src/render/svg-context";
import { goldenProfile, ProfileMaker } from "./golden";

const WIDTH_PX = 900;

function picture(selected: SelectedTree, more: Partial<FlamePicture> = {}): FlamePicture {
  const boxes = new Boxes();
  const { tree, weights: { total } } = selected;
  layoutTree(boxes, tree, total, 0, 0, "steady", { from: 0, span: total[0]!, widthPx: WIDTH_PX });
  return {
    boxes, widthPx: WIDTH_PX, heightPx: boxes.rows * ROW_PX, rowTop: (row) => (row - 1) * ROW_PX, firstRow: 1, lastRow: boxes.rows - 1,
    fill: (node) => `#00000${node % 3}`, name: (node) => `f${node}`, place: () => "", amount: (node) => roughPercent(total[node]! / total[0]!),
    matches: null, focused: -1, ink: INK.light, accent: "red", background: "#fff", font: "12px sans",
    fitter: new LabelFitter((text) => text.length * 6), ...more,
  };
}

function svgOf(flame: FlamePicture): { svg: string; rects: string[]; texts: string[] } {
  const context = new SvgContext(flame.widthPx, flame.heightPx, "#abcdef");
  paintFlame(context.context, flame);
  const { svg } = context;
  return { svg, rects: svg.match(/<rect [^>]*>/g) ?? [], texts: [...svg.matchAll(/<text [^>]*>([^<]*)</g)].map((found) => found[1]!) };
}

describe("the picture as SVG", () => {
  test("GIVEN a chart THEN every box is a rectangle where it lies, and every label stands in its row", () => {
    const flame = picture(new SelectedTree(goldenProfile(), EVERYTHING, "function"));
    const { boxes } = flame;
    const { rects, svg, texts } = svgOf(flame);
    expect(svg).toMatch(new RegExp(`^<svg xmlns="http://www.w3.org/2000/svg" width="900" height="${flame.heightPx}" viewBox="0 0 900 ${flame.heightPx}"`));
    expect(rects[0]).toBe(`<rect x="0" y="0" width="900" height="${flame.heightPx}" fill="#fff"/>`);
    expect(rects.length - 1).toBe(boxes.node.length - boxes.rowStart.data[1]!);
    for (let row = 1; row < boxes.rows; row++) {
      for (let box = boxes.rowStart.data[row]!; box < boxes.rowStart.data[row + 1]!; box++) {
        const x = String(Math.round(boxes.left.data[box]! * 100) / 100);
        expect(rects.some((rect) => rect.startsWith(`<rect x="${x}" y="${(row - 1) * ROW_PX}" `)), `box ${box}`).toBe(true);
      }
    }
    expect(texts).toContain("f1");
    const rows = [...svg.matchAll(/<text x="[^"]*" y="([^"]*)"/g)].map((found) => (Number(found[1]) - 9) / ROW_PX);
    expect(rows.every((row) => Number.isInteger(row))).toBe(true);
  });

  test("GIVEN hostile names THEN they are text, and quotes end no attribute", () => {
    const maker = new ProfileMaker();
    maker.add({ stack: ["main"], start: 0, weight: 1000 });
    const { svg, texts } = svgOf(picture(new SelectedTree(maker.profile, EVERYTHING, "function"), {
      name: () => "<script>&\"", fill: () => "\"><script>", font: "12px \"A\"",
    }));
    expect(svg).not.toContain("<script>");
    expect(texts).toEqual(expect.arrayContaining(["&#60;script&#62;&#38;&#34;"]));
    expect(svg).toContain("style=\"font:12px &#34;A&#34;\"");
  });

  test("GIVEN patterns and marks THEN a plain colour stands for the one, and the others are left out", () => {
    const maker = new ProfileMaker();
    maker.add({ stack: ["main"], start: 0, weight: 1000 });
    const flame = picture(new SelectedTree(maker.profile, EVERYTHING, "function"), { fill: () => ({}) as CanvasPattern, focused: 1 });
    const { rects, svg } = svgOf(flame);
    expect(rects[1]).toContain("fill=\"#abcdef\"");
    expect(svg).not.toContain("stroke");
  });
});

describe("sparklines", () => {
  const heights = (path: string): number[] => [...path.matchAll(/V([\d.]+)H/g)].map((found) => Number(found[1]));

  test("GIVEN shares THEN each is a bar of its height and all have the same width", () => {
    const path = sparkPath(Float32Array.of(0, 0.5, 1, 0.25));
    expect(path).toBe("M0 16V15.0H14.0V7.5H28.0V0.0H42.0V11.3H56.0V16Z");
  });

  test("GIVEN any shares THEN the area is closed and inside, and nothing but idle is one pixel", () => {
    const shares = Float32Array.from({ length: 30 }, (_, i) => (i % 7) / 6);
    const path = sparkPath(shares);
    expect(heights(path)).toHaveLength(30);
    heights(path).forEach((y, i) => expect(y).toBeCloseTo((SPARK_HEIGHT - 1) * (1 - shares[i]!), 1));
    expect(path.endsWith(`H${SPARK_WIDTH.toFixed(1)}V${SPARK_HEIGHT}Z`)).toBe(true);
    expect(new Set(heights(sparkPath(new Float32Array(30))))).toEqual(new Set([SPARK_HEIGHT - 1]));
  });
});
