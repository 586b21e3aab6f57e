/** The icicle or flame chart: a scrolled canvas, its pointer and its keys. */
import { points, roughPercent } from "../model/format";
import { Boxes } from "../model/layout";
import { isWithin, rowOf } from "../model/navigate";
import type { Camera, Scene } from "../model/scene";
import { TreeScene } from "../model/scene";
import type { ViewState } from "../model/view-state";
import { CanvasView } from "../render/canvas-view";
import type { Hues, Theme } from "../render/colors";
import { INK } from "../render/colors";
import type { FlameLook } from "../render/flame";
import { paintFlame, ROW_PX } from "../render/flame";
import { LabelFitter } from "../render/labels";
import { listenToGestures } from "./gestures";
import { ChartCamera } from "./camera";
import { chartKey } from "./chart-keys";
import { FramePalette } from "./frame-palette";
import { placeMark } from "./hover-mark";
import type { Cleanup } from "./dom";
import { el } from "./dom";
import type { Tokens } from "./theme";

export interface ChartEvents {
  /** The pointer is over a box of `boxes` (or none, -1), at (x, y) of the window. */
  hover(box: number, x: number, y: number): void;
  /** The focus moved to a node by keys; (x, y) of the window is where its box is. */
  focus(node: number, x: number, y: number): void;
  /** Wheel or drags have moved what is seen. */
  moved(): void;
  /** Asks what can be done with a node, at (x, y) of the window. */
  menu(node: number, x: number, y: number): void;
}

export class Chart {
  readonly element = el("div", "nbspy-chart");
  readonly boxes = new Boxes();
  focusNode = 0;
  /** Middle of the focused box, in the unit of the widths: along the time a node has many boxes. */
  private focusAt = 0;
  private readonly spacer = el("div", "nbspy-spacer");
  private readonly mark = el("div", "nbspy-mark");
  private readonly view = new CanvasView(document, (now) => this.paint(now));
  private readonly fitter = new LabelFitter((text) => this.view.context.measureText(text).width);
  private readonly palette: FramePalette;
  private readonly stillness = matchMedia("(prefers-reduced-motion: reduce)");
  private readonly camera = new ChartCamera();
  private laidOut = false;
  /** Where the element is scrolled to: to ask it while a picture is painted would lay out all of the page for that. */
  private scrollTop = 0;
  private hovered = -1;
  private focusShown = false;
  private theme: Theme = "light";
  private tokens: Tokens | null = null;

  constructor(
    private readonly state: ViewState, public scene: Scene, label: string, private readonly events: ChartEvents, cleanup: Cleanup, hues: Hues,
  ) {
    this.palette = new FramePalette(state, hues);
    const { element } = this;
    element.tabIndex = 0;
    element.setAttribute("role", "application");
    element.setAttribute("aria-label", `${label}: arrow keys move, Enter zooms, Escape goes back, m opens a menu`);
    element.append(this.view.canvas, this.spacer, this.mark);
    cleanup.listen(element, "scroll", () => {
      this.scrollTop = element.scrollTop;
      this.hover(-1, 0, 0);
      this.view.invalidate();
    }, { passive: true });
    cleanup.listen<PointerEvent>(element, "pointermove", (event) => this.pointerMoved(event));
    cleanup.listen(element, "pointerleave", () => this.hover(-1, 0, 0));
    cleanup.listen<PointerEvent>(element, "pointerdown", () => this.showFocus(false));
    cleanup.listen<MouseEvent>(element, "contextmenu", (event) => this.askedForMenu(event));
    cleanup.listen(element, "focus", () => this.showFocus(element.matches(":focus-visible")));
    cleanup.listen(element, "blur", () => this.showFocus(false));
    listenToGestures(element, {
      click: (event) => this.clicked(event),
      pan: (dx) => this.moveBy(-dx / this.view.widthPx),
      canPan: () => this.camera.current.span < this.scene.bounds().span,
      zoom: (factor, x) => this.zoomBy(factor, x / this.view.widthPx),
    }, cleanup);
    cleanup.add(() => this.view.dispose());
  }

