/** Steps from box to box of a chart: to the widest callee, to the caller, to the neighbours. Boxes are indices, -1 = none. */
import type { CallTree } from "./tree";
import type { Boxes } from "./layout";

/** The row that a box lies in. */
export function rowOf(boxes: Boxes, box: number): number {
  let low = 0;
  let high = boxes.rows - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (boxes.rowStart.data[middle]! <= box) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The widest frame of a row, of those whose middle lies between `left` and `right`. */
export function widestOf(boxes: Boxes, row: number, left = -Infinity, right = Infinity): number {
  let widest = -1;
  let most = 0;
  if (row < 0 || row >= boxes.rows) return -1;
  for (let box = boxes.rowStart.data[row]!; box < boxes.rowStart.data[row + 1]!; box++) {
    const [from, to] = [boxes.left.data[box]!, boxes.right.data[box]!];
    if (boxes.node.data[box]! <= 0 || (from + to) / 2 < left || (from + to) / 2 > right || to - from <= most) continue;
    [widest, most] = [box, to - from];
  }
  return widest;
}

export function widestBelow(boxes: Boxes, box: number): number {
  const below = widestOf(boxes, rowOf(boxes, box) + 1, boxes.left.data[box]!, boxes.right.data[box]!);
  return below < 0 ? box : below;
}

/** The caller's box; the same box where it lies in `topRow`. */
export function boxAbove(boxes: Boxes, box: number, topRow: number): number {
  const row = rowOf(boxes, box) - 1;
  return row < topRow ? box : boxes.at(row, (boxes.left.data[box]! + boxes.right.data[box]!) / 2);
}

/** The next frame to the left (-1) or right (1) in the same row; the same box where there is none. */
export function neighbour(boxes: Boxes, box: number, step: 1 | -1): number {
  const row = rowOf(boxes, box);
  for (let at = box + step; at >= boxes.rowStart.data[row]! && at < boxes.rowStart.data[row + 1]!; at += step) {
    if (boxes.node.data[at]! > 0) return at;
  }
  return box;
}

/** Whether a node is another, or lies below it. */
export function isWithin({ parent: { data: parents } }: CallTree, node: number, other: number): boolean {
  let at = node;
  while (at > other) at = parents[at]!;
  return at === other;
}
