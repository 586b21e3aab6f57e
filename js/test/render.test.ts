import { describe, expect, test } from "vitest";
import { roughPercent } from "../src/model/format";
import { Boxes, layoutTree, leftEdge, MERGE_PX, MIN_PX } from "../src/model/layout";
import { EVERYTHING, SelectedTree } from "../src/model/selection";
import { STATE_CLASSES, StateClass } from "../src/model/state";
import { originOf, packageOf } from "../src/model/origin";
import { contrast, frameFill, Hues, INK, oklch, STATE_COLORS } from "../src/render/colors";
import type { FlamePicture } from "../src/render/flame";
import { paintFlame, ROW_PX } from "../src/render/flame";
import { LabelFitter, shortenMiddle } from "../src/render/labels";
import { rasterLanes } from "../src/render/lanes";
import { columnTimes, rememberedTimes, ticks } from "../src/render/timeline";
import type { Profile } from "../src/model/profile";
import { goldenProfile, numbers, ProfileMaker } from "./golden";

const width = (text: string): number => Array.from(text).length * 6;

interface Call {
  readonly what: string;
  readonly args: (number | string)[];
  readonly fill: string;
}

/** Colours of the boxes: what is filled after the background. */
const fillsOf = (calls: Call[]): string[] => calls.filter((call) => call.what === "fillRect").slice(1).map((call) => call.fill);

/** A 2D context that records what is drawn on it. */
function recorder(): { context: CanvasRenderingContext2D; calls: Call[] } {
  const calls: Call[] = [];
  const target: Record<string, unknown> = { fillStyle: "", strokeStyle: "", font: "", globalAlpha: 1 };
  const context = new Proxy(target, {
    get: (_, name: string) => name in target ? target[name]
      : (...args: (number | string)[]) => calls.push({ what: name, args, fill: String(target["fillStyle"]) }),
    set: (_, name: string, value) => {
      target[name] = value;
      return true;
    },
  });
  return { context: context as unknown as CanvasRenderingContext2D, calls };
}

function layOut(selected: SelectedTree, widthPx: number, zoom = 0): Boxes {
  const boxes = new Boxes();
  const { tree, weights: { total } } = selected;
  const view = { from: leftEdge(tree, total, zoom, "steady"), span: total[zoom]!, widthPx };
  layoutTree(boxes, tree, total, 0, 0, "steady", view);
  return boxes;
}

const selectAll = (profile: Profile): SelectedTree => new SelectedTree(profile, EVERYTHING, "function");

function picture(selected: SelectedTree, boxes: Boxes, widthPx: number, more: Partial<FlamePicture> = {}): FlamePicture {
  return {
    boxes, widthPx, heightPx: 200, rowTop: (row) => (row - 1) * ROW_PX, firstRow: 1, lastRow: boxes.rows - 1,
    fill: (node) => `color${node % 3}`, name: (node) => `function_${node}`, place: () => "file.py:1",
    amount: (node) => roughPercent(selected.weights.total[node]! / selected.weights.total[0]!), matches: null, focused: -1,
    ink: INK.light, accent: "accent", background: "white", font: "12px sans", fitter: new LabelFitter(width), ...more,
  };
}

