/** What changed between two profiles, against a golden file that nbspy/model/compare.py has to agree with as well. */
import { describe, expect, test } from "vitest";
import { Difference, sameFunction, sideOf } from "../src/model/compare";
import { functionsText } from "../src/ui/function-table";
import { Profile } from "../src/model/profile";
import type { Mode } from "../src/model/selection";
import { EVERYTHING } from "../src/model/selection";
import { UNSHAPED } from "../src/model/shape";
import { ViewState } from "../src/model/view-state";
import { decodeAll, goldenSections, ProfileMaker, stream } from "./golden";

const golden = goldenSections("compare.folded");
const [wholeBefore, wholeAfter] = golden.get("whole")![0]!.split(" ").map(Number) as [number, number];

function profileOf(name: string): Profile {
  const profile = new Profile();
  for (const record of decodeAll([stream(name)])) profile.apply(record);
  return profile;
}

function difference(mode: Mode): Difference {
  const side = (name: string) => sideOf(profileOf(name), { ...EVERYTHING, mode }, UNSHAPED);
  return new Difference({ before: side("compare-before.nbspy"), after: side("compare-after.nbspy") });
}

/** Shares as the golden file has them: in us of each profile's whole. */
const times = (...shares: number[]): string => shares.map((share, i) => Math.round(share * (i % 2 ? wholeAfter : wholeBefore))).join(" ");
const textOf = (same: string): string => same.replace("\n", "|");

describe("compare", () => {
  test("GIVEN the golden profiles THEN self and total of each function are the golden ones, before and after", () => {
    const { names, functions } = (() => {
      const made = difference("active");
      return { names: made.names, functions: made.functions() };
    })();
    const lines = functions.map(({ key, change }) => (
      `${textOf(sameFunction(names, key))}|${times(change!.selfBefore, change!.selfAfter, change!.totalBefore, change!.totalAfter)}`
    ));
    expect(lines.sort()).toEqual(golden.get("functions")!.slice().sort());
  });

  test("GIVEN the golden profiles THEN each path has its golden shares, those of one profile alone too", () => {
    const { after, before, names, tree } = difference("active");
    const lines = Array.from({ length: tree.size - 1 }, (_, i) => i + 1).map((node) => {
      const path = tree.path(node).map((step) => textOf(sameFunction(names, tree.key.data[step]!))).join(";");
      return `${path}|${times(before[node]!, after[node]!)}`;
    });
    expect(lines.sort()).toEqual(golden.get("paths")!.slice().sort());
  });

  test("GIVEN idle time too THEN the shares are others: the selection counts", () => {
    expect(difference("all").functions()).not.toEqual(difference("active").functions());
  });

  test("GIVEN a function of the other profile alone THEN it is found by its name, and its row can be copied", () => {
    const state = new ViewState(profileOf("compare-after.nbspy"), () => undefined);
    state.compareWith(profileOf("compare-before.nbspy"));
    state.show("functions");
    state.setQuery("gon");
    const found = state.scenes.functions.filter((row) => state.isMatch(row.key)).map((row) => state.scene.names.name(row.key));
    expect(found).toEqual(["gone"]);
    expect(state.found.share).toBeGreaterThan(0);
    const lines = functionsText(state.scenes.functions, state.scene.names).split("\n");
    expect(lines[0]).toBe("function\tplace\tself_s\ttotal_s\tsamples\tself_before\tself_now\ttotal_before\ttotal_now");
    expect(lines.find((line) => line.startsWith("gone\t"))).toMatch(/^gone\t\/srv\/app\/gone\.py:4\t0\t0\t0\t0\.\d+\t0\t0\.\d+\t0$/);
  });

  test("GIVEN lines of the other's own strings THEN a plain text does not match what merely has its number", () => {
    // Functions of the later profile whose ids are those of other names in both together.
    const before = new ProfileMaker().add({ stack: ["gone"], start: 0, weight: 10 }, { stack: ["both"], start: 10, weight: 10 });
    const after = new ProfileMaker().add({ stack: ["both"], start: 0, weight: 10 }, { stack: ["fresh"], start: 10, weight: 10 });
    const state = new ViewState(after.profile, () => undefined);
    state.compareWith(before.profile);
    for (const name of ["gone", "both", "fresh"]) {
      state.setQuery(name);
      expect(Array.from(state.found.nodes, (node) => state.nameOf(node, state.scenes.changes))).toEqual([name]);
    }
  });
});
