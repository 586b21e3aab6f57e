/**
 * What one view looks at and how. No DOM: the panels read it and ask it for changes, and it says when something
 * changed. Everything that a person can set is in `settings`, plain values; the rest follows from it and the profile.
 */
import { CellWatch } from "./cell-watch";
import { Finder } from "./finder";
import { Folding } from "./folding";
import type { FunctionRef } from "./function-ref";
import { Names } from "./names";
import type { Granularity, Profile } from "./profile";
import type { Found, Scene } from "./scene";
import type { TreeScene } from "./scene";
import { hottestFunction, isOfFunction, isSubject, Scenes } from "./scenes";
import type { Matches } from "./search";
import type { Selection } from "./selection";
import { SelectedTree } from "./selection";
import type { Settings, Tab } from "./settings";
import { DEFAULTS, History, sameSettings, selectionKey } from "./settings";
import type { Rule } from "./shape";
import { Shape } from "./shape";
import type { CallTree } from "./tree";

/** What changed: `data` = more samples, `selection` = other weights or tree, `look` = flipped, coloured. */
export type Change = "data" | "selection" | "zoom" | "search" | "look" | "tab";

export class ViewState {
  settings: Settings = DEFAULTS;
  selected: SelectedTree;
  names: Names;
  readonly history = new History();
  readonly scenes: Scenes;
  /** The view stands still while samples go on to arrive. */
  paused = false;

  private readonly namesBy: Record<Granularity, Names>;
  private readonly folding = new Folding();
  private readonly cells = new CellWatch();
  private readonly finder = new Finder(() => this.changed("search"));

  constructor(readonly profile: Profile, private readonly changed: (change: Change) => void) {
    this.namesBy = { function: new Names(profile, "function"), line: new Names(profile, "line") };
    this.names = this.namesBy.function;
    this.selected = this.makeSelected();
    this.folding.begin(this.key, this.selected);
    this.scenes = new Scenes(this.selected, this.names, () => this.zoomed());
  }

  // What is shown

  /** The scene of the current tab; where it has none, that of the merged tree. */
  get scene(): Scene {
    return this.settings.tab === "time" ? this.scenes.timed : this.zoomScene;
  }

  /** That of what is shown. */
  get granularity(): Granularity {
    return this.names.granularity;
  }

  get selection(): Selection {
    const { idlers, mode, threads, time } = this.settings;
    return { idlers, mode, threads: new Set(threads), time };
  }

  /** How many threads are left out because they were idle. */
  get idlersOut(): number {
    return this.selected.leftOut.size;
  }

  /** Of how many threads the time is. */
  get threadsSeen(): number {
    let seen = 0;
    this.selected.threads.forEach((_, thread) => (seen += Number(this.sees(thread))));
    return seen;
  }

