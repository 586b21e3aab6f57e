/**
 * Where each frame of the chart lies. Rows are laid out from the top of the tree downwards, so a row's boxes
 * are consecutive and in order of x: a hit test is a binary search. What is laid out is bounded by pixels:
 * runs of siblings below `MERGE_PX` become one box without descendants, and below `MIN_PX` nothing at all. Siblings
 * outside of the viewport are not looked at, nor those that follow one too narrow to be seen in the order of weight.
 */
import { f64, i32, u32 } from "./column";
import { siblings } from "./siblings";
import type { CallTree } from "./tree";

export const MIN_PX = 0.5;
export const MERGE_PX = 1.5;

/** Order of siblings: as first seen (steady while it grows), or the heaviest first. */
export type Order = "steady" | "heavy";

export interface Viewport {
  /** Left edge and width in the unit of the weights (us from the root's left edge). */
  readonly from: number;
  readonly span: number;
  readonly widthPx: number;
}

export class Boxes {
  /** Node, or -(number of nodes) for siblings merged into one box. */
  readonly node = i32();
  readonly left = f64();
  readonly right = f64();
  /** Row -> index of its first box; one more entry than rows. Row 0 holds the node the layout began with. */
  readonly rowStart = u32();

  get rows(): number {
    return Math.max(0, this.rowStart.length - 1);
  }

  /** Index of the box at `x` px in `row`, or -1. */
  at(row: number, x: number): number {
    if (row < 0 || row >= this.rows) return -1;
    let low = this.rowStart.data[row]!;
    let high = this.rowStart.data[row + 1]! - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.left.data[middle]! <= x) low = middle;
      else high = middle - 1;
    }
    return low <= high && this.left.data[low]! <= x && x < this.right.data[low]! ? low : -1;
  }

  /** Index of the node's box in `row`, or -1. */
  find(row: number, node: number): number {
    if (row < 0 || row >= this.rows) return -1;
    const end = this.rowStart.data[row + 1]!;
    for (let box = this.rowStart.data[row]!; box < end; box++) if (this.node.data[box] === node) return box;
    return -1;
  }

  clear(): void {
    for (const column of [this.node, this.left, this.right, this.rowStart]) column.length = 0;
  }
}

/** Left edge of `node` in the unit of the weights, from the root's left edge. */
export function leftEdge(tree: CallTree, total: Float64Array, node: number, order: Order): number {
  let left = 0;
  for (let at = node; at !== 0; at = tree.parent.data[at]!) {
    const { edges, nodes } = siblings(tree, total, tree.parent.data[at]!, order);
    left += edges[nodes.indexOf(at)] ?? 0;
  }
  return left;
}

class Pass {
  /** Left edges of the boxes of the row that is laid out, in the weights' unit: pixels are cut and would lose them. */
  starts: number[] = [];
  private mergedFrom = 0;
  private mergedTo = 0;
  private merged = 0;

  constructor(private readonly boxes: Boxes, private readonly view: Viewport, private readonly scale: number) {}

  /** Lays out the children of one node, whose left edge is `start`. */
  placeAll(nodes: Int32Array, edges: Float64Array, start: number, heavy: boolean): void {
    const { from, span } = this.view;
    const count = nodes.length;
    for (let i = firstBeyond(edges, count, from - start); i < count; i++) {
      const left = start + edges[i]!;
      if (left >= from + span) break;
      const right = start + edges[i + 1]!;
      if (heavy && (right - left) * this.scale < MERGE_PX) {
        // The rest is no wider: as much of it as is in sight is one box.
        const end = Math.min(count, firstBeyond(edges, count, from + span - start) + 1);
        this.merge(left, start + edges[end]!, end - i);
        break;
      }
      this.place(nodes[i]!, left, right);
    }
    this.flush();
  }

  /** Lays out one sibling; siblings come from left to right. */
  place(node: number, start: number, end: number): void {
    if ((end - start) * this.scale >= MERGE_PX) {
      this.flush();
      this.push(node, start, end);
    } else this.merge(start, end, 1);
  }

  flush(): void {
    const { merged, mergedFrom, mergedTo } = this;
    if (merged && (mergedTo - mergedFrom) * this.scale >= MIN_PX) this.push(-merged, mergedFrom, mergedTo);
    this.merged = 0;
  }

  private merge(start: number, end: number, count: number): void {
    if (this.merged === 0) this.mergedFrom = start;
    this.mergedTo = end;
    this.merged += count;
  }

  private push(node: number, start: number, end: number): void {
    const left = (start - this.view.from) * this.scale;
    const right = (end - this.view.from) * this.scale;
    if (right <= 0 || left >= this.view.widthPx) return;
    this.boxes.node.push(node);
    this.boxes.left.push(Math.max(0, left));
    this.boxes.right.push(Math.min(this.view.widthPx, right));
    this.starts.push(start);
  }
}

/** Index of the first of `count` siblings whose right edge lies beyond `at`. */
function firstBeyond(edges: Float64Array, count: number, at: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle + 1]! > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Lays out what of `node` and its descendants the viewport shows, into `boxes`. `start` is its left edge. */
export function layoutTree(
  boxes: Boxes, tree: CallTree, total: Float64Array, node: number, start: number, order: Order, view: Viewport,
): void {
  boxes.clear();
  if (view.widthPx <= 0 || view.span <= 0 || !(total[node]! > 0)) return;
  const pass = new Pass(boxes, view, view.widthPx / view.span);
  boxes.rowStart.push(0);
  pass.place(node, start, start + total[node]!);
  pass.flush();
  let rowFrom = 0;
  while (boxes.node.length > rowFrom) {
    const rowTo = boxes.node.length;
    const { starts } = pass;
    boxes.rowStart.push(rowTo);
    pass.starts = [];
    for (let box = rowFrom; box < rowTo; box++) {
      const parent = boxes.node.data[box]!;
      if (parent < 0) continue;
      const { edges, nodes } = siblings(tree, total, parent, order);
      pass.placeAll(nodes, edges, starts[box - rowFrom]!, order === "heavy");
    }
    rowFrom = rowTo;
  }
}
