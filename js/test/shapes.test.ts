/** The shapes of a call tree, against a golden file that nbspy/model/shaping.py has to agree with as well. */
import { describe, expect, test } from "vitest";
import { callees, functionRows, outermost } from "../src/model/functions";
import { InvertedTree, ownTimes } from "../src/model/invert";
import { Names } from "../src/model/names";
import { Profile } from "../src/model/profile";
import type { Weights } from "../src/model/weights";
import { EVERYTHING, SelectedTree } from "../src/model/selection";
import type { Rule, Shaping } from "../src/model/shape";
import { Shape, UNSHAPED } from "../src/model/shape";
import type { CallTree } from "../src/model/tree";
import { ViewState } from "../src/model/view-state";
import { decodeAll, goldenSections, numbers, ProfileMaker, stream } from "./golden";

const golden = goldenSections("shapes.folded");

function shapesProfile(): Profile {
  const profile = new Profile();
  for (const record of decodeAll([stream("shapes.nbspy")])) profile.apply(record);
  return profile;
}

const textOf = (names: Names, key: number): string => names.name(key).replace(/^(.*) \(package\)$/, "[$1]");

function folded(tree: CallTree, weights: Weights, names: Names): string[] {
  const lines: string[] = [];
  for (let node = 0; node < tree.size; node++) {
    if (!(weights.selfSamples[node]! > 0)) continue;
    const stack = tree.path(node).map((step) => textOf(names, tree.key.data[step]!)).join(";");
    lines.push(`${stack || "-"} ${weights.selfSamples[node]!} ${weights.self[node]!}`);
  }
  return lines.sort();
}

/** A section's title as a shaping: words and the names that they act on. */
function shapingOf(title: string): Shaping {
  const rules: Rule[] = [];
  let kind: Rule["do"] | null = null;
  const shaping = { rules, recursion: false, machinery: false };
  for (const word of title.split(" ")) {
    if (word === "recursion" || word === "machinery") shaping[word] = true;
    else if (["focus", "hide", "drop", "collapse", "package"].includes(word)) kind = word as Rule["do"];
    else if (kind === "package") rules.push({ do: kind, what: word });
    else if (kind) rules.push({ do: kind, what: { name: word, file: "", line: 0 } });
  }
  return shaping;
}

function shaped(profile: Profile, shaping: Shaping): { selected: SelectedTree; names: Names } {
  const names = new Names(profile, "function");
  return { names, selected: new SelectedTree(profile, EVERYTHING, "function", new Shape(profile.functionTree, names, shaping)) };
}

describe("shapes", () => {
  const titles = [...golden.keys()].filter((title) => !/^(inverted|call|functions)/.test(title));

  test.each(titles)("GIVEN the golden stacks WHEN shaped by %s THEN they are the golden ones", (title) => {
    const { names, selected } = shaped(shapesProfile(), shapingOf(title));
    expect(folded(selected.tree, selected.weights, names)).toEqual(golden.get(title)!.slice().sort());
  });

  test.each(titles)("GIVEN records one by one WHEN shaped by %s THEN the tree is that of all at once", (title) => {
    const profile = new Profile();
    const records = decodeAll([stream("shapes.nbspy")]);
    // Which files are cells is known before the frames come, as in a session: labels are sent when a cell begins.
    for (const record of records) if (record.kind === "labels") profile.apply(record);
    const { names, selected } = shaped(profile, shapingOf(title));
    for (const record of records) {
      profile.apply(record);
      selected.update();
    }
    expect(folded(selected.tree, selected.weights, names)).toEqual(golden.get(title)!.slice().sort());
  });

  test("GIVEN no rules THEN the tree is the profile's own, without a copy", () => {
    const { selected } = shaped(shapesProfile(), UNSHAPED);
    expect(selected.tree).toBe(selected.profile.functionTree);
  });

  test("GIVEN a stack of 10,000 frames that recurse THEN it is folded at once", () => {
    const stack = Array.from({ length: 10_000 }, (_, i) => `f${i % 3}`);
    const { selected } = shaped(new ProfileMaker().add({ stack, start: 0, weight: 5 }).profile, { ...UNSHAPED, recursion: true });
    expect(selected.tree.size).toBe(4);
    expect(selected.weights.total[1]).toBe(5);
  });
});

