/** The icicle or flame chart: a scrolled canvas, its pointer and its keys. */
import type { Viewport } from "../model/layout";
import { Boxes, layoutTree, leftEdge } from "../model/layout";
import type { ViewState } from "../model/view-state";
import { CanvasView } from "../render/canvas-view";
import type { Theme } from "../render/colors";
import { INK } from "../render/colors";
import { paintFlame, ROW_PX } from "../render/flame";
import { LabelFitter } from "../render/labels";
import { FramePalette } from "./frame-palette";
import type { Cleanup } from "./dom";
import { el } from "./dom";
import type { Tokens } from "./theme";

const ZOOM_MS = 120;

/** What is seen: a part of the root's width, and the first row. */
interface Camera {
  readonly from: number;
  readonly span: number;
  readonly topRow: number;
}

export interface ChartEvents {
  /** The pointer is over a box of `boxes` (or none, -1), at (x, y) of the window. */
  hover(box: number, x: number, y: number): void;
  /** The focus moved to a node by keys; (x, y) of the window is where its box is. */
  focus(node: number, x: number, y: number): void;
}

export class Chart {
  readonly element = el("div", "nbspy-chart");
  readonly boxes = new Boxes();
  focusNode = 0;
  private readonly spacer = el("div", "nbspy-spacer");
  private readonly view = new CanvasView(document, (now) => this.paint(now));
  private readonly fitter = new LabelFitter((text) => this.view.context.measureText(text).width);
  private readonly palette: FramePalette;
  private readonly stillness = matchMedia("(prefers-reduced-motion: reduce)");
  private camera: Camera = { from: 0, span: 1, topRow: 1 };
  private moveFrom: Camera | null = null;
  private moveStart = 0;
  private laidOut = false;
  private hovered = -1;
  private focusShown = false;
  private theme: Theme = "light";
  private tokens: Tokens | null = null;

  constructor(private readonly state: ViewState, private readonly events: ChartEvents, cleanup: Cleanup) {
    this.palette = new FramePalette(state);
    const { element } = this;
    element.tabIndex = 0;
    element.setAttribute("role", "application");
    element.setAttribute("aria-label", "Call tree chart: arrow keys move, Enter zooms, Escape goes back");
    element.append(this.view.canvas, this.spacer);
    cleanup.listen(element, "scroll", () => {
      this.hover(-1, 0, 0);
      this.view.invalidate();
    }, { passive: true });
    cleanup.listen<PointerEvent>(element, "pointermove", (event) => this.pointerMoved(event));
    cleanup.listen(element, "pointerleave", () => this.hover(-1, 0, 0));
    cleanup.listen<PointerEvent>(element, "pointerdown", () => this.showFocus(false));
    cleanup.listen<MouseEvent>(element, "click", (event) => this.clicked(event));
    cleanup.listen(element, "focus", () => this.showFocus(element.matches(":focus-visible")));
    cleanup.listen(element, "blur", () => this.showFocus(false));
    cleanup.add(() => this.view.dispose());
  }

  /** Rows that the chart shows, from the zoomed node downwards. */
  get rows(): number {
    return Math.max(0, this.boxes.rows - this.topRow);
  }

  /** Layout row (depth) of the first row shown: the root itself is not drawn. */
  get topRow(): number {
    const { zoom, tree } = this.state;
    return zoom === 0 ? 1 : tree.depth.data[zoom]!;
  }

  setTheme(theme: Theme, tokens: Tokens): void {
    this.theme = theme;
    this.tokens = tokens;
    this.palette.setTheme(theme);
    this.view.invalidate();
  }

  resize(): void {
    const { clientWidth, clientHeight } = this.element;
    if (!clientWidth || !clientHeight) return;
    if (this.view.resize(clientWidth, clientHeight)) {
      this.change();
      this.view.paintNow();
    }
  }

  /** The weights, the tree or its order changed: everything is laid out anew, in place. */
  change(): void {
    this.laidOut = false;
    this.view.invalidate();
  }

  /** Goes to the state's zoomed node. */
  moveToZoom(): void {
    this.moveFrom = this.stillness.matches ? null : this.camera;
    this.moveStart = performance.now();
    this.hover(-1, 0, 0);
    if (this.state.zoom !== 0 && !this.isBelowZoom(this.focusNode)) this.focusNode = this.state.zoom;
    this.layOut();
    this.scrollToRoot();
    this.change();
  }

  flip(): void {
    this.layOut();
    this.scrollToRoot();
    this.view.invalidate();
  }

