/** What holds for every stream and every tree: random ones against the plain way to say it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CallTree } from "../src/model/tree";
import { InvertedTree, ownTimes } from "../src/model/invert";
import { Boxes, layoutTree, MERGE_PX } from "../src/model/layout";
import type { Order } from "../src/model/layout";
import { Names } from "../src/model/names";
import { Profile } from "../src/model/profile";
import { Matches, parseQuery } from "../src/model/search";
import type { Selection } from "../src/model/selection";
import { EVERYTHING, SelectedTree } from "../src/model/selection";
import { Weights } from "../src/model/weights";
import type { Texts } from "../src/texts";
import { JoinedTexts, Strings } from "../src/texts";
import { MessagePackError, readMessagePack } from "../src/msgpack";
import { Shape } from "../src/model/shape";
import { Source } from "../src/source";
import { decodeRecord, RecordSplitter, StreamError } from "../src/stream";
import type { Run } from "./golden";
import { cut, decodeAll, goldenStream, numbers, ProfileMaker } from "./golden";

const RUNS = { numRuns: 60 };
const stack = fc.array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 6 });
const added: fc.Arbitrary<Run> = fc.record({
  stack, start: fc.integer({ min: 0, max: 500 }), weight: fc.integer({ min: 1, max: 90 }),
  thread: fc.integer({ min: 0, max: 2 }), state: fc.constantFrom(0, 1, 3, 4),
});
/** Samples in the order of time, as a stream has them. */
const samples = fc.array(added, { minLength: 1, maxLength: 40 }).map((rows) => rows.sort((a, b) => a.start - b.start).map(
  (row, i, all) => ({ ...row, weight: Math.min(row.weight, (all.slice(i + 1).find((next) => next.thread === row.thread)?.start ?? Infinity) - row.start) || 1 }),
));

/** Weights by stack, counted one by one. */
function counted(rows: Run[], selection: Selection): Map<string, number> {
  const sums = new Map<string, number>();
  const [from, to] = selection.time ?? [-Infinity, Infinity];
  const insideOf = ({ start, weight }: Run): number => Math.min(to, start + weight) - Math.max(from, start);
  const awake = new Set(rows.filter((row) => row.state && insideOf(row) > 0).map(({ thread }) => thread));
  const choosy = selection.idlers && selection.mode === "all" && !selection.threads.size && awake.size > 0;
  for (const row of rows) {
    const { stack: frames, thread = 0, state = 3 } = row;
    if (selection.threads.size && !selection.threads.has(thread)) continue;
    if (choosy && !awake.has(thread)) continue;
    if (selection.mode === "gil" && !(state & 2)) continue;
    const inside = insideOf(row);
    if (inside > 0) sums.set(frames.join(";"), (sums.get(frames.join(";")) ?? 0) + inside);
  }
  return sums;
}

function pathOf(names: Names, tree: CallTree, node: number): string {
  return tree.path(node).map((step) => names.name(tree.key.data[step]!)).join(";");
}

function bySelf(selected: SelectedTree): Map<string, number> {
  const names = new Names(selected.profile, "function");
  const { tree, weights: { self } } = selected;
  const sums = new Map<string, number>();
  for (let node = 1; node < tree.size; node++) if (self[node]! > 1e-9) sums.set(pathOf(names, tree, node), self[node]!);
  return sums;
}

const selections: fc.Arbitrary<Selection> = fc.record({
  threads: fc.uniqueArray(fc.integer({ min: 0, max: 2 })).map((ids) => new Set(ids)),
  time: fc.option(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 300 })).map(([from, span]): [number, number] => [from, from + span])),
  mode: fc.constantFrom("all" as const, "gil" as const),
  idlers: fc.boolean(),
});
const EVERY_MODE = ["all", "active", "gil", "gil-wait", "gc", "idle"] as const;