describe("layout", () => {
  test("GIVEN a tree THEN children lie under their parent, side by side, without overlap", () => {
    const selected = selectAll(goldenProfile());
    const boxes = layOut(selected, 2000);
    const { tree } = selected;
    expect(boxes.rows).toBeGreaterThan(5);
    for (let row = 1; row < boxes.rows; row++) {
      let last = 0;
      for (let box = boxes.rowStart.data[row]!; box < boxes.rowStart.data[row + 1]!; box++) {
        const node = boxes.node.data[box]!;
        expect(boxes.left.data[box]!).toBeGreaterThanOrEqual(last - 1e-6);
        last = boxes.right.data[box]!;
        if (node < 0) continue;
        const parent = boxes.find(row - 1, tree.parent.data[node]!);
        expect(boxes.left.data[box]!).toBeGreaterThanOrEqual(boxes.left.data[parent]! - 1e-6);
        expect(last).toBeLessThanOrEqual(boxes.right.data[parent]! + 1e-6);
      }
    }
  });

  test("GIVEN every box THEN its middle is hit, and beside the boxes nothing is", () => {
    const boxes = layOut(selectAll(goldenProfile()), 1200);
    for (let row = 0; row < boxes.rows; row++) {
      for (let box = boxes.rowStart.data[row]!; box < boxes.rowStart.data[row + 1]!; box++) {
        expect(boxes.at(row, (boxes.left.data[box]! + boxes.right.data[box]!) / 2)).toBe(box);
      }
    }
    expect(boxes.at(0, -1)).toBe(-1);
    expect(boxes.at(0, 1200)).toBe(-1);
    expect(boxes.at(boxes.rows, 5)).toBe(-1);
  });

  test("GIVEN a zoomed node THEN it fills the width and its neighbours are gone", () => {
    const selected = selectAll(goldenProfile());
    const { tree, weights } = selected;
    let zoom = 0;
    for (let node = 1; node < tree.size; node++) if (tree.depth.data[node] === 4 && weights.total[node]! > (weights.total[zoom === 0 ? tree.size : zoom] ?? 0)) zoom = node;
    const boxes = layOut(selected, 700, zoom);
    for (let row = 0; row <= 4; row++) {
      expect(boxes.rowStart.data[row + 1]! - boxes.rowStart.data[row]!).toBe(1);
      expect(boxes.left.data[boxes.rowStart.data[row]!]!).toBeCloseTo(0);
      expect(boxes.right.data[boxes.rowStart.data[row]!]!).toBeCloseTo(700);
    }
    expect(boxes.node.data[boxes.rowStart.data[4]!]).toBe(zoom);
  });

  test("GIVEN 20,000 siblings THEN what is laid out is bounded by pixels", () => {
    const maker = new ProfileMaker();
    for (let i = 0; i < 20_000; i++) maker.add({ stack: ["main", `f${i}`, "leaf"], start: i, weight: 1 });
    const boxes = layOut(selectAll(maker.profile), 500);
    expect(boxes.node.length).toBeLessThan(10);
    const merged = boxes.node.data[boxes.rowStart.data[2]!]!;
    expect(merged).toBe(-20_000);
    expect(boxes.right.data[boxes.rowStart.data[2]!]!).toBeCloseTo(500);
  });

  test("GIVEN random weights THEN no row has more boxes than pixels allow, and none is too narrow", () => {
    const next = numbers(9);
    const maker = new ProfileMaker();
    for (let i = 0; i < 3000; i++) {
      const stack = Array.from({ length: 1 + Math.floor(next() * 6) }, () => `f${Math.floor(next() ** 3 * 60)}`);
      maker.add({ stack, start: i, weight: 1 + Math.floor(next() ** 4 * 500) });
    }
    const boxes = layOut(selectAll(maker.profile), 300);
    for (let row = 0; row < boxes.rows; row++) expect(boxes.rowStart.data[row + 1]! - boxes.rowStart.data[row]!).toBeLessThanOrEqual(2 * (300 / MERGE_PX) + 1);
    for (let box = 0; box < boxes.node.length; box++) {
      expect(boxes.right.data[box]! - boxes.left.data[box]!).toBeGreaterThanOrEqual((boxes.node.data[box]! < 0 ? MIN_PX : MERGE_PX) - 1e-6);
    }
  });

  test("GIVEN growth THEN the steady order keeps places, and the heavy order sorts", () => {
    const maker = new ProfileMaker().add({ stack: ["main", "a"], start: 0, weight: 10 }, { stack: ["main", "b"], start: 10, weight: 10 });
    const selected = selectAll(maker.profile);
    maker.add({ stack: ["main", "b"], start: 20, weight: 60 });
    selected.update();
    const { tree, weights: { total } } = selected;
    const b = 3;
    expect(leftEdge(tree, total, b, "steady")).toBe(10);
    expect(leftEdge(tree, total, b, "heavy")).toBe(0);
  });
});

