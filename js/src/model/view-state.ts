/**
 * What one view looks at and how. No DOM: the panels read it and ask it for changes, and it says when something
 * changed. Everything that a person can set is in `settings`, plain values; the rest follows from it and the profile.
 */
import type { FunctionRow } from "./functions";
import { CellWatch } from "./cell-watch";
import { Finder } from "./finder";
import { Folding } from "./folding";
import { callees, functionRows, mostOwnTime, outermost } from "./functions";
import { fits, refOf } from "./function-ref";
import type { FunctionRef } from "./function-ref";
import { Difference, sideOf } from "./compare";
import { InvertedTree, ownTimes } from "./invert";
import { Names } from "./names";
import type { Granularity, Profile } from "./profile";
import type { Found, Scene } from "./scene";
import { TreeScene } from "./scene";
import type { Matches } from "./search";
import type { Selection } from "./selection";
import { SelectedTree } from "./selection";
import type { Settings, Tab } from "./settings";
import { DEFAULTS, History, sameSettings, selectionKey } from "./settings";
import type { Rule } from "./shape";
import { isPackageKey, Shape } from "./shape";
import { busiestThread } from "./thread-times";
import { TimeScene } from "./time-scene";
import type { CallTree } from "./tree";

/** What changed: `data` = more samples, `selection` = other weights or tree, `look` = flipped, coloured. */
export type Change = "data" | "selection" | "zoom" | "search" | "look" | "tab";

/** While samples arrive, what is derived from the tree is made anew at most this part of the time. */
const DERIVED_PART = 0.1;

export class ViewState {
  settings: Settings = DEFAULTS;
  selected: SelectedTree;
  names: Names;
  readonly history = new History();
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
  /** The view stands still while samples go on to arrive. */
  paused = false;

  private readonly namesBy: Record<Granularity, Names>;
  private readonly folding = new Folding();
  private readonly cells = new CellWatch();
  private derivedAt = -Infinity;
  private derivedMs = 0;
  private readonly finder = new Finder(() => this.changed("search"));

  constructor(readonly profile: Profile, private readonly changed: (change: Change) => void) {
    this.namesBy = { function: new Names(profile, "function"), line: new Names(profile, "line") };
    this.names = this.namesBy.function;
    this.selected = this.makeSelected();
    this.folding.begin(this.key, this.selected);
    const scene = (): TreeScene => new TreeScene(this.selected.tree, this.selected.weights, this.names, () => this.zoomed());
    [this.merged, this.callers, this.above, this.below, this.changes] = [scene(), scene(), scene(), scene(), scene()];
    this.above.flipped = true;
    this.timed = new TimeScene(this.selected, this.names, () => this.zoomed());
  }

  // What is shown

  /** The scene of the current tab; where it has none, that of the merged tree. */
  get scene(): Scene {
    const { tab } = this.settings;
    return tab === "time" ? this.timed : this.zoomScene;
  }

  /** That of what is shown. */
  get granularity(): Granularity {
    return this.names.granularity;
  }

  get selection(): Selection {
    const { mode, threads, time } = this.settings;
    return { mode, threads: new Set(threads), time };
  }

  get flipped(): boolean {
    return this.settings.flipped;
  }

  get queryText(): string {
    return this.settings.query;
  }

  /** Whether what is shown is still that of before. */
  get working(): boolean {
    return this.folds || this.finder.slices.working;
  }

  /** Whether the tree and the weights are those of before. */
  get folds(): boolean {
    return this.folding.slices.working;
  }

  get queryError(): string {
    return this.finder.error;
  }

  get matches(): Matches | null {
    return this.finder.matches;
  }

  /** The merged tree of the selection. */
  get tree(): CallTree {
    return this.selected.tree;
  }

  get total(): Float64Array {
    return this.selected.weights.total;
  }

  get zoom(): number {
    return this.scene.zoom;
  }

  get found(): Found {
    return this.scene.found;
  }

  /** Whether a notebook's machinery is left out of what is seen. */
  get hidesMachinery(): boolean {
    return this.settings.machinery && this.cells.found;
  }

  /** Whether there is a notebook's cell, so that its machinery can be hidden or shown. */
  get knowsCells(): boolean {
    return this.cells.found;
  }

  nameOf(node: number, scene: Scene = this.merged): string {
    return node === 0 ? "all" : scene.names.name(scene.tree.key.data[node]!);
  }

  placeOf(node: number, scene: Scene = this.merged): string {
    return node === 0 ? "" : scene.names.place(scene.tree.key.data[node]!);
  }

  isMatch(key: number, scene: Scene = this.scene): boolean {
    return this.finder.in(scene, this.changes)?.has(key) ?? false;
  }

  // More samples

