/**
 * Where each frame of the chart lies. Rows are laid out from the top of the tree downwards, so a row's boxes
 * are consecutive and in order of x: a hit test is a binary search. What is laid out is bounded by pixels:
 * runs of siblings below `MERGE_PX` become one box without descendants, and below `MIN_PX` nothing at all.
 */
import { f64, i32, u32 } from "./column";
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

/** Children of `node` that have weight, in the given order. */
export function children(tree: CallTree, total: Float64Array, node: number, order: Order): number[] {
  const nodes: number[] = [];
  const next = tree.nextSibling.data;
  for (let child = tree.firstChild.data[node]!; child >= 0; child = next[child]!) {
    if (total[child]! > 0) nodes.push(child);
  }
  // Equal weights keep the order of appearance: the sort is stable.
  return order === "heavy" ? nodes.sort((a, b) => total[b]! - total[a]!) : nodes;
}

/** Left edge of `node` in the unit of the weights, from the root's left edge. */
export function leftEdge(tree: CallTree, total: Float64Array, node: number, order: Order): number {
  let left = 0;
  for (let at = node; at !== 0; at = tree.parent.data[at]!) {
    for (const sibling of children(tree, total, tree.parent.data[at]!, order)) {
      if (sibling === at) break;
      left += total[sibling]!;
    }
  }
  return left;
}

class Pass {
  private mergedFrom = 0;
  private mergedTo = 0;
  private merged = 0;

  constructor(private readonly boxes: Boxes, private readonly view: Viewport, private readonly scale: number) {}

  /** Lays out one sibling of width `weight` at `start`; siblings come from left to right. */
  place(node: number, start: number, weight: number): void {
    const left = (start - this.view.from) * this.scale;
    const right = left + weight * this.scale;
    if (right <= 0 || left >= this.view.widthPx) return;
    if (right - left >= MERGE_PX) {
      this.flush();
      this.push(node, left, right);
      return;
    }
    if (this.merged === 0) this.mergedFrom = left;
    this.mergedTo = right;
    this.merged++;
  }

  flush(): void {
    if (this.merged && this.mergedTo - this.mergedFrom >= MIN_PX) this.push(-this.merged, this.mergedFrom, this.mergedTo);
    this.merged = 0;
  }

  private push(node: number, left: number, right: number): void {
    this.boxes.node.push(node);
    this.boxes.left.push(Math.max(0, left));
    this.boxes.right.push(Math.min(this.view.widthPx, right));
  }
}

/** Lays out what of `node` and its descendants the viewport shows, into `boxes`. `start` is its left edge. */
export function layoutTree(
  boxes: Boxes, tree: CallTree, total: Float64Array, node: number, start: number, order: Order, view: Viewport,
): void {
  boxes.clear();
  if (view.widthPx <= 0 || view.span <= 0 || !(total[node]! > 0)) return;
  const pass = new Pass(boxes, view, view.widthPx / view.span);
  // Left edges in the weights' unit, beside the boxes: pixels are cut at the viewport and would lose them.
  let starts: number[] = [start];
  boxes.rowStart.push(0);
  pass.place(node, start, total[node]!);
  pass.flush();
  let rowFrom = 0;
  while (boxes.node.length > rowFrom) {
    const rowTo = boxes.node.length;
    boxes.rowStart.push(rowTo);
    const nextStarts: number[] = [];
    for (let box = rowFrom; box < rowTo; box++) {
      const parent = boxes.node.data[box]!;
      if (parent < 0) continue;
      let at = starts[box - rowFrom]!;
      for (const child of children(tree, total, parent, order)) {
        const before = boxes.node.length;
        pass.place(child, at, total[child]!);
        for (let added = before; added < boxes.node.length; added++) nextStarts.push(at);
        at += total[child]!;
      }
      const before = boxes.node.length;
      pass.flush();
      if (boxes.node.length > before) nextStarts.push(at);
    }
    starts = nextStarts;
    rowFrom = rowTo;
  }
}