describe("flame", () => {
  test("GIVEN rows outside of the canvas THEN they are not drawn", () => {
    const stack = Array.from({ length: 10_000 }, (_, i) => `f${i % 7}`);
    const selected = selectAll(new ProfileMaker().add({ stack, start: 0, weight: 5 }).profile);
    const boxes = layOut(selected, 400);
    const { context, calls } = recorder();
    paintFlame(context, picture(selected, boxes, 400, { firstRow: 1, lastRow: 12 }));
    expect(boxes.rows).toBe(10_001);
    expect(calls.filter((call) => call.what === "fillRect")).toHaveLength(1 + 12);
    expect(calls.length).toBeLessThan(70);
  });

  test("GIVEN many boxes of few colours THEN each colour is set once", () => {
    const selected = selectAll(goldenProfile());
    const { context, calls } = recorder();
    paintFlame(context, picture(selected, layOut(selected, 1500), 1500));
    const fills = fillsOf(calls).filter((fill, i, all) => fill !== all[i - 1]);
    expect(new Set(fills).size).toBe(fills.length);
    expect(fills.length).toBeLessThanOrEqual(4);
  });

  test("GIVEN labels THEN each fits into its box, and a narrow box has none", () => {
    const selected = selectAll(goldenProfile());
    const boxes = layOut(selected, 600);
    const { context, calls } = recorder();
    paintFlame(context, picture(selected, boxes, 600));
    const texts = calls.filter((call) => call.what === "fillText");
    expect(texts.length).toBeGreaterThan(5);
    for (const { args: [text, x, y] } of texts) {
      const box = boxes.at(1 + Math.floor((y as number) / ROW_PX), x as number);
      expect((x as number) + width(text as string)).toBeLessThanOrEqual(boxes.right.data[box]!);
    }
  });

  test("GIVEN a search THEN what does not match is dimmed and keeps its label", () => {
    const selected = selectAll(goldenProfile());
    const { context, calls } = recorder();
    paintFlame(context, picture(selected, layOut(selected, 900), 900, { matches: (node) => node === 1 }));
    const fills = [...new Set(fillsOf(calls))];
    expect(fills.sort()).toEqual([INK.light.dimFill, "color1"].sort());
    expect(calls.some((call) => call.what === "fillText" && call.fill === INK.light.dimText)).toBe(true);
  });

  test("GIVEN a focused box in sight THEN it has its outline", () => {
    const selected = selectAll(goldenProfile());
    const boxes = layOut(selected, 900);
    const { context, calls } = recorder();
    paintFlame(context, picture(selected, boxes, 900, { focused: 2 }));
    paintFlame(context, picture(selected, boxes, 900, { focused: 2, firstRow: boxes.rows - 1 }));
    expect(calls.filter((call) => call.what === "strokeRect")).toHaveLength(1);
  });
});

describe("labels", () => {
  test("GIVEN too little room THEN the middle goes and both ends stay", () => {
    expect(shortenMiddle("load_batch", 60, width)).toBe("load_batch");
    expect(shortenMiddle("load_batch", 42, width)).toBe("loa…tch");
    expect(shortenMiddle("load_batch", 30, width)).toBe("lo…ch");
    // A letter or two of each end say nothing.
    expect(shortenMiddle("load_batch", 29, width)).toBe("");
    expect(shortenMiddle("😀😀😀😀😀😀", 30, width)).toBe("😀😀…😀😀");
  });

  test("GIVEN any width THEN the text fits", () => {
    const fitter = new LabelFitter(width);
    for (let room = 0; room < 120; room++) expect(width(fitter.fit("a_rather_long_name", room))).toBeLessThanOrEqual(Math.max(room, 0));
  });

  test("GIVEN another font THEN widths are measured anew", () => {
    let measured = 0;
    const fitter = new LabelFitter((text) => {
      measured++;
      return width(text);
    });
    fitter.useFont("a");
    fitter.width("x");
    fitter.width("x");
    fitter.useFont("b");
    fitter.width("x");
    expect(measured).toBe(2);
  });
});