  /** Folds in what arrived since. Steady order while it grows; the heaviest first when it has ended. */
  refresh(ended: boolean): void {
    if (this.paused) return;
    const order = ended ? "heavy" : "steady";
    const reordered = order !== this.merged.order;
    for (const scene of [this.merged, this.callers, this.above, this.below, this.changes]) scene.order = order;
    this.selected.limits = null;
    const cells = this.cells.look(this.profile, this.names, this.profile.keyCount(this.granularity));
    if (cells && this.settings.machinery) this.selectAnew();
    else this.selected.update();
    if (reordered || ended || performance.now() - this.derivedAt > this.derivedMs / DERIVED_PART) this.derive();
    this.merged.keepZoomOnWeight();
    this.search();
    if (ended) this.profile.haystack.prepareSoon();
    this.changed(reordered ? "zoom" : "data");
  }

  pause(paused: boolean, ended: boolean): void {
    // What is kept has other limits, or none.
    if (this.folds) this.selectAnew();
    else this.folding.begin(this.key, this.selected);
    this.paused = paused;
    if (paused) {
      this.selected.limits = this.profile.runs.lengths;
      this.selected.update();
    } else this.refresh(ended);
  }

  // Changes that a person makes

  /** Changes settings; one step for undo, or the same step as the last where both are of one `group`. */
  change(part: Partial<Settings>, group = ""): void {
    const before = this.settings;
    const after = { ...before, ...part };
    if (sameSettings(before, after)) return;
    this.history.push({ ...before, zoom: this.zoomPath }, group);
    this.apply(after);
  }

  /** Shows other settings, whatever they were before. */
  apply(after: Settings): void {
    const before = this.settings;
    this.settings = after;
    const differs = (...names: (keyof Settings)[]): boolean => names.some((name) => !sameSettings(before[name], after[name]));
    if (differs("query")) this.finder.set(after.query, this.names);
    const another = differs("by", "mode", "threads", "time", "machinery", "recursion", "rules");
    if (another) this.take(this.folding.fold(this.selected, this.key, () => this.makeSelected(true), (whole) => this.adopt(whole)));
    if (differs("time", "threads")) this.timed.reset();
    if (another || differs("tab", "subject")) this.derive();
    for (const scene of [this.merged, this.callers, this.timed, this.changes]) scene.flipped = after.flipped;
    const zooms = differs("zoom");
    if (zooms) this.zoomScene.follow(after.zoom);
    else if (differs("tab")) this.settings = { ...this.settings, zoom: this.zoomPath };
    this.search();
    if (differs("tab", "subject")) this.changed("tab");
    if (another) this.changed("selection");
    if (zooms) this.changed("zoom");
    if (differs("flipped", "color")) this.changed("look");
    if (differs("query")) this.changed("search");
  }

  undo(): void {
    this.restore(this.history.undo({ ...this.settings, zoom: this.zoomPath }));
  }

  redo(): void {
    this.restore(this.history.redo({ ...this.settings, zoom: this.zoomPath }));
  }

  select(part: Partial<Selection>): void {
    const { threads, ...rest } = part;
    this.change(threads ? { ...rest, threads: [...threads] } : rest);
  }

  /** Selects one thread, or with `add` one more; a thread that is selected already is let go. */
  toggleThread(thread: number, add: boolean): void {
    const { threads } = this.selection;
    const next = new Set(add ? threads : []);
    if (!threads.has(thread)) next.add(thread);
    else if (add) next.delete(thread);
    else if (threads.size > 1) next.add(thread);
    this.select({ threads: next });
  }

  show(tab: Tab): void {
    this.change({ tab });
  }

  /** Opens a function in the sandwich or the source. */
  open(tab: Tab, subject: FunctionRef): void {
    this.change({ tab, subject });
  }

  addRule(rule: Rule): void {
    this.change({ rules: [...this.settings.rules, rule] });
  }

  /** Zooms the merged tree, wherever one was. */
  zoomTo(node: number): void {
    if (this.scene !== this.merged) this.change({ tab: "merged" });
    this.merged.zoomTo(node);
  }

  /** Goes back to the zoom before; true where there was one. */
  goBack(): boolean {
    return this.scene.goBack() || (this.settings.tab === "sandwich" && this.above.goBack());
  }

  setQuery(query: string): void {
    this.change({ query }, "query");
  }

  /** Compares with another profile from now on, and shows it; null: no more. */
  compareWith(other: Profile | null): void {
    this.other = other;
    this.difference = null;
    const tab = other ? "compare" : this.settings.tab === "compare" ? "merged" : this.settings.tab;
    if (tab !== this.settings.tab) this.change({ tab });
    else this.derive();
    this.changed("tab");
  }