  /** Moves the focus to `node` and into sight; zooms to its parent where its box would be too small. */
  reveal(node: number): void {
    const { state } = this;
    const depth = (): number => state.tree.depth.data[node]!;
    this.ensureLayout();
    if (this.boxes.find(depth(), node) < 0) state.zoomTo(state.tree.parent.data[node]!);
    this.ensureLayout();
    if (this.boxes.find(depth(), node) < 0) state.zoomTo(node);
    this.setFocus(node);
  }

  /** Handles a key; true where it was one of the chart's. */
  key(event: KeyboardEvent): boolean {
    const { state } = this;
    const deeper = state.flipped ? "ArrowUp" : "ArrowDown";
    const shallower = state.flipped ? "ArrowDown" : "ArrowUp";
    this.ensureLayout();
    if (event.key === "Enter" && this.focusNode) state.zoomTo(this.focusNode);
    else if (event.key === "Home") this.setFocus(this.firstNode());
    else if (![deeper, shallower, "ArrowLeft", "ArrowRight"].includes(event.key)) return false;
    else if (this.boxOf(this.focusNode) < 0) this.setFocus(this.firstNode());
    else if (event.key === deeper) this.setFocus(this.widestChild(this.focusNode));
    else if (event.key === shallower) this.setFocus(state.tree.parent.data[this.focusNode]!);
    else this.setFocus(this.neighbour(this.focusNode, event.key === "ArrowLeft" ? -1 : 1));
    return true;
  }

  /** Index of the node's box in `boxes`, or -1 where it is not shown. */
  boxOf(node: number): number {
    const depth = this.state.tree.depth.data[node] ?? 0;
    return node === 0 || depth < this.topRow ? -1 : this.boxes.find(depth, node);
  }

  private firstNode(): number {
    const { zoom } = this.state;
    return zoom !== 0 ? zoom : this.widestChild(0);
  }

  private widestChild(node: number): number {
    const { boxes, state } = this;
    const row = state.tree.depth.data[node]! + 1;
    let widest = 0;
    if (row >= boxes.rows) return node;
    for (let box = boxes.rowStart.data[row]!; box < boxes.rowStart.data[row + 1]!; box++) {
      const child = boxes.node.data[box]!;
      if (child <= 0 || state.tree.parent.data[child] !== node) continue;
      if (widest === 0 || state.total[child]! > state.total[widest]!) widest = child;
    }
    return widest || node;
  }

  private neighbour(node: number, step: number): number {
    const { boxes } = this;
    const row = this.state.tree.depth.data[node]!;
    for (let box = boxes.find(row, node) + step; ; box += step) {
      if (box < boxes.rowStart.data[row]! || box >= boxes.rowStart.data[row + 1]!) return node;
      if (boxes.node.data[box]! > 0) return boxes.node.data[box]!;
    }
  }

  private setFocus(node: number): void {
    const box = this.boxOf(node);
    if (box < 0) return;
    this.focusNode = node;
    this.focusShown = true;
    this.hover(-1, 0, 0);
    const depth = this.state.tree.depth.data[node]!;
    const { element } = this;
    const top = this.rowTop(depth, this.topRow);
    if (top < 0) element.scrollTop += top;
    else if (top + ROW_PX > element.clientHeight) element.scrollTop += top + ROW_PX - element.clientHeight;
    this.view.invalidate();
    const frame = element.getBoundingClientRect();
    const middle = Math.min(this.boxes.right.data[box]!, this.boxes.left.data[box]! + 160);
    this.events.focus(node, frame.left + middle, frame.top + this.rowTop(depth, this.topRow) + ROW_PX);
  }

  private showFocus(shown: boolean): void {
    if (shown === this.focusShown) return;
    this.focusShown = shown;
    if (!shown) this.events.hover(-1, 0, 0);
    this.view.invalidate();
  }

  private pointerMoved(event: PointerEvent): void {
    if (event.pointerType === "touch") return;
    this.hover(this.hit(event), event.clientX, event.clientY);
  }

  private clicked(event: MouseEvent): void {
    const node = this.boxes.node.data[this.hit(event)] ?? 0;
    if (node <= 0) return;
    this.focusNode = node;
    // A click on the frame that fills the chart goes back out.
    if (node === this.state.zoom) this.state.goBack();
    else this.state.zoomTo(node);
  }