describe("colours", () => {
  const hex = (text: string): [number, number, number] =>
    [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)) as [number, number, number];

  test.each(["light", "dark"] as const)("GIVEN the %s theme THEN every text on every frame has a contrast of 4.5", (theme) => {
    const ink = INK[theme];
    for (const origin of ["own", "installed", "stdlib"] as const) {
      for (let hue = 0; hue < 360; hue += 5) {
        for (let shade = 0; shade < 7; shade++) {
          for (let variant = 0; variant < 3; variant++) {
            const fill = frameFill(theme, origin, hue, shade, variant);
            expect(contrast(fill, hex(ink.text))).toBeGreaterThanOrEqual(4.5);
            expect(contrast(fill, hex(ink.faint))).toBeGreaterThanOrEqual(4.5);
          }
        }
      }
    }
    expect(contrast(hex(ink.dimFill), hex(ink.dimText))).toBeGreaterThanOrEqual(4.5);
  });

  test("GIVEN a colour that colour science books know THEN it is that", () => {
    expect(oklch(1, 0, 0)).toEqual([255, 255, 255]);
    expect(oklch(0.627955, 0.257683, 29.2339)).toEqual([255, 0, 0]);
  });

  test("GIVEN the states THEN their colours differ from each other and from the background", () => {
    for (const [theme, background] of [["light", "#ffffff"], ["dark", "#14171c"]] as const) {
      const colors = STATE_COLORS[theme];
      expect(new Set(colors).size).toBe(STATE_CLASSES);
      for (let kind = 1; kind < STATE_CLASSES; kind++) expect(contrast(hex(colors[kind]!), hex(background))).toBeGreaterThanOrEqual(2);
    }
  });

  test("GIVEN files THEN it is told whose code it is", () => {
    expect(originOf("/srv/train.py", false)).toBe("own");
    expect(originOf("/usr/lib/python3.13/threading.py", false)).toBe("stdlib");
    expect(originOf("/usr/lib/python3.13/json/encoder.py", false)).toBe("stdlib");
    expect(originOf("<frozen importlib._bootstrap>", false)).toBe("stdlib");
    expect(originOf("/x/lib/python3.13t/site-packages/numpy/core.py", false)).toBe("installed");
    expect(originOf("C:\\Python313\\Lib\\threading.py", false)).toBe("stdlib");
    expect(originOf("/usr/lib/python3.13/threading.py", true)).toBe("own");
    expect(packageOf("data.images", "images.py", "own")).toBe("data");
    expect(packageOf("", "images.py", "own")).toBe("images.py");
  });

  test("GIVEN packages THEN the first seven have hues of their own, and a package keeps its hue", () => {
    const hues = new Hues();
    const packages = ["a", "b", "c", "d", "e", "f", "g"];
    const first = packages.map((name) => hues.of(name));
    expect(new Set(first).size).toBe(7);
    expect(packages.map((name) => hues.of(name))).toEqual(first);
  });
});