  /** Shows another scene. */
  setScene(scene: Scene): void {
    if (scene === this.scene) return;
    this.scene = scene;
    this.focusNode = 0;
    this.camera.goHome(true);
    this.hover(-1, 0, 0);
    this.goToRoot();
  }

  /** Rows that the chart shows, from the zoomed node downwards. */
  get rows(): number {
    return Math.max(0, this.boxes.rows - this.topRow);
  }

  /** Sees to it that `boxes` and `rows` are those of what is shown when it stands still. */
  settle(): this {
    this.ensureLayout();
    return this;
  }

  /** Layout row (depth) of the first row shown: the root itself is not drawn. */
  get topRow(): number {
    return this.scene.home().topRow;
  }

  setTheme(theme: Theme, tokens: Tokens): void {
    this.theme = theme;
    this.tokens = tokens;
    this.palette.setTheme(theme);
    this.view.invalidate();
  }

  resize(): void {
    const { clientWidth, clientHeight, scrollTop } = this.element;
    if (!clientWidth || !clientHeight) return;
    // What was out of the page begins at its top again.
    this.scrollTop = scrollTop;
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

  /** What is laid out looks otherwise. */
  repaint(): void {
    this.view.invalidate();
  }

  /** Goes to the scene's zoomed node. */
  moveToZoom(): void {
    this.camera.goHome(this.stillness.matches);
    this.hover(-1, 0, 0);
    if (this.scene.zoom !== 0 && !isWithin(this.scene.tree, this.focusNode, this.scene.zoom)) this.focusNode = this.scene.zoom;
    this.goToRoot();
  }

  /** Lays out anew, with the root in sight. */
  goToRoot(): void {
    this.layOut();
    this.scrollToRoot();
    this.change();
  }

  /** Moves the focus to `node` and into sight; zooms to its parent where its box would be too small. */
  reveal(node: number): void {
    const { scene } = this;
    const missing = (): boolean => {
      this.ensureLayout();
      return this.boxes.find(scene.tree.depth.data[node]!, node) < 0;
    };
    if (missing()) this.camera.goHome(true);
    if (missing() && scene instanceof TreeScene) {
      scene.zoomTo(scene.tree.parent.data[node]!);
      if (missing()) scene.zoomTo(node);
    }
    this.ensureLayout();
    this.setFocus(this.boxes.find(scene.tree.depth.data[node]!, node));
  }

  /** Handles a key; true where it was one of the chart's. */
  key(event: KeyboardEvent): boolean {
    this.ensureLayout();
    return chartKey(event, this.scene.flipped, this.boxes, this.boxOf(this.focusNode), this.topRow, {
      enter: (box) => this.enter(box),
      focus: (box) => this.setFocus(box),
      zoom: (factor) => this.zoomBy(factor, 0.5),
      pan: (part) => this.moveBy(part),
      scroll: (part) => this.scrollTo(this.scrollTop + part * this.element.clientHeight),
      menu: (box) => this.openMenu(box),
    });
  }

  /** Index of the focused node's box in `boxes`, or of any node's; -1 where it is not shown. */
  boxOf(node: number): number {
    const { boxes, scene } = this;
    const depth = scene.tree.depth.data[node] ?? 0;
    if (node === 0 || depth < this.topRow) return -1;
    if (!scene.timed || node !== this.focusNode) return boxes.find(depth, node);
    const box = boxes.at(depth, (this.focusAt - this.camera.current.from) / this.camera.current.span * this.view.widthPx);
    return box >= 0 && boxes.node.data[box] === node ? box : -1;
  }

  private openMenu(box: number): void {
    const node = box < 0 ? 0 : this.boxes.node.data[box]!;
    if (node <= 0) return;
    const frame = this.element.getBoundingClientRect();
    this.events.menu(node, frame.left + this.boxes.left.data[box]! + 12, frame.top + this.rowTop(rowOf(this.boxes, box), this.topRow) + ROW_PX);
  }

  private setFocus(box: number): void {
    const node = box < 0 ? 0 : this.boxes.node.data[box]!;
    if (node <= 0) return;
    this.focusNode = node;
    this.focusShown = true;
    const { left, right } = this.boxes;
    this.focusAt = this.widthAt((left.data[box]! + right.data[box]!) / 2);
    this.hover(-1, 0, 0);
    const depth = rowOf(this.boxes, box);
    const { element } = this;
    const top = this.rowTop(depth, this.topRow);
    if (top < 0) this.scrollTo(this.scrollTop + top);
    else if (top + ROW_PX > element.clientHeight) this.scrollTo(this.scrollTop + top + ROW_PX - element.clientHeight);
    this.view.invalidate();
    const frame = element.getBoundingClientRect();
    const middle = Math.min(right.data[box]!, left.data[box]! + 160);
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
    const box = this.hit(event);
    if ((this.boxes.node.data[box] ?? 0) <= 0) return;
    this.focusNode = this.boxes.node.data[box]!;
    this.focusAt = this.widthAt((this.boxes.left.data[box]! + this.boxes.right.data[box]!) / 2);
    this.enter(box);
  }

  private enter(box: number): void {
    const { boxes } = this;
    this.scene.enter(boxes.node.data[box]!, this.widthAt(boxes.left.data[box]!), this.widthAt(boxes.right.data[box]!));
  }

  private askedForMenu(event: MouseEvent): void {
    const node = this.boxes.node.data[this.hit(event)] ?? 0;
    if (node <= 0) return;
    event.preventDefault();
    this.focusNode = node;
    this.events.menu(node, event.clientX, event.clientY);
  }

  /** A place of the canvas in the unit of the widths. */
  private widthAt(x: number): number {
    return this.camera.current.from + (x / this.view.widthPx) * this.camera.current.span;
  }

  /** Back to the zoom from where wheel and drags went; true where they went somewhere. */
  goHome(): boolean {
    if (!this.camera.moved) return false;
    this.moveToZoom();
    this.events.moved();
    return true;
  }

  private zoomBy(factor: number, at: number): void {
    this.camera.zoomBy(this.scene, factor, at);
    this.wasMoved();
  }

  private moveBy(part: number): void {
    this.camera.moveBy(this.scene, part);
    this.wasMoved();
  }

  private wasMoved(): void {
    this.hover(-1, 0, 0);
    this.change();
    this.events.moved();
  }

  private hit(event: MouseEvent): number {
    this.ensureLayout();
    const frame = this.element.getBoundingClientRect();
    const y = event.clientY - frame.top;
    const fromTop = this.scene.flipped ? this.contentPx() - y - this.element.scrollTop : y + this.element.scrollTop;
    const row = this.topRow + Math.floor(fromTop / ROW_PX);
    return row < this.topRow ? -1 : this.boxes.at(row, event.clientX - frame.left);
  }

  private hover(box: number, x: number, y: number): void {
    if (box !== this.hovered) {
      this.hovered = box;
      this.element.classList.toggle("nbspy-over", box >= 0);
      this.placeMark();
    } else if (box < 0) return;
    this.events.hover(box, x, y);
  }

  private placeMark(): void {
    placeMark(this.mark, this.boxes, this.hovered, (row) => this.rowTop(row, this.topRow) + this.scrollTop);
  }

  private scrollToRoot(): void {
    this.scrollTo(this.scene.flipped ? this.contentPx() : 0);
  }

  private scrollTo(px: number): void {
    if (px || this.scrollTop) this.element.scrollTop = px;
    this.scrollTop = px && this.element.scrollTop;
  }

  private contentPx(): number {
    return Math.max(this.view.heightPx, this.rows * ROW_PX + 2);
  }

  private ensureLayout(): void {
    if (!this.laidOut) this.layOut();
  }

  /** Lays out what the chart shows when it stands still. */
  private layOut(): void {
    this.camera.current = this.camera.target(this.scene);
    this.layOutAt(this.camera.current);
    this.laidOut = true;
    this.placeMark();
    const { element, spacer } = this;
    const height = `${this.contentPx()}px`;
    if (spacer.style.height === height) return;
    const atRoot = this.scene.flipped && element.scrollTop + element.clientHeight >= element.scrollHeight - 2;
    spacer.style.height = height;
    this.scrollTo(atRoot ? this.contentPx() : this.scrollTop);
  }

  private layOutAt(camera: Camera): void {
    this.scene.layout(this.boxes, camera, this.view.widthPx);
  }

  private rowTop(row: number, topRow: number): number {
    const { scrollTop } = this;
    if (!this.scene.flipped) return (row - topRow) * ROW_PX - scrollTop;
    return this.contentPx() - (row - topRow + 1) * ROW_PX - scrollTop + 1;
  }

  private paint(now: number): void {
    if (!this.tokens || !this.view.widthPx) return;
    const moving = this.camera.onTheWay(this.scene, now);
    if (moving) {
      this.layOutAt(moving);
      this.laidOut = false;
      this.view.invalidate();
    } else this.ensureLayout();
    this.paintRows(moving ? moving.topRow : this.topRow, this.tokens);
  }

  private paintRows(topRow: number, tokens: Tokens): void {
    const { boxes, scene, view } = this;
    const tops = [this.rowTop(0, topRow), this.rowTop(1, topRow)];
    const perRow = tops[1]! - tops[0]!;
    // Rows whose top lies in (-ROW_PX, height).
    const ends = [(-ROW_PX - tops[0]!) / perRow, (view.heightPx - tops[0]!) / perRow].sort((a, b) => a - b);
    this.palette.begin(scene, view.context);
    paintFlame(view.context, {
      boxes, widthPx: view.widthPx, heightPx: view.heightPx,
      rowTop: (row) => this.rowTop(row, topRow),
      firstRow: Math.max(1, Math.floor(topRow), Math.floor(ends[0]!)),
      lastRow: Math.min(boxes.rows - 1, Math.ceil(ends[1]!)),
      ...this.look(tokens),
      focused: this.focusShown ? this.boxOf(this.focusNode) : -1,
    });
  }

  /** What is painted, whatever part of it and on whatever: the screen, or a file. */
  private look(tokens: Tokens): FlameLook {
    const { scene, state } = this;
    return {
      fill: (node) => this.palette.fill(scene, node),
      name: (node) => scene.names.label(scene.tree.key.data[node]!),
      place: (node) => scene.names.beside(scene.tree.key.data[node]!),
      amount: scene.timed ? null : scene === state.scenes.changes ? (node) => points(state.scenes.difference?.change(node) ?? 0)
        : (node) => roughPercent(scene.share(node)),
      matches: state.matches ? (node) => state.isMatch(scene.tree.key.data[node]!, scene) : null,
      ink: INK[this.theme], accent: tokens.accent, background: tokens.background,
      font: `12px ${tokens.fontFamily}`, fitter: this.fitter,
    };
  }

  /** Paints all rows of what is seen on another context, as high as they are. */
  paintAll(draw: (widthPx: number, heightPx: number, background: string) => CanvasRenderingContext2D): void {
    if (!this.tokens) return;
    this.ensureLayout();
    const { boxes, view } = this;
    const heightPx = this.rows * ROW_PX + 2;
    const context = draw(view.widthPx, heightPx, this.tokens.background);
    const top = (row: number): number => (this.scene.flipped ? heightPx - (row - this.topRow + 1) * ROW_PX : (row - this.topRow) * ROW_PX);
    paintFlame(context, {
      boxes, widthPx: view.widthPx, heightPx, rowTop: top, firstRow: this.topRow, lastRow: boxes.rows - 1,
      ...this.look(this.tokens), focused: -1,
    });
  }
}