describe("inverted", () => {
  test("GIVEN the golden stacks THEN each is found from its leaf upwards, and the first level is every function's own time", () => {
    const { names, selected: { tree, weights } } = shaped(shapesProfile(), UNSHAPED);
    const inverted = new InvertedTree(tree, ownTimes(tree, weights));
    inverted.grow(0, 0);
    expect(folded(inverted.tree, inverted.weights, names)).toEqual(golden.get("inverted")!.slice().sort());
    for (const row of functionRows(tree, weights)) {
      if (row.self > 0) expect(inverted.weights.total[inverted.tree.child(0, row.key)]).toBe(row.self);
    }
  });

  test("GIVEN a growth by width THEN what is narrow waits, and comes when its frame is zoomed", () => {
    const { selected: { tree, weights } } = shaped(shapesProfile(), UNSHAPED);
    const inverted = new InvertedTree(tree, ownTimes(tree, weights));
    inverted.grow(0, 0.02);
    const before = inverted.tree.size;
    const narrow = Array.from({ length: before }, (_, node) => node).filter((node) => node && inverted.weights.total[node]! < 0.02 * inverted.weights.total[0]!);
    expect(narrow.length).toBeGreaterThan(0);
    for (const node of narrow) inverted.grow(node, 0);
    expect(inverted.tree.size).toBeGreaterThan(before);
    for (let node = 1; node < inverted.tree.size; node++) {
      let below = inverted.weights.self[node]!;
      const first = inverted.tree.firstChild.data[node]!;
      for (let child = first; child >= 0; child = inverted.tree.nextSibling.data[child]!) below += inverted.weights.total[child]!;
      if (first >= 0) expect(below).toBe(inverted.weights.total[node]);
    }
  });

  test("GIVEN 10,000 levels THEN they are turned without recursion", () => {
    const stack = Array.from({ length: 10_000 }, (_, i) => `f${i % 50}`);
    const { selected: { tree, weights } } = shaped(new ProfileMaker().add({ stack, start: 0, weight: 5 }).profile, UNSHAPED);
    const inverted = new InvertedTree(tree, ownTimes(tree, weights));
    inverted.grow(0);
    expect(inverted.tree.size).toBe(10_001);
  });
});

describe("functions", () => {
  test("GIVEN the golden stacks THEN self and total are the golden ones; a stack counts once for a function", () => {
    const { names, selected: { tree, weights } } = shaped(shapesProfile(), UNSHAPED);
    const lines = functionRows(tree, weights).map((row) => [names.name(row.key), row.selfSamples, row.samples, row.self, row.total].join(" "));
    expect(lines.sort()).toEqual(golden.get("functions")!.slice().sort());
  });

  test("GIVEN a function THEN its callers and its callees are the golden ones, of the same total", () => {
    const { names, selected: { tree, weights } } = shaped(shapesProfile(), UNSHAPED);
    const wanted = (key: number): boolean => names.name(key) === "walk";
    const above = new InvertedTree(tree, outermost(tree, weights, wanted));
    above.grow(0, 0);
    const below = callees(tree, weights, wanted);
    expect(folded(above.tree, above.weights, names)).toEqual(golden.get("callers walk")!.slice().sort());
    expect(folded(below.tree, below.weights, names)).toEqual(golden.get("callees walk")!.slice().sort());
    const row = functionRows(tree, weights).find((one) => wanted(one.key))!;
    expect(above.weights.total[0]).toBe(row.total);
    expect(below.weights.total[0]).toBe(row.total);
  });

  test.each([1, 2, 3])("GIVEN random stacks (seed %i) THEN inverted, functions and sandwich add up", (seed) => {
    const next = numbers(seed);
    const maker = new ProfileMaker();
    for (let i = 0; i < 300; i++) {
      const stack = Array.from({ length: 1 + Math.floor(next() * 8) }, () => `f${Math.floor(next() ** 2 * 9)}`);
      maker.add({ stack, start: i * 10, weight: 1 + Math.floor(next() * 9) });
    }
    const { selected: { tree, weights } } = shaped(maker.profile, UNSHAPED);
    const inverted = new InvertedTree(tree, ownTimes(tree, weights));
    inverted.grow(0, 0);
    const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);
    expect(sum(inverted.weights.self)).toBe(weights.total[0]);
    for (const row of functionRows(tree, weights)) {
      const wanted = (key: number): boolean => key === row.key;
      expect(callees(tree, weights, wanted).weights.total[0]).toBe(row.total);
      expect(outermost(tree, weights, wanted).nodes.reduce((total, node) => total + weights.total[node]!, 0)).toBe(row.total);
    }
  });
});

describe("compare", () => {
  test("GIVEN two profiles THEN shares, new and gone paths are told, whatever the lines, and searched in", () => {
    const before = new ProfileMaker().add({ stack: ["main", "load"], start: 0, weight: 20 }, { stack: ["main", "gone"], start: 20, weight: 80 });
    const after = new ProfileMaker().add({ stack: ["main", "step"], start: 0, weight: 40 }, { stack: ["main", "load"], start: 40, weight: 60 });
    const state = new ViewState(after.profile, () => undefined);
    state.compareWith(before.profile);
    const { changes, difference } = state.scenes;
    const told = Array.from({ length: difference!.tree.size - 1 }, (_, i) => i + 1).map((node) => (
      `${state.nameOf(node, changes)} ${difference!.before[node]!.toFixed(1)} ${difference!.after[node]!.toFixed(1)}`
    ));
    expect(told.sort()).toEqual(["gone 0.8 0.0", "load 0.2 0.6", "main 1.0 1.0", "step 0.0 0.4"]);
    const load = difference!.functions().find((row) => difference!.names.name(row.key) === "load");
    expect(load?.change).toEqual({ selfBefore: 0.2, selfAfter: 0.6, totalBefore: 0.2, totalAfter: 0.6 });
    state.setQuery("gone");
    expect(Array.from(state.found.nodes, (node) => state.nameOf(node, changes))).toEqual(["gone"]);
    expect(state.found.share).toBeCloseTo(0.4);
    state.compareWith(null);
    expect(state.settings.tab).toBe("merged");
  });
});