  private hit(event: MouseEvent): number {
    this.ensureLayout();
    const frame = this.element.getBoundingClientRect();
    const y = event.clientY - frame.top;
    const fromTop = this.state.flipped ? this.contentPx() - y - this.element.scrollTop : y + this.element.scrollTop;
    const row = this.topRow + Math.floor(fromTop / ROW_PX);
    return row < this.topRow ? -1 : this.boxes.at(row, event.clientX - frame.left);
  }

  private hover(box: number, x: number, y: number): void {
    if (box !== this.hovered) {
      this.hovered = box;
      this.element.classList.toggle("nbspy-over", box >= 0);
      this.view.invalidate();
    } else if (box < 0) return;
    this.events.hover(box, x, y);
  }

  private isBelowZoom(node: number): boolean {
    const { tree, zoom } = this.state;
    let at = node;
    while (at > zoom) at = tree.parent.data[at]!;
    return at === zoom;
  }

  private scrollToRoot(): void {
    this.element.scrollTop = this.state.flipped ? this.contentPx() : 0;
  }

  private contentPx(): number {
    return Math.max(this.view.heightPx, this.rows * ROW_PX + 2);
  }

  private target(): Camera {
    const { tree, total, zoom, order } = this.state;
    return { from: leftEdge(tree, total, zoom, order), span: total[zoom]!, topRow: this.topRow };
  }

  private ensureLayout(): void {
    if (!this.laidOut) this.layOut();
  }

  /** Lays out what the chart shows when it stands still. */
  private layOut(): void {
    this.camera = this.target();
    this.layOutAt(this.camera);
    this.laidOut = true;
    const { element, spacer } = this;
    const atBottom = element.scrollTop + element.clientHeight >= element.scrollHeight - 2;
    const height = `${this.contentPx()}px`;
    if (spacer.style.height === height) return;
    spacer.style.height = height;
    if (this.state.flipped && atBottom) this.scrollToRoot();
  }

  private layOutAt(camera: Camera): void {
    const { tree, total, order } = this.state;
    const viewport: Viewport = { from: camera.from, span: camera.span, widthPx: this.view.widthPx };
    layoutTree(this.boxes, tree, total, 0, 0, order, viewport);
  }

  private rowTop(row: number, topRow: number): number {
    const { scrollTop } = this.element;
    if (!this.state.flipped) return (row - topRow) * ROW_PX - scrollTop;
    return this.contentPx() - (row - topRow + 1) * ROW_PX - scrollTop + 1;
  }

  private paint(now: number): void {
    if (!this.tokens || !this.view.widthPx) return;
    let { topRow } = this.target();
    const passed = this.moveFrom ? Math.max(0, now - this.moveStart) / ZOOM_MS : 1;
    if (this.moveFrom && passed < 1) {
      const eased = 1 - (1 - passed) ** 3;
      const to = this.target();
      const mix = (a: number, b: number): number => a + (b - a) * eased;
      const { moveFrom } = this;
      topRow = mix(moveFrom.topRow, to.topRow);
      this.layOutAt({ from: mix(moveFrom.from, to.from), span: mix(moveFrom.span, to.span), topRow });
      this.laidOut = false;
      this.view.invalidate();
    } else {
      this.moveFrom = null;
      this.ensureLayout();
    }
    this.paintRows(topRow, this.tokens);
  }

  private paintRows(topRow: number, tokens: Tokens): void {
    const { boxes, state, view } = this;
    const tops = [this.rowTop(0, topRow), this.rowTop(1, topRow)];
    const perRow = tops[1]! - tops[0]!;
    // Rows whose top lies in (-ROW_PX, height).
    const ends = [(-ROW_PX - tops[0]!) / perRow, (view.heightPx - tops[0]!) / perRow].sort((a, b) => a - b);
    paintFlame(view.context, {
      boxes, widthPx: view.widthPx, heightPx: view.heightPx,
      rowTop: (row) => this.rowTop(row, topRow),
      firstRow: Math.max(1, Math.floor(topRow), Math.floor(ends[0]!)),
      lastRow: Math.min(boxes.rows - 1, Math.ceil(ends[1]!)),
      fill: this.palette.fill,
      name: (node) => state.names.label(state.tree.key.data[node]!),
      place: (node) => state.placeOf(node),
      share: (node) => state.total[node]! / state.total[0]!,
      matches: state.matches ? (node) => state.isMatch(node) : null,
      hovered: this.hovered,
      focused: this.focusShown ? this.boxOf(this.focusNode) : -1,
      ink: INK[this.theme], accent: tokens.accent, background: tokens.background,
      font: `12px ${tokens.fontFamily}`, fitter: this.fitter,
    });
  }
}