  /** Whether a thread is among those that are selected. */
  sees(thread: number): boolean {
    const { threads } = this.settings;
    return threads.length ? threads.includes(thread) : this.selected.has(thread);
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

  /** Whether machinery is left out of what is seen: a notebook's, and what threads begin with. */
  get hidesMachinery(): boolean {
    return this.settings.machinery && this.cells.found;
  }

  /** Whether a notebook's machinery is left out: that is told beside the total. What threads begin with tells nothing. */
  get hidesNotebook(): boolean {
    return this.settings.machinery && this.cells.cells;
  }

  /** Whether there is machinery that can be hidden or shown. */
  get knowsMachinery(): boolean {
    return this.cells.found;
  }

  nameOf(node: number, scene: Scene = this.scenes.merged): string {
    return node === 0 ? "all" : scene.names.name(scene.tree.key.data[node]!);
  }

  placeOf(node: number, scene: Scene = this.scenes.merged): string {
    return node === 0 ? "" : scene.names.place(scene.tree.key.data[node]!);
  }

  isMatch(key: number, scene: Scene = this.scene): boolean {
    return this.finder.in(scene, this.scenes.changes)?.has(key) ?? false;
  }

  // More samples

  /** Folds in what arrived since. Steady order while it grows; the heaviest first when it has ended. */
  refresh(ended: boolean): void {
    if (this.paused) return;
    const order = ended ? "heavy" : "steady";
    const { scenes } = this;
    const reordered = scenes.setOrder(order);
    this.selected.limits = null;
    const cells = this.cells.look(this.profile, this.names, this.profile.keyCount(this.granularity));
    if (cells && this.settings.machinery) this.selectAnew();
    else this.selected.update();
    if (reordered || ended || scenes.mayDerive) this.derive();
    scenes.merged.keepZoomOnWeight();
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
    const another = differs("by", "mode", "threads", "time", "machinery", "idlers", "recursion", "rules");
    if (another) this.take(this.folding.fold(this.selected, this.key, () => this.makeSelected(true), (whole) => this.adopt(whole)));
    if (differs("time", "threads")) this.scenes.timed.reset();
    if (another || differs("tab", "subject")) this.derive();
    this.scenes.flip(after.flipped);
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
    const { merged } = this.scenes;
    if (this.scene !== merged) this.change({ tab: "merged" });
    merged.zoomTo(node);
  }

  /** Goes back to the zoom before; true where there was one. */
  goBack(): boolean {
    return this.scene.goBack() || (this.settings.tab === "sandwich" && this.scenes.above.goBack());
  }

  setQuery(query: string): void {
    this.change({ query }, "query");
  }

  /** Compares with another profile from now on, and shows it; null: no more. */
  compareWith(other: Profile | null): void {
    this.scenes.compareWith(other);
    const tab = other ? "compare" : this.settings.tab === "compare" ? "merged" : this.settings.tab;
    if (tab !== this.settings.tab) this.change({ tab });
    else this.derive();
    this.changed("tab");
  }

  /** The functions that fit the subject, as keys. */
  isSubject(key: number, names: Names = this.names): boolean {
    return isSubject(this.settings, names, key);
  }

  // What follows from them

  private get zoomScene(): TreeScene {
    return this.scenes.of(this.settings.tab);
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

  /** The tree of lines that a function's source is told with, to be folded: there nothing is collapsed. */
  makeLines(): SelectedTree {
    return this.makeSelected(true, "line", this.openRules);
  }

  /** Tells one such tree from another. */
  get linesKey(): string {
    return `${selectionKey({ ...this.settings, by: "line", rules: this.openRules }, this.hidesMachinery)} ${String(this.paused)}`;
  }

  private get openRules(): readonly Rule[] {
    return this.settings.rules.filter((rule) => rule.do !== "collapse" && rule.do !== "package");
  }

  private makeSelected(later = false, by = this.settings.by, rules = this.settings.rules): SelectedTree {
    const { recursion } = this.settings;
    const shape = new Shape(this.profile.treeSoFar(by), this.namesBy[by], { rules, recursion, machinery: this.hidesMachinery });
    const limits = this.paused ? this.selected.limits : null;
    return new SelectedTree(this.profile, this.selection, by, shape, limits, later, this.folding.spares);
  }

  private adopt(whole: SelectedTree): void {
    this.take(whole);
    whole.update(); // what came meanwhile
    this.derive();
    this.scenes.merged.keepZoomOnWeight();
    this.search();
    this.changed("selection");
  }

  /** Makes what the current tab shows. */
  private derive(): void {
    const { hidesMachinery, names, selected, settings } = this;
    // Without a function that one has chosen, the one with most time of its own is shown.
    const subject = settings.subject ?? (isOfFunction(settings.tab) ? hottestFunction(selected, names) : null);
    if (subject !== settings.subject) this.settings = { ...settings, subject };
    this.scenes.derive({ selected, names, settings: this.settings, hidesMachinery });
  }

  private zoomed(): void {
    this.history.push({ ...this.settings }, "");
    this.settings = { ...this.settings, zoom: this.zoomPath };
    this.search();
    this.changed("zoom");
  }

  private search(): void {
    const { scene } = this;
    const { changes, difference } = this.scenes;
    this.finder.search(scene, changes, scene === changes ? difference!.names.keys : this.profile.keyCount(this.granularity));
  }
}