  /** The functions that fit the subject, as keys. */
  isSubject(key: number, names: Names = this.names): boolean {
    const { subject } = this.settings;
    return subject !== null && !isPackageKey(key) && fits(subject, names, key);
  }

  // What follows from them

  private get zoomScene(): TreeScene {
    const { tab } = this.settings;
    if ((tab === "compare" || tab === "functions") && this.difference) return this.changes;
    return tab === "callers" ? this.callers : tab === "sandwich" ? this.below : this.merged;
  }

  /** The zoomed frames of the current tab's tree. */
  private get zoomPath(): string[] {
    return this.zoomScene.path;
  }

  private restore(settings: Settings | null): void {
    if (settings) this.apply(settings);
  }

  private get key(): string {
    return selectionKey(this.settings, this.hidesMachinery);
  }

  /** Shows another selection; its names are others where its granularity is. */
  private take(selected: SelectedTree): void {
    this.selected = selected;
    const names = this.namesBy[selected.granularity];
    if (names === this.names) return;
    this.names = names;
    this.finder.set(this.settings.query, names);
  }

  /** Selects what the settings say, at once, whatever was looked at before. */
  private selectAnew(): void {
    this.take(this.makeSelected());
    this.folding.begin(this.key, this.selected);
  }

  private makeSelected(later = false): SelectedTree {
    const { by, recursion, rules } = this.settings;
    const shape = new Shape(this.profile.treeSoFar(by), this.namesBy[by], { rules, recursion, machinery: this.hidesMachinery });
    const limits = this.paused ? this.selected.limits : null;
    return new SelectedTree(this.profile, this.selection, by, shape, limits, later, this.folding.spares);
  }

  private adopt(whole: SelectedTree): void {
    this.take(whole);
    whole.update(); // what came meanwhile
    this.derive();
    this.merged.keepZoomOnWeight();
    this.search();
    this.changed("selection");
  }

  /** Makes what the current tab shows beside the merged tree. */
  private derive(): void {
    const begun = performance.now();
    const { merged, names, selected, settings, timed } = this;
    const { tree, weights } = selected;
    merged.show(tree, weights, names);
    [timed.selected, timed.names] = [selected, names];
    timed.thread = settings.threads[0] ?? busiestThread(selected.threads);
    this.compare();
    if (settings.tab === "callers") this.showInverted(this.callers, new InvertedTree(tree, ownTimes(tree, weights)));
    if (settings.tab === "functions" && this.difference) this.functions = this.difference.functions();
    else if (settings.tab === "functions" || settings.tab === "sandwich" || settings.tab === "source") this.functions = functionRows(tree, weights);
    if (settings.tab === "sandwich" || settings.tab === "source") this.chooseSubject();
    if (settings.tab === "sandwich") {
      const wanted = (key: number): boolean => this.isSubject(key);
      this.showInverted(this.above, new InvertedTree(tree, outermost(tree, weights, wanted)));
      const called = callees(tree, weights, wanted);
      this.below.show(called.tree, called.weights, names);
    }
    this.derivedAt = performance.now();
    this.derivedMs = this.derivedAt - begun;
  }

  /** Compares with the other profile: the same states and shapes, all of its threads and time. */
  private compare(): void {
    const { other, selected, settings } = this;
    if (!other || (settings.tab !== "compare" && settings.tab !== "functions")) return;
    const { mode, recursion, rules } = settings;
    const shaping = { rules, recursion, machinery: this.hidesMachinery };
    const after = selected.granularity === "function" ? { names: this.names, selected } : sideOf(this.profile, this.selection, shaping);
    const difference = new Difference({ before: sideOf(other, { mode, threads: new Set(), time: null }, shaping), after });
    this.difference = difference;
    this.changes.show(difference.tree, difference.weights, difference.names);
  }

  private showInverted(scene: TreeScene, inverted: InvertedTree): void {
    inverted.grow(0);
    scene.show(inverted.tree, inverted.weights, this.names, inverted);
  }

  /** Without a function that one has chosen, the one with most time of its own is shown. */
  private chooseSubject(): void {
    if (this.settings.subject) return;
    const { activeWeights, tree, weights } = this.selected;
    const key = mostOwnTime(tree, activeWeights.total[0]! > 0 ? activeWeights : weights);
    if (key >= 0) this.settings = { ...this.settings, subject: refOf(this.names, key) };
  }

  private zoomed(): void {
    this.history.push({ ...this.settings }, "");
    this.settings = { ...this.settings, zoom: this.zoomPath };
    this.search();
    this.changed("zoom");
  }

  private search(): void {
    const { scene } = this;
    this.finder.search(scene, this.changes, scene === this.changes ? this.difference!.names.keys : this.profile.keyCount(this.granularity));
  }
}
