/** The keys of a chart: along the tree, into it and over it. */
import type { Boxes } from "../model/layout";
import { boxAbove, neighbour, widestBelow, widestOf } from "../model/navigate";

export interface ChartMoves {
  /** Zooms to a box. */
  enter(box: number): void;
  /** Moves the focus to a box; -1 leaves it where it is. */
  focus(box: number): void;
  /** Shows so many times as much. */
  zoom(factor: number): void;
  /** Moves by a part of the width. */
  pan(part: number): void;
  /** Moves by a part of the height. */
  scroll(part: number): void;
  /** Asks what can be done with a box. */
  menu(box: number): void;
}

const ZOOM = 0.7;
const PAN = 1 / 8;
const PAGE = 0.8;

/** Does what a key means; `at` is the focused box, -1 for none. False where it means nothing here. */
export function chartKey(event: KeyboardEvent, flipped: boolean, boxes: Boxes, at: number, topRow: number, to: ChartMoves): boolean {
  const [deeper, shallower] = flipped ? ["ArrowUp", "ArrowDown"] : ["ArrowDown", "ArrowUp"];
  switch (event.key) {
    case "Enter":
      if (at < 0) return false;
      to.enter(at);
      return true;
    case "Home": to.focus(widestOf(boxes, topRow)); return true;
    case "+": case "=": to.zoom(ZOOM); return true;
    case "-": to.zoom(1 / ZOOM); return true;
    case "[": to.pan(-PAN); return true;
    case "]": to.pan(PAN); return true;
    case "PageDown": to.scroll(PAGE); return true;
    case "PageUp": to.scroll(-PAGE); return true;
    case "m": case "ContextMenu": to.menu(at); return true;
    case deeper: to.focus(at < 0 ? widestOf(boxes, topRow) : widestBelow(boxes, at)); return true;
    case shallower: to.focus(at < 0 ? widestOf(boxes, topRow) : boxAbove(boxes, at, topRow)); return true;
    case "ArrowLeft": to.focus(at < 0 ? widestOf(boxes, topRow) : neighbour(boxes, at, -1)); return true;
    case "ArrowRight": to.focus(at < 0 ? widestOf(boxes, topRow) : neighbour(boxes, at, 1)); return true;
    default: return false;
  }
}
