/** What a chart shows: a call tree with weights, zoomed to one of its nodes; or a thread's calls along the time. */
import type { InvertedTree } from "./invert";
import type { Boxes, Order } from "./layout";
import { layoutTree, leftEdge } from "./layout";
import type { Names } from "./names";
import type { Weights } from "./weights";
import type { CallTree } from "./tree";

/** What is seen: a part of the whole width, in the unit of the widths, and the first row. */
export interface Camera {
  readonly from: number;
  readonly span: number;
  readonly topRow: number;
}

export interface Found {
  /** Matching nodes at or below the zoomed one, the heaviest first. */
  readonly nodes: Int32Array;
  /** Their share of it. */
  readonly share: number;
}

export interface Scene {
  readonly tree: CallTree;
  readonly weights: Weights;
  readonly names: Names;
  /** Node that fills the chart's width. */
  readonly zoom: number;
  /** The root is at the bottom. */
  readonly flipped: boolean;
  found: Found;
  /** Where boxes lie along the time: a node has several, and is not where its weight is. */
  readonly timed: boolean;
  /** What the chart shows when nobody has moved it. */
  home(): Camera;
  /** The whole width. */
  bounds(): { readonly from: number; readonly span: number };
  layout(boxes: Boxes, camera: Camera, widthPx: number): void;
  /** Zooms to a node whose box has these ends. */
  enter(node: number, from: number, to: number): void;
  goBack(): boolean;
  /** Share of the whole that a node has. */
  share(node: number): number;
}

export const nothing: Found = { nodes: new Int32Array(0), share: 0 };

export class TreeScene implements Scene {
  readonly timed = false;
  zoom = 0;
  order: Order = "steady";
  flipped = false;
  found: Found = nothing;
  /** A zoom that was asked for before its frames were there. */
  wanted: readonly string[] = [];
  private back: number[] = [];
  private grown: InvertedTree | null = null;

  /** `zoomed` is told where the zoom becomes another. */
  constructor(public tree: CallTree, public weights: Weights, public names: Names, private readonly zoomed: () => void) {}

  /** Shows another tree, or the same with other weights; the zoom stays on its frames as far as they are there. */
  show(tree: CallTree, weights: Weights, names: Names, grown: InvertedTree | null = null): void {
    // Lines are not functions: of a frame's text its function's stays.
    const path = tree === this.tree && names === this.names ? null
      : this.path.map((ident) => (names === this.names ? ident : ident.split("\n", 3).join("\n")));
    [this.tree, this.weights, this.names, this.grown] = [tree, weights, names, grown];
    if (path) {
      this.back = [];
      this.zoom = 0;
      this.wanted = path;
    }
    this.grow();
    this.keepZoomOnWeight();
  }

  get total(): Float64Array {
    return this.weights.total;
  }

  /** The zoomed frames, from below the root. */
  get path(): string[] {
    return this.wanted.length ? [...this.wanted] : this.tree.path(this.zoom).map((node) => this.names.ident(this.tree.key.data[node]!));
  }

  /** Goes to the frames of a path, or as far along it as there is weight; the rest is waited for. */
  follow(path: readonly string[]): void {
    const { names, total, tree } = this;
    const { firstChild, nextSibling } = tree;
    let reached = [0];
    let depth = 0;
    // A function's frame may be several, one for each of its lines.
    const fits = (own: string, ident: string): boolean => own === ident || own.startsWith(`${ident}\n`);
    for (; depth < path.length; depth++) {
      const next: number[] = [];
      for (const at of reached) {
        this.grown?.grow(at);
        for (let child = firstChild.data[at]!; child >= 0; child = nextSibling.data[child]!) {
          if (this.total[child]! > 0 && fits(names.ident(tree.key.data[child]!), path[depth]!)) next.push(child);
        }
      }
      if (!next.length) break;
      reached = next;
    }
    this.wanted = depth === path.length ? [] : path;
    this.zoom = reached.reduce((heaviest, node) => (total[node]! > total[heaviest]! ? node : heaviest));
    this.grow();
  }

  zoomTo(node: number): void {
    if (node === this.zoom || !(this.total[node]! > 0)) return;
    this.back.push(this.zoom);
    this.set(node);
  }

  enter(node: number): void {
    // A click on the frame that fills the chart goes back out.
    if (node === this.zoom) this.goBack();
    else this.zoomTo(node);
  }

  /** Goes back to the zoom before; true where there was one. */
  goBack(): boolean {
    if (this.zoom === 0) return false;
    let node = this.back.pop() ?? 0;
    while (node !== 0 && !(this.total[node]! > 0)) node = this.back.pop() ?? 0;
    this.set(node === this.zoom ? 0 : node);
    return true;
  }

  /** A zoomed node without weight in a new selection would leave the chart empty: its nearest ancestor serves. */
  keepZoomOnWeight(): void {
    if (this.wanted.length) this.follow(this.wanted);
    while (this.zoom !== 0 && !(this.total[this.zoom]! > 0)) this.zoom = this.tree.parent.data[this.zoom]!;
  }

  home(): Camera {
    const { tree, total, zoom, order } = this;
    return { from: leftEdge(tree, total, zoom, order), span: total[zoom]!, topRow: zoom === 0 ? 1 : tree.depth.data[zoom]! };
  }

  bounds(): { from: number; span: number } {
    return { from: 0, span: this.total[0]! };
  }

  layout(boxes: Boxes, camera: Camera, widthPx: number): void {
    layoutTree(boxes, this.tree, this.total, 0, 0, this.order, { from: camera.from, span: camera.span, widthPx });
  }

  share(node: number): number {
    return this.total[node]! / this.total[0]!;
  }

  private set(node: number): void {
    this.zoom = node;
    this.wanted = [];
    this.grow();
    this.zoomed();
  }

  private grow(): void {
    this.grown?.grow(this.zoom);
  }
}
