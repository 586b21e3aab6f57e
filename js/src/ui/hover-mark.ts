/** The outline around the box under the pointer: an element of its own, because to move it takes no new picture. */
import type { Boxes } from "../model/layout";
import { rowOf } from "../model/navigate";
import { show } from "./dom";

/** Puts the outline around a box, or nowhere; `top` gives where a row begins. */
export function placeMark(mark: HTMLElement, boxes: Boxes, box: number, top: (row: number) => number): void {
  const there = box >= 0 && box < boxes.node.length;
  show(mark, there);
  if (!there) return;
  const left = boxes.left.data[box]!;
  mark.style.left = `${left}px`;
  mark.style.top = `${top(rowOf(boxes, box))}px`;
  mark.style.width = `${Math.max(2, boxes.right.data[box]! - left - 1)}px`;
}