describe("selected trees", () => {
  test("GIVEN any samples and selection, in any pieces THEN selves are those counted one by one, and totals sum them", () => {
    fc.assert(fc.property(samples, selections, fc.integer({ min: 1, max: 7 }), (rows, selection, piece) => {
      const maker = new ProfileMaker(3);
      const selected = new SelectedTree(maker.profile, selection, "function");
      for (let at = 0; at < rows.length; at += piece) {
        maker.add(...rows.slice(at, at + piece));
        selected.update();
      }
      const found = bySelf(selected);
      const wanted = counted(rows, selection);
      expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
      for (const [path, weight] of wanted) expect(found.get(path)).toBeCloseTo(weight, 6);
      const { tree, weights: { self, total } } = selected;
      const sums = Float64Array.from(self.subarray(0, tree.size));
      for (let node = tree.size - 1; node > 0; node--) sums[tree.parent.data[node]!]! += sums[node]!;
      for (let node = 0; node < tree.size; node++) expect(total[node]).toBeCloseTo(sums[node]!, 6);
    }), RUNS);
  });

  test("GIVEN any samples, states and shape THEN the times kept of each node give what the runs give one by one", () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
    fc.assert(fc.property(samples, fc.constantFrom(...EVERY_MODE), fc.constantFrom("function" as const, "line" as const), fc.boolean(), pieces, (rows, mode, by, recursion, sizes) => {
      const maker = new ProfileMaker(3);
      const names = new Names(maker.profile, by);
      const make = (threads: number[]): SelectedTree => {
        const shape = new Shape(maker.profile.tree(by), names, { rules: [], recursion, machinery: false });
        return new SelectedTree(maker.profile, { ...EVERYTHING, threads: new Set(threads), mode }, by, shape);
      };
      const kept = make([]);
      for (let at = 0, i = 0; at < rows.length; at += sizes[i++ % sizes.length]!) {
        maker.add(...rows.slice(at, at + sizes[i % sizes.length]!));
        kept.update();
      }
      // With all of its threads named, a selection is made of runs.
      const folded = make([0, 1, 2]);
      const seen = ({ weights: { self, selfSamples, total, samples: counts }, activeWeights: active, tree: { size } }: SelectedTree): number[][] => (
        [self, selfSamples, total, counts, active.self, active.total].map((column) => Array.from(column.subarray(0, size)))
      );
      expect(seen(kept)).toEqual(seen(folded));
      expect(kept.threads).toEqual(new SelectedTree(maker.profile, { ...EVERYTHING, time: [0, 1e9] }, by).threads);
    }), RUNS);
  });

  test("GIVEN no time for all of them THEN folding goes on where it was", () => {
    fc.assert(fc.property(samples, selections, (rows, selection) => {
      const { profile } = new ProfileMaker(3).add(...rows);
      const later = new SelectedTree(profile, selection, "function", undefined, null, true);
      later.update(-Infinity);
      while (!later.update(performance.now() + 1));
      expect(bySelf(later)).toEqual(bySelf(new SelectedTree(profile, selection, "function")));
    }), RUNS);
  });
});

