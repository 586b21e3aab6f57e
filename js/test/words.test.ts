/** What is said beside a frame, and how source stands: nothing twice, nothing that is blank in all lines. */
import { describe, expect, test } from "vitest";
import { pidAndVersion } from "../src/model/format";
import { Names } from "../src/model/names";
import { blankColumns } from "../src/model/source-lines";
import { ProfileMaker } from "./golden";

const lines = (...texts: (string | null)[]) => texts.map((text, line) => ({ line, text, self: 0, total: 0 }));

describe("words", () => {
  test("GIVEN lines that are told apart THEN a label's line is not said again beside it", () => {
    const { profile } = new ProfileMaker().add({ stack: ["crunch"], start: 0, weight: 1 });
    const said = (by: "function" | "line"): string[] => {
      const names = new Names(profile, by);
      const key = profile.tree(by).key.data[1]!;
      return [names.label(key), names.beside(key)];
    };
    expect(said("line")).toEqual(["crunch:7", "crunch.py"]);
    expect(said("function")).toEqual(["crunch", "crunch.py:5"]);
  });

  test.each([
    ["a method", lines("    def f(self):", "", "        return 1"), 4],
    ["tabs", lines("\tdef f(self):", "\t\treturn 1"), 4],
    ["a module", lines("import os", "    os.sep"), 0],
    ["lines without text", lines(null, "", "   "), 0],
  ])("GIVEN %s THEN the columns are told that are blank in all lines", (_, source, columns) => {
    expect(blankColumns(source)).toBe(columns);
  });

  test("GIVEN a process that runs no Python itself THEN no version is said", () => {
    expect([pidAndVersion(7, "3.13.0"), pidAndVersion(7, "")]).toEqual(["pid 7 · Python 3.13.0", "pid 7"]);
  });
});
