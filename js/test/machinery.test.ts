/** What every thread begins with is machinery, as what runs a notebook's cell is: hidden where there is some. */
import { describe, expect, test } from "vitest";
import { ViewState } from "../src/model/view-state";
import { goldenProfile, ProfileMaker } from "./golden";
import { startsThread } from "../src/model/origin";

describe("machinery", () => {
  test("GIVEN threads WHEN seen THEN their stacks begin at what they are for, until machinery is shown", () => {
    const state = new ViewState(goldenProfile(), () => undefined);
    state.refresh(true);
    const names = (): string[] => state.scenes.functions.map(({ key }) => state.names.name(key));
    state.show("functions");
    expect([state.hidesMachinery, state.knowsMachinery, state.hidesNotebook]).toEqual([true, true, false]);
    const [shown, whole] = [names(), state.total[0]];
    expect(shown).toContain("load_forever");
    expect(shown).not.toContain("_bootstrap_inner");
    state.change({ machinery: false });
    expect(names()).toEqual(expect.arrayContaining(["load_forever", "_bootstrap", "_bootstrap_inner", "run"]));
    expect(state.total[0]).toBe(whole);
  });

  test("GIVEN a program without threads and cells THEN there is no machinery to be told of", () => {
    const state = new ViewState(new ProfileMaker().add({ stack: ["main", "run"], start: 0, weight: 10 }).profile, () => undefined);
    state.refresh(true);
    expect([state.hidesMachinery, state.knowsMachinery]).toEqual([false, false]);
  });

  test.each([
    ["/usr/lib/python3.13/threading.py", "_bootstrap", true],
    ["C:\\Python\\Lib\\threading.py", "_bootstrap_inner", true],
    ["/usr/lib/python2.7/threading.py", "__bootstrap_inner", true],
    ["threading.py", "run", true],
    ["/usr/lib/python3.13/threading.py", "wait", false],
    ["/srv/app/my_threading.py", "run", false],
    ["/srv/app/worker.py", "run", false],
  ])("GIVEN %s, %s THEN it begins a thread: %s", (file, name, starts) => {
    expect(startsThread(file, name)).toBe(starts);
  });
});