describe("trees", () => {
  test("GIVEN any stacks THEN equal ones are one node, a parent's id is below its child's, and siblings are in order", () => {
    fc.assert(fc.property(fc.array(fc.array(fc.nat(5), { maxLength: 8 }), { maxLength: 60 }), fc.nat(500), (stacks, reserved) => {
      const tree = new CallTree();
      tree.reserve(reserved);
      const nodes = new Map<string, number>([["", 0]]);
      for (const keys of stacks) {
        let node = 0;
        keys.forEach((key, i) => {
          node = tree.child(node, key);
          const path = keys.slice(0, i + 1).join();
          expect(nodes.get(path) ?? node).toBe(node);
          nodes.set(path, node);
        });
      }
      expect(tree.size).toBe(nodes.size);
      for (let node = 0; node < tree.size; node++) {
        if (node) expect(tree.parent.data[node]).toBeLessThan(node);
        for (let child = tree.firstChild.data[node]!, before = 0; child >= 0; [before, child] = [child, tree.nextSibling.data[child]!]) {
          expect(tree.parent.data[child]).toBe(node);
          expect(child).toBeGreaterThan(before);
        }
      }
    }), RUNS);
  });

  test("GIVEN any samples WHEN inverted THEN each path has the time of the stacks that end in it", () => {
    fc.assert(fc.property(samples, (rows) => {
      const { profile } = new ProfileMaker(3).add(...rows);
      const { tree, weights } = new SelectedTree(profile, EVERYTHING, "function");
      const inverted = new InvertedTree(tree, ownTimes(tree, weights));
      inverted.grow(0, 0);
      const names = new Names(profile, "function");
      const wanted = new Map<string, number>();
      for (const { stack: frames, weight } of rows) {
        const upwards = [...frames].reverse();
        upwards.forEach((_, i) => {
          const path = upwards.slice(0, i + 1).join(";");
          wanted.set(path, (wanted.get(path) ?? 0) + weight);
        });
      }
      const found = new Map<string, number>();
      for (let node = 1; node < inverted.tree.size; node++) found.set(pathOf(names, inverted.tree, node), inverted.weights.total[node]!);
      expect(found).toEqual(wanted);
    }), RUNS);
  });

  test("GIVEN any tree and viewport THEN what is wide enough has its box where the plain way puts it, and little else is there", () => {
    const trees = fc.array(fc.tuple(fc.nat(30), fc.nat(9), fc.integer({ min: 0, max: 40 })), { minLength: 1, maxLength: 60 });
    fc.assert(fc.property(trees, fc.constantFrom<Order>("steady", "heavy"), fc.double({ min: 0, max: 0.9, noNaN: true }),
      fc.double({ min: 0.02, max: 1, noNaN: true }), (rows, order, from, span) => {
        const tree = new CallTree();
        const weights = new Weights(tree);
        for (const [parent, key, weight] of rows) {
          const node = tree.child(Math.min(parent, tree.size - 1), key);
          weights.reserve();
          weights.addSelf(node, weight, 1);
        }
        weights.sum();
        const { total } = weights;
        const view = { from: from * total[0]!, span: span * total[0]!, widthPx: 50 };
        const boxes = new Boxes();
        layoutTree(boxes, tree, total, 0, 0, order, view);
        const scale = view.widthPx / view.span;
        let wide = 0;
        const visit = (node: number, left: number): void => {
          const [a, b] = [(left - view.from) * scale, (left + total[node]! - view.from) * scale];
          if (b - a < MERGE_PX - 1e-9 || b <= 1e-9 || a >= view.widthPx - 1e-9) return;
          const box = boxes.find(tree.depth.data[node]!, node);
          if (b - a >= MERGE_PX + 1e-9) {
            wide++;
            expect(boxes.left.data[box]).toBeCloseTo(Math.max(0, a), 5);
            expect(boxes.right.data[box]).toBeCloseTo(Math.min(view.widthPx, b), 5);
          }
          const children: number[] = [];
          for (let child = tree.firstChild.data[node]!; child >= 0; child = tree.nextSibling.data[child]!) if (total[child]! > 0) children.push(child);
          if (order === "heavy") children.sort((x, y) => total[y]! - total[x]!);
          let at = left;
          for (const child of children) {
            visit(child, at);
            at += total[child]!;
          }
        };
        if (total[0]! > 0) visit(0, 0);
        expect(wide).toBeLessThanOrEqual(boxes.node.length);
        for (let box = 1; box < boxes.node.length; box++) expect(boxes.right.data[box]).toBeGreaterThan(boxes.left.data[box]!);
      }), RUNS);
  });
});

describe("search", () => {
  const text = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom("Über", "İx", "a\u202eb", "decode", "x".repeat(400), "\n", ""));
  test("GIVEN any names and a plain query THEN what is found is what a test of each name finds", () => {
    fc.assert(fc.property(fc.array(text, { minLength: 1, maxLength: 12 }), fc.oneof(text, fc.constantFrom("a.py:1", ":5", "5", ".py", "e")), fc.integer({ min: 0, max: 9 }), (names, query, many) => {
      const profile = new Profile();
      const strings = ["", "/srv/a.py", "a.py", ...names, ...(many === 0 ? Array.from({ length: 20_000 }, (_, i) => `filler${i}`) : [])];
      profile.apply({ kind: "strings", firstId: 0, texts: strings });
      const ids = Uint32Array.from(names, (_, i) => i + 3);
      const same = (id: number): Uint32Array => new Uint32Array(names.length).fill(id);
      profile.apply({
        kind: "frames", firstId: 0, name: ids, qualname: ids, file: same(1), shortFile: same(2), module: same(0),
        line: new Int32Array(names.length).fill(7), firstLine: Int32Array.from(names, (_, i) => i), flags: new Uint8Array(names.length),
      });
      const parsed = parseQuery(query);
      if (!parsed || "error" in parsed || parsed.plain === undefined || names.includes("")) return;
      const [fast, plain] = [new Matches(parsed, new Names(profile, "function")), new Matches({ test: parsed.test }, new Names(profile, "function"))];
      for (const matches of [fast, plain]) for (const steps = matches.steps(profile.keyCount("function")); !steps.next().done; );
      names.forEach((_, key) => expect([key, fast.has(key)]).toEqual([key, plain.has(key)]));
    }), { numRuns: 100 });
  });
});

