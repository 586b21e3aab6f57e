/**
 * What one view looks at and how: selection, granularity, zoom, search. No DOM: the panels read it and ask it
 * for changes, and it says when something changed.
 */
import type { Order } from "./layout";
import { Names } from "./names";
import type { Granularity, Profile } from "./profile";
import { Matches, parseQuery } from "./search";
import type { Mode, Selection } from "./selection";
import { EVERYTHING, SelectedTree } from "./selection";
import type { CallTree } from "./tree";

/** What changed: `data` = more samples, `selection` = other weights or tree, `zoom`, `search`, `look` = flipped. */
export type Change = "data" | "selection" | "zoom" | "search" | "look";

export class ViewState {
  selection: Selection = EVERYTHING;
  granularity: Granularity = "function";
  /** True for a flame chart: the root at the bottom. */
  flipped = false;
  /** Node that fills the chart's width. */
  zoom = 0;
  order: Order = "steady";
  selected: SelectedTree;
  names: Names;

  queryText = "";
  queryError = "";
  matches: Matches | null = null;
  /** Matching nodes at or below the zoomed one, the heaviest first, and their share of it. */
  found: { nodes: number[]; share: number } = { nodes: [], share: 0 };

  private back: number[] = [];

  constructor(readonly profile: Profile, private readonly changed: (change: Change) => void) {
    this.selected = new SelectedTree(profile, this.selection, this.granularity);
    this.names = new Names(profile, this.granularity);
  }

  get tree(): CallTree {
    return this.selected.tree;
  }

  get total(): Float64Array {
    return this.selected.weights.total;
  }

  nameOf(node: number): string {
    return node === 0 ? "all" : this.names.name(this.tree.key.data[node]!);
  }

  placeOf(node: number): string {
    return node === 0 ? "" : this.names.place(this.tree.key.data[node]!);
  }

  /** Folds in what arrived since. Steady order while it grows; the heaviest first when it has ended. */
  refresh(ended: boolean): void {
    this.selected.update();
    const order = ended ? "heavy" : "steady";
    const reordered = order !== this.order;
    this.order = order;
    this.keepZoomOnWeight();
    this.search();
    this.changed(reordered ? "zoom" : "data");
  }

  select(part: Partial<Selection>): void {
    this.selection = { ...this.selection, ...part };
    this.rebuild();
  }

  setMode(mode: Mode): void {
    if (mode !== this.selection.mode) this.select({ mode });
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

  setGranularity(granularity: Granularity): void {
    if (granularity === this.granularity) return;
    const zoom = this.counterpart(this.zoom, granularity);
    this.granularity = granularity;
    this.names = new Names(this.profile, granularity);
    this.back = [];
    this.zoom = zoom;
    this.rebuild();
    this.setQuery(this.queryText);
  }

  flip(flipped: boolean): void {
    if (flipped === this.flipped) return;
    this.flipped = flipped;
    this.changed("look");
  }

  zoomTo(node: number): void {
    if (node === this.zoom || !(this.total[node]! > 0)) return;
    this.back.push(this.zoom);
    this.zoom = node;
    this.search();
    this.changed("zoom");
  }

  /** Goes back to the zoom before; true where there was one. */
  goBack(): boolean {
    if (this.zoom === 0) return false;
    let node = this.back.pop() ?? 0;
    while (node !== 0 && !(this.total[node]! > 0)) node = this.back.pop() ?? 0;
    this.zoom = node === this.zoom ? 0 : node;
    this.search();
    this.changed("zoom");
    return true;
  }

  setQuery(text: string): void {
    this.queryText = text;
    const query = parseQuery(text);
    this.queryError = query && "error" in query ? query.error : "";
    this.matches = query && "test" in query ? new Matches(query.test, this.names) : null;
    this.search();
    this.changed("search");
  }

  isMatch(node: number): boolean {
    return node !== 0 && this.matches !== null && this.matches.has(this.tree.key.data[node]!);
  }

  private rebuild(): void {
    this.selected = new SelectedTree(this.profile, this.selection, this.granularity);
    this.keepZoomOnWeight();
    this.search();
    this.changed("selection");
  }

  /** A zoomed node without weight in a new selection would leave the chart empty: its nearest ancestor serves. */
  private keepZoomOnWeight(): void {
    while (this.zoom !== 0 && !(this.total[this.zoom]! > 0)) this.zoom = this.tree.parent.data[this.zoom]!;
  }

  private search(): void {
    if (!this.matches) {
      this.found = { nodes: [], share: 0 };
      return;
    }
    const { total } = this;
    this.matches.update(this.profile.keyCount(this.granularity));
    const { nodes, weight } = this.matches.inTree(this.tree, total, this.zoom);
    nodes.sort((a, b) => total[b]! - total[a]!);
    this.found = { nodes, share: total[this.zoom]! > 0 ? weight / total[this.zoom]! : 0 };
  }

  /** The node of the other granularity's tree that stands for `node`: of several lines the heaviest. */
  private counterpart(node: number, granularity: Granularity): number {
    const { profile } = this;
    const [from, to] = [profile.nodeOf(this.granularity), profile.nodeOf(granularity)];
    const { total } = new SelectedTree(profile, this.selection, granularity).weights;
    let heaviest = 0;
    for (let at = 1; node !== 0 && at < profile.functionNodeOf.length; at++) {
      if (from[at] === node && (heaviest === 0 || total[to[at]!]! > total[heaviest]!)) heaviest = to[at]!;
    }
    return heaviest;
  }
}