describe("timeline", () => {
  test.each([[0, 1.2e6, 40], [0, 1.2e6, 1000], [310_000, 480_000, 333]])("GIVEN [%d, %d) in %d columns THEN the times add up to the samples'", (from, to, columns) => {
    const profile = goldenProfile();
    for (let thread = 0; thread < 4; thread++) {
      const times = columnTimes(profile, thread, from, to, columns);
      const { time } = { time: new SelectedTree(profile, { ...EVERYTHING, time: [from, to] }, "function").threads[thread]! };
      expect(times.reduce((a, b) => a + b, 0)).toBeCloseTo(time.seen, -1);
      const gil = times.reduce((sum, us, i) => sum + (i % STATE_CLASSES === StateClass.GIL || i % STATE_CLASSES === StateClass.GC ? us : 0), 0);
      expect(gil).toBeCloseTo(time.gil, -1);
    }
  });

  test("GIVEN threads that share a lane THEN what any of them does is seen, and it is the same array until more comes", () => {
    const maker = new ProfileMaker(3);
    for (const [thread, awake] of [[0, 200], [1, 600], [2, -1]] as const) {
      for (let start = 0; start < 1000; start += 100) maker.add({ stack: ["f"], thread, start, weight: 100, state: start === awake ? 3 : 0 });
    }
    const times = (): Float32Array => rememberedTimes(maker.profile, -1, [0, 1, 2], 0, 1250, 5);
    const gil = (): number[] => Array.from({ length: 5 }, (_, column) => times()[column * STATE_CLASSES + StateClass.GIL]!);
    const there = (): boolean[] => Array.from({ length: 5 }, (_, column) => times()[column * STATE_CLASSES + StateClass.IDLE]! > 0);
    expect(gil()).toEqual([50, 50, 100, 0, 0]);
    expect(there()).toEqual([true, true, true, true, false]);
    expect(times()).toBe(times());
    const before = times();
    maker.add({ stack: ["f"], thread: 2, start: 1000, weight: 100, state: 3 });
    expect(times()).not.toBe(before);
    expect([gil(), there()]).toEqual([[50, 50, 100, 0, 100], [true, true, true, true, true]]);
  });

  const plain = [1, 2, 3, 4, 5].map((color) => ({ size: 1, pixels: Uint32Array.of(0xff000000 + 2 * color) }));

  test("GIVEN lanes THEN each column is as high as its states' time, and nothing is outside of the lanes", () => {
    const [columns, height] = [300, 12];
    const profile = goldenProfile();
    const columnUs = 1.2e6 / columns;
    const lanes = [0, 1, 2].map((thread) => ({
      times: columnTimes(profile, thread, 0, 1.2e6, columns), columnUs, top: 3 + thread * 20, height,
    }));
    const pixels = new Uint32Array(columns * 70);
    rasterLanes(pixels, columns, lanes, plain);
    let seen = 0;
    for (const { times, top } of lanes) {
      for (let column = 0; column < columns; column++) {
        const own = Array.from({ length: height }, (_, y) => pixels[(top + y) * columns + column]!);
        const parts = times.slice(column * STATE_CLASSES, (column + 1) * STATE_CLASSES);
        if (!parts.some((us) => us > 0)) {
          expect(own.every((pixel) => pixel === 0)).toBe(true);
          continue;
        }
        seen++;
        expect(own.every((pixel) => pixel >>> 24 === 255)).toBe(true);
        const gil = own.filter((pixel) => (pixel & 255) === 2 * (1 + StateClass.GIL)).length;
        expect(Math.abs(gil - (height * parts[StateClass.GIL]!) / columnUs)).toBeLessThanOrEqual(1);
      }
    }
    expect(seen).toBeGreaterThan(100);
    const covered = pixels.filter((pixel, i) => pixel !== 0 && !lanes.some(({ top }) => i >= top * columns && i < (top + height) * columns));
    expect(covered).toHaveLength(0);
  });

  test("GIVEN lanes that reach beyond the image THEN only what lies in it is written", () => {
    const times = Float32Array.from({ length: 2 * STATE_CLASSES }, (_, i) => (i % STATE_CLASSES === StateClass.RUNNING ? 5 : 0));
    const pixels = new Uint32Array(2 * 10);
    rasterLanes(pixels, 2, [-3, 8].map((top) => ({ times, columnUs: 10, top, height: 4 })), plain);
    // Of the upper lane its lowest row, half of it running; of the lower its upper two, which are idle.
    expect(Array.from(pixels.subarray(0, 2))).toEqual([0xff000004, 0xff000004]);
    expect(Array.from(pixels.subarray(16))).toEqual([0xff000002, 0xff000002, 0xff000002, 0xff000002]);
    expect(Array.from(pixels.subarray(2, 16)).every((pixel) => pixel === 0)).toBe(true);
  });

  test("GIVEN any span THEN the ticks are round and apart", () => {
    expect(ticks(0, 1e6, 700, 70)).toHaveLength(11);
    expect(ticks(0, 12.4e6, 900, 70).map((us) => us / 1e6)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(ticks(5, 5, 900, 70)).toEqual([]);
  });
});