describe("decoding", () => {
  const head = (size: number): number[] => (size < 32 ? [0xa0 + size] : size < 256 ? [0xd9, size] : [0xda, size >> 8, size & 255]);
  test("GIVEN strings in parts, joined or not THEN each is found by its number", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.array(fc.string({ maxLength: 5 }), { maxLength: 9 }))), (parts) => {
      const strings = new Strings();
      const all = [""];
      for (const [joined, texts] of parts) {
        let at = 0;
        strings.append(joined ? new JoinedTexts(texts.join(""), texts.map((text) => (at += text.length))) : texts);
        all.push(...texts);
      }
      expect(Array.from({ length: strings.length }, (_, id) => strings.get(id))).toEqual(all);
    }));
  });

  test("GIVEN lists of any texts THEN they are read, whatever their letters and lengths", () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: "binary", maxLength: 5 })), { minLength: 60, maxLength: 90 }), (texts) => {
      const encoded = texts.map((text) => [...new TextEncoder().encode(text)]);
      const bytes = Uint8Array.from([0xdc, 0, texts.length, ...encoded.flatMap((text) => [...head(text.length), ...text])]);
      const decoder = new TextDecoder();
      const read = readMessagePack(bytes) as Texts;
      expect(Array.from({ length: read.length }, (_, i) => read.at(i))).toEqual(encoded.map((text) => decoder.decode(Uint8Array.from(text))));
      for (let cutAt = 0; cutAt < bytes.length; cutAt += 37) expect(() => readMessagePack(bytes.slice(0, cutAt))).toThrow(MessagePackError);
    }), { numRuns: 30 });
  });

  test("GIVEN random cuts and flips THEN a stream is read as far as it is whole, with no other error than its own", () => {
    const golden = goldenStream();
    const flip = fc.tuple(fc.nat(golden.length - 1), fc.integer({ min: 1, max: 255 }));
    fc.assert(fc.property(fc.array(flip, { minLength: 1, maxLength: 8 }), fc.integer({ min: 0, max: golden.length }), fc.nat(), (flips, end, seed) => {
      const bytes = golden.slice(0, end);
      for (const [at, bits] of flips) if (at < end) bytes[at]! ^= bits;
      const source = new Source();
      for (const piece of cut(bytes, numbers(seed), 5000)) source.receive(source.next, piece, 0, false);
      source.finish();
      expect(["starting", "ended", "error"]).toContain(source.state);
    }), { numRuns: 150 });
  });

  test("GIVEN any bytes THEN a record is read or refused", () => {
    const any = fc.uint8Array({ maxLength: 200 });
    const likely = fc.tuple(fc.integer({ min: 0x90, max: 0x9f }), fc.nat(12), any).map(([list, kind, rest]) => Uint8Array.from([list, kind, ...rest]));
    fc.assert(fc.property(fc.oneof(any, likely), (bytes) => {
      try {
        decodeRecord(bytes);
      } catch (err) {
        expect(err).toBeInstanceOf(StreamError);
      }
    }), { numRuns: 2000 });
  });

  test("GIVEN any pieces THEN the records are those of the whole", () => {
    const golden = goldenStream();
    const whole = decodeAll([golden]);
    fc.assert(fc.property(fc.nat(), fc.integer({ min: 1, max: 4000 }), (seed, longest) => {
      expect(decodeAll(cut(golden, numbers(seed), longest))).toEqual(whole);
    }), { numRuns: 20 });
    expect([...new RecordSplitter().feed(golden.subarray(0, 3))]).toEqual([]);
  });
});
