/**
 * Paints the icicle or flame chart. A pure function of its input: it draws on any 2D context, so tests record
 * the calls. Boxes are batched by colour, and filled one by one: a path of thousands takes three times as long; only rows inside the canvas are visited.
 */
import type { Boxes } from "../model/layout";
import { rowOf } from "../model/navigate";
import type { ChartInk } from "./colors";
import type { LabelFitter } from "./labels";

export const ROW_PX = 18;
const GAP_PX = 1;
const LABEL_MIN_PX = 20;
const PAD_PX = 5;

/** What the boxes look like, whatever part of them is painted. */
export interface FlameLook {
  readonly fill: (node: number) => string | CanvasPattern;
  readonly name: (node: number) => string;
  readonly place: (node: number) => string;
  /** What stands at the right edge where there is room: a share, a change; null for nothing. */
  readonly amount: ((node: number) => string) | null;
  /** null where nothing is searched for. */
  readonly matches: ((node: number) => boolean) | null;
  readonly ink: ChartInk;
  readonly accent: string;
  readonly background: string;
  readonly font: string;
  readonly fitter: LabelFitter;
}

export interface FlamePicture extends FlameLook {
  readonly boxes: Boxes;
  readonly widthPx: number;
  readonly heightPx: number;
  /** Top of a layout row on the canvas. */
  readonly rowTop: (row: number) => number;
  /** Rows outside of [firstRow, lastRow] are not visited. */
  readonly firstRow: number;
  readonly lastRow: number;
  readonly focused: number;
}

export function paintFlame(ctx: CanvasRenderingContext2D, picture: FlamePicture): void {
  ctx.fillStyle = picture.background;
  ctx.fillRect(0, 0, picture.widthPx, picture.heightPx);
  paintFills(ctx, picture);
  paintLabels(ctx, picture);
  paintMark(ctx, picture);
}

function paintFills(ctx: CanvasRenderingContext2D, picture: FlamePicture): void {
  const { boxes, ink, matches } = picture;
  const byColor = new Map<string | CanvasPattern, number[]>();
  for (let row = picture.firstRow; row <= picture.lastRow; row++) {
    const top = picture.rowTop(row);
    for (let box = boxes.rowStart.data[row]!; box < boxes.rowStart.data[row + 1]!; box++) {
      const node = boxes.node.data[box]!;
      const dim = matches !== null && (node < 0 || !matches(node));
      const color = dim ? ink.dimFill : node < 0 ? ink.merged : picture.fill(node);
      let batch = byColor.get(color);
      if (!batch) byColor.set(color, (batch = []));
      batch.push(box, top);
    }
  }
  for (const [color, batch] of byColor) {
    ctx.fillStyle = color;
    for (let i = 0; i < batch.length; i += 2) {
      const left = boxes.left.data[batch[i]!]!;
      const width = boxes.right.data[batch[i]!]! - left;
      // A gap tells neighbours apart where there is room for one.
      ctx.fillRect(left, batch[i + 1]!, width > 4 ? width - GAP_PX : width, ROW_PX - GAP_PX);
    }
  }
}

interface Label {
  readonly text: string;
  readonly x: number;
  readonly y: number;
}

function paintLabels(ctx: CanvasRenderingContext2D, picture: FlamePicture): void {
  const { boxes, fitter, ink, matches } = picture;
  const inks = new Map<string, Label[]>([[ink.text, []], [ink.faint, []], [ink.dimText, []]]);
  ctx.font = picture.font;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  fitter.useFont(picture.font);
  for (let row = picture.firstRow; row <= picture.lastRow; row++) {
    const y = picture.rowTop(row) + (ROW_PX - GAP_PX) / 2 + 0.5;
    for (let box = boxes.rowStart.data[row]!; box < boxes.rowStart.data[row + 1]!; box++) {
      const left = boxes.left.data[box]!;
      const width = boxes.right.data[box]! - left;
      const node = boxes.node.data[box]!;
      if (node < 0 || width < LABEL_MIN_PX) continue;
      const dim = matches !== null && !matches(node);
      layLabel(picture, node, left, width, y, inks.get(dim ? ink.dimText : ink.text)!, inks.get(dim ? ink.dimText : ink.faint)!);
    }
  }
  for (const [color, labels] of inks) {
    ctx.fillStyle = color;
    for (const label of labels) ctx.fillText(label.text, label.x, label.y);
  }
}

/** Puts name, place and share of one box where they fit: the name first, then the share, then the place. */
function layLabel(
  picture: FlamePicture, node: number, left: number, width: number, y: number, strong: Label[], faint: Label[],
): void {
  const { fitter } = picture;
  const room = width - 2 * PAD_PX + 2;
  const name = picture.name(node);
  const text = fitter.fit(name, room);
  if (!text) return;
  strong.push({ text, x: left + PAD_PX, y });
  if (text !== name) return;
  let rest = room - fitter.width(name) - 10;
  if (picture.amount) {
    const share = picture.amount(node);
    const shareWidth = fitter.width(share);
    rest -= shareWidth;
    if (rest < 0) return;
    faint.push({ text: share, x: left + PAD_PX + room - shareWidth, y });
  }
  rest -= 8;
  const place = picture.place(node);
  if (place && fitter.width(place) <= rest) faint.push({ text: place, x: left + PAD_PX + fitter.width(name) + 8, y });
}

/** An outline around the focused box. */
function paintMark(ctx: CanvasRenderingContext2D, { accent, boxes, firstRow, focused, lastRow, rowTop }: FlamePicture): void {
  if (focused < 0 || focused >= boxes.node.length) return;
  const row = rowOf(boxes, focused);
  if (row < firstRow || row > lastRow) return;
  const left = boxes.left.data[focused]!;
  const width = Math.max(2, boxes.right.data[focused]! - left - GAP_PX);
  ctx.strokeStyle = accent;
  ctx.lineWidth = 2;
  ctx.strokeRect(left + 1, rowTop(row) + 1, Math.max(1, width - 2), ROW_PX - GAP_PX - 2);
}
