/** What the tabs show, made of the selected tree: each its own way, and only what is looked at. */
import { Difference, sideOf } from "./compare";
import { fits, refOf } from "./function-ref";
import type { FunctionRef } from "./function-ref";
import type { FunctionRow } from "./functions";
import { callees, functionRows, mostOwnTime, outermost } from "./functions";
import { InvertedTree, ownTimes } from "./invert";
import type { Names } from "./names";
import type { Profile } from "./profile";
import { TreeScene } from "./scene";
import type { SelectedTree } from "./selection";
import type { Settings, Tab } from "./settings";
import { isPackageKey } from "./shape";
import { busiestThread } from "./thread-times";
import { TimeScene } from "./time-scene";

/** While samples arrive, what is derived from the tree is made anew at most this part of the time. */
const DERIVED_PART = 0.1;

/** What scenes are made of. */
export interface Subject {
  readonly selected: SelectedTree;
  readonly names: Names;
  readonly settings: Settings;
  /** A notebook's machinery is left out. */
  readonly hidesMachinery: boolean;
}

export class Scenes {
  readonly merged: TreeScene;
  readonly callers: TreeScene;
  /** The sandwich: the callers of the function, and what it calls. */
  readonly above: TreeScene;
  readonly below: TreeScene;
  readonly timed: TimeScene;
  /** What changed since another profile; its names are of both. */
  readonly changes: TreeScene;
  difference: Difference | null = null;
  /** Rows of the table of functions. */
  functions: FunctionRow[] = [];
  /** What is compared with: an earlier profile. */
  other: Profile | null = null;
  private derivedAt = -Infinity;
  private derivedMs = 0;

  constructor(selected: SelectedTree, names: Names, zoomed: () => void) {
    const scene = (): TreeScene => new TreeScene(selected.tree, selected.weights, names, zoomed);
    [this.merged, this.callers, this.above, this.below, this.changes] = [scene(), scene(), scene(), scene(), scene()];
    this.above.flipped = true;
    this.timed = new TimeScene(selected, names, zoomed);
  }

  /** The tree that a tab shows, or would zoom in. */
  of(tab: Tab): TreeScene {
    if ((tab === "compare" || tab === "functions") && this.difference) return this.changes;
    return tab === "callers" ? this.callers : tab === "sandwich" ? this.below : this.merged;
  }

  /** True where it was another order. */
  setOrder(order: TreeScene["order"]): boolean {
    const reordered = order !== this.merged.order;
    for (const scene of [this.merged, this.callers, this.above, this.below, this.changes]) scene.order = order;
    return reordered;
  }

  flip(flipped: boolean): void {
    for (const scene of [this.merged, this.callers, this.timed, this.changes]) scene.flipped = flipped;
  }

  compareWith(other: Profile | null): void {
    this.other = other;
    this.difference = null;
  }

  /** Whether it is long enough ago that all was made anew. */
  get mayDerive(): boolean {
    return performance.now() - this.derivedAt > this.derivedMs / DERIVED_PART;
  }

  /** Makes what the current tab shows beside the merged tree. */
  derive(subject: Subject): void {
    const begun = performance.now();
    const { names, selected, settings: { tab, threads } } = subject;
    const { tree, weights } = selected;
    this.merged.show(tree, weights, names);
    const { timed } = this;
    [timed.selected, timed.names] = [selected, names];
    timed.thread = threads[0] ?? busiestThread(selected.threads, selected.leftOut);
    this.compare(subject);
    if (tab === "callers") showInverted(this.callers, new InvertedTree(tree, ownTimes(tree, weights)), names);
    if (tab === "functions" && this.difference) this.functions = this.difference.functions();
    else if (tab === "functions" || isOfFunction(tab)) this.functions = functionRows(tree, weights);
    if (tab === "sandwich") this.makeSandwich(subject);
    this.derivedAt = performance.now();
    this.derivedMs = this.derivedAt - begun;
  }

  private makeSandwich({ names, selected: { tree, weights }, settings }: Subject): void {
    const wanted = (key: number): boolean => isSubject(settings, names, key);
    showInverted(this.above, new InvertedTree(tree, outermost(tree, weights, wanted)), names);
    const called = callees(tree, weights, wanted);
    this.below.show(called.tree, called.weights, names);
  }

  /** Compares with the other profile: the same states and shapes, all of its threads and time. */
  private compare({ hidesMachinery, names, selected, settings }: Subject): void {
    const { other } = this;
    const { idlers, mode, recursion, rules, tab } = settings;
    if (!other || (tab !== "compare" && tab !== "functions")) return;
    const shaping = { rules, recursion, machinery: hidesMachinery };
    const after = selected.granularity === "function" ? { names, selected } : sideOf(selected.profile, selected.selection, shaping);
    const difference = new Difference({ before: sideOf(other, { idlers, mode, threads: new Set(), time: null }, shaping), after });
    this.difference = difference;
    this.changes.show(difference.tree, difference.weights, difference.names);
  }
}

/** Whether a tab is about one function. */
export const isOfFunction = (tab: Tab): boolean => tab === "sandwich" || tab === "source";

/** The functions that fit the subject, as keys. */
export function isSubject({ subject }: Settings, names: Names, key: number): boolean {
  return subject !== null && !isPackageKey(key) && fits(subject, names, key);
}

/** The function with most time of its own: running, where anything ran. */
export function hottestFunction({ activeWeights, tree, weights }: SelectedTree, names: Names): FunctionRef | null {
  const key = mostOwnTime(tree, activeWeights.total[0]! > 0 ? activeWeights : weights);
  return key >= 0 ? refOf(names, key) : null;
}

function showInverted(scene: TreeScene, inverted: InvertedTree, names: Names): void {
  inverted.grow(0);
  scene.show(inverted.tree, inverted.weights, names, inverted);
}
