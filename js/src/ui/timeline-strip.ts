/** The timeline: a lane per thread; dragging selects a range of time that filters everything. */
import type { Lane } from "../model/lane";
import { classOf, STATE_WORDS, StateClass } from "../model/state";
import { tame } from "../model/names";
import type { ViewState } from "../model/view-state";
import { CanvasView } from "../render/canvas-view";
import type { Theme } from "../render/colors";
import { STATE_COLORS } from "../render/colors";
import { tileOf } from "../render/hatch";
import { shortenMiddle } from "../render/labels";
import type { Tile } from "../render/lanes";
import { rasterLanes } from "../render/lanes";
import { rememberedTimes, ticks } from "../render/timeline";
import { duration } from "../model/format";
import type { Cleanup } from "./dom";
import { el, setAttribute } from "./dom";
import type { Tokens } from "./theme";
import type { Tooltip } from "./tooltip";

const LANE_PX = 15;
const LANE_GAP_PX = 3;
const AXIS_PX = 17;
const PAD_PX = 4;
const MAX_LANES_SHOWN = 7;
const NAME_PX = 118;
/** A drag shorter than this is a click. */
const CLICK_PX = 3;
const MIN_SPAN_US = 1000;

interface Stripe {
  readonly thread: number;
  readonly top: number;
  readonly height: number;
  readonly dim: boolean;
}

export class TimelineStrip {
  readonly element = el("div", "nbspy-timeline");
  private readonly spacer = el("div", "nbspy-spacer");
  private readonly view = new CanvasView(document, () => this.paint());
  private order: readonly number[] = [];
  /** The part of the session that is shown; null = all of it. */
  private shown: readonly [number, number] | null = null;
  /** Where the lanes are scrolled to. */
  private scrollTop = 0;
  private drag: { startX: number; fromUs: number; toUs: number } | null = null;
  private theme: Theme = "light";
  private tokens: Tokens | null = null;
  private tiles: Tile[] = [];
  private tilesRatio = 0;
  /** The lanes as pixels, and what they show: while one drags they stay as they are. */
  private readonly lanes = document.createElement("canvas");
  private lanesShown = "";

  /** `clicked`: on the stack of a node of the merged tree. */
  constructor(
    private readonly state: ViewState, private readonly tooltip: Tooltip, private readonly clicked: (node: number) => void, cleanup: Cleanup,
  ) {
    const { element } = this;
    element.tabIndex = 0;
    element.setAttribute("role", "group");
    element.append(this.view.canvas, this.spacer);
    cleanup.listen(element, "scroll", () => {
      this.scrollTop = element.scrollTop;
      this.view.invalidate();
    }, { passive: true });
    cleanup.listen<PointerEvent>(element, "pointerdown", (event) => this.pressed(event));
    cleanup.listen<PointerEvent>(element, "pointermove", (event) => this.moved(event));
    cleanup.listen<PointerEvent>(element, "pointerup", (event) => this.released(event));
    cleanup.listen(element, "pointercancel", () => this.endDrag());
    cleanup.listen(element, "pointerleave", () => this.tooltip.hide());
    cleanup.listen(element, "dblclick", () => this.clear());
    // A plain wheel scrolls the notebook; with ctrl or meta (or a pinch) it zooms.
    cleanup.listen<WheelEvent>(element, "wheel", (event) => this.wheel(event), { passive: false });
    cleanup.listen<KeyboardEvent>(element, "keydown", (event) => {
      if (this.key(event)) event.preventDefault();
    });
    cleanup.add(() => this.view.dispose());
  }

  setTheme(theme: Theme, tokens: Tokens): void {
    this.theme = theme;
    this.tokens = tokens;
    this.tilesRatio = 0;
    this.lanesShown = "";
    this.view.invalidate();
  }

  update(order: readonly number[]): void {
    this.order = order;
    const lanes = Math.max(1, Math.min(MAX_LANES_SHOWN, order.length));
    const height = `${lanes * LANE_PX + AXIS_PX + 2 * PAD_PX}px`;
    if (this.element.style.height !== height) this.element.style.height = height;
    this.spacer.style.height = `${order.length * LANE_PX + AXIS_PX + 2 * PAD_PX}px`;
    this.describe();
    this.view.invalidate();
  }

  resize(): void {
    const { clientWidth, clientHeight } = this.element;
    if (clientWidth && clientHeight && this.view.resize(clientWidth, clientHeight)) this.view.paintNow();
  }

  private get left(): number {
    return this.view.widthPx < 420 ? 8 : NAME_PX;
  }

  private get width(): number {
    return Math.max(1, this.view.widthPx - this.left - 10);
  }

  /** Where the lanes end: the first second has room from its beginning on, unless no more will come. */
  private get end(): number {
    const { end, endUs } = this.state.profile;
    return Math.max(end ? MIN_SPAN_US : 1e6, endUs);
  }

  private get range(): readonly [number, number] {
    return this.shown ?? [0, this.end];
  }

  private timeAt(x: number): number {
    const [from, to] = this.range;
    const part = Math.min(1, Math.max(0, (x - this.left) / this.width));
    return from + part * (to - from);
  }

  private xAt(us: number): number {
    const [from, to] = this.range;
    return this.left + ((us - from) / (to - from)) * this.width;
  }

  private describe(): void {
    const { time } = this.state.selection;
    const range = time ? `selected ${(time[0] / 1e6).toFixed(2)} to ${(time[1] / 1e6).toFixed(2)} s` : "all of the time selected";
    setAttribute(this.element, "aria-label", `Timeline of ${this.order.length} threads, ${range}; arrow keys move a range, Escape clears it`);
  }

  private localX(event: MouseEvent): number {
    return event.clientX - this.element.getBoundingClientRect().left;
  }

  private laneAt(event: MouseEvent): number | undefined {
    const y = event.clientY - this.element.getBoundingClientRect().top;
    if (y >= this.view.heightPx - AXIS_PX) return undefined;
    return this.order[Math.floor((y + this.element.scrollTop - PAD_PX) / LANE_PX)];
  }

  private pressed(event: PointerEvent): void {
    if (event.button !== 0) return;
    const x = this.localX(event);
    if (x > this.element.clientWidth) return; // the scroll bar
    if (x < this.left) {
      const thread = this.laneAt(event);
      if (thread !== undefined) this.state.toggleThread(thread, event.shiftKey || event.ctrlKey || event.metaKey);
      return;
    }
    this.element.setPointerCapture(event.pointerId);
    const at = this.timeAt(x);
    this.drag = { startX: x, fromUs: at, toUs: at };
    this.tooltip.hide();
  }

  private moved(event: PointerEvent): void {
    const { drag } = this;
    if (!drag) {
      if (event.pointerType !== "touch") this.explain(event);
      return;
    }
    const x = this.localX(event);
    if (Math.abs(x - drag.startX) < CLICK_PX && drag.fromUs === drag.toUs) return;
    drag.toUs = this.timeAt(x);
    this.view.invalidate();
  }

  private released(event: PointerEvent): void {
    const { drag } = this;
    if (!drag) return;
    const moved = Math.abs(this.localX(event) - drag.startX) >= CLICK_PX;
    this.endDrag();
    const from = Math.min(drag.fromUs, drag.toUs);
    const to = Math.max(drag.fromUs, drag.toUs);
    if (moved && to - from >= MIN_SPAN_US) this.state.select({ time: [from, to] });
    const found = moved ? null : this.runAt(event);
    // What was left out because it is idle is wanted now.
    if (found && this.state.selected.leftOut.has(found.thread)) this.state.change({ idlers: false });
    const node = found ? this.state.selected.nodeOfRun(found.lane, found.run) : 0;
    if (node > 0) this.clicked(node);
  }

  private endDrag(): void {
    this.drag = null;
    this.view.invalidate();
  }

  private clear(): void {
    this.shown = null;
    if (this.state.selection.time) this.state.select({ time: null });
    this.view.invalidate();
  }

  private wheel(event: WheelEvent): void {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const [from, to] = this.range;
    const { end } = this;
    const at = this.timeAt(this.localX(event));
    const factor = Math.exp(Math.max(-100, Math.min(100, event.deltaY)) / 100 * 0.35);
    const span = Math.max(20 * MIN_SPAN_US, (to - from) * factor);
    if (span >= end) this.shown = null;
    else {
      const start = Math.max(0, Math.min(end - span, at - ((at - from) / (to - from)) * span));
      this.shown = [start, start + span];
    }
    this.view.invalidate();
  }

  /** Arrows move the selected range, with shift its end; Escape clears it. */
  private key(event: KeyboardEvent): boolean {
    const { time } = this.state.selection;
    const end = this.state.profile.endUs;
    if (event.key === "Escape" && (time || this.shown)) {
      this.clear();
      event.stopPropagation();
      return true;
    }
    if ((event.key !== "ArrowLeft" && event.key !== "ArrowRight") || !(end > 0)) return false;
    const step = (event.key === "ArrowLeft" ? -1 : 1) * end / 40;
    if (!time) this.state.select({ time: [end * 0.9, end] });
    else if (event.shiftKey) this.state.select({ time: [time[0], Math.min(end, Math.max(time[0] + end / 40, time[1] + step))] });
    else {
      const from = Math.max(0, Math.min(end - (time[1] - time[0]), time[0] + step));
      this.state.select({ time: [from, from + time[1] - time[0]] });
    }
    event.stopPropagation();
    return true;
  }

  /** The run under the pointer; null where there is none. */
  private runAt(event: MouseEvent): { thread: number; at: number; lane: Lane; run: number } | null {
    const x = this.localX(event);
    const thread = this.laneAt(event);
    const lane = thread === undefined || x < this.left ? null : this.state.profile.runs.of(thread);
    if (!lane || thread === undefined) return null;
    const at = this.timeAt(x);
    const run = lane.firstAfter(at);
    return run < lane.length && at >= lane.start.data[run]! ? { thread, at, lane, run } : null;
  }

  private explain(event: PointerEvent): void {
    const found = this.runAt(event);
    if (!found) {
      this.tooltip.hide();
      return;
    }
    const { at, lane, run, thread } = found;
    const { granularity, names, profile } = this.state;
    const node = profile.nodeOf(granularity)[lane.node.data[run]!]!;
    // Of the stack as it was, whatever of it the view hides or collapses.
    const key = profile.tree(granularity).key.data[node]!;
    const kind = classOf(lane.state.data[run]!);
    const name = tame(profile.threads[thread]?.name ?? "") || `thread ${thread}`;
    this.tooltip.show({
      title: name, subtitle: `${(at / 1e6).toFixed(3)} s`,
      rows: [["State", `${STATE_WORDS[kind]!} for ${duration(lane.weight.data[run]!)}`], ["In", node ? `${names.name(key)}  ${names.place(key)}` : "-"]],
    }, event.clientX, event.clientY);
  }

  private paint(): void {
    const { tokens, view } = this;
    if (!tokens || !view.widthPx) return;
    const ctx = view.context;
    ctx.fillStyle = tokens.background;
    ctx.fillRect(0, 0, view.widthPx, view.heightPx);
    const bottom = view.heightPx - AXIS_PX;
    this.paintAxis(ctx, tokens, bottom);
    ctx.save();
    ctx.beginPath();
    ctx.rect(0, 0, view.widthPx, bottom);
    ctx.clip();
    const lanes = this.visibleLanes(bottom);
    this.paintLanes(ctx, tokens, lanes, bottom);
    if (this.left === NAME_PX) this.paintNames(ctx, tokens, lanes);
    ctx.restore();
    this.paintBrush(ctx, tokens, bottom);
  }

  private paintLanes(ctx: CanvasRenderingContext2D, tokens: Tokens, shown: readonly Stripe[], bottom: number): void {
    const { left, lanes, state: { profile }, view: { ratio }, width } = this;
    const [fromUs, toUs] = this.range;
    const columns = Math.max(1, Math.floor(width * ratio));
    const rows = Math.max(1, Math.ceil(bottom * ratio));
    const columnUs = (toUs - fromUs) / columns;
    const pictures = shown.map(({ thread, top, height }) => ({
      times: rememberedTimes(profile, thread, fromUs, toUs, columns), columnUs,
      top: Math.round(top * ratio), height: Math.round(height * ratio),
    }));
    const key = [columns, rows, fromUs, toUs, profile.runs.generation, ...shown.flatMap(({ thread, top }) => [thread, top, profile.runs.of(thread)?.length])].join();
    if (key !== this.lanesShown) {
      this.lanesShown = key;
      if (this.tilesRatio !== ratio) [this.tiles, this.tilesRatio] = [stateTiles(this.theme, tokens.background, ratio), ratio];
      [lanes.width, lanes.height] = [columns, rows];
      const image = new ImageData(columns, rows);
      rasterLanes(new Uint32Array(image.data.buffer), columns, pictures, this.tiles);
      lanes.getContext("2d")?.putImageData(image, 0, 0);
    }
    for (const [i, { dim }] of shown.entries()) {
      ctx.globalAlpha = dim ? 0.35 : 1;
      const { height, top } = pictures[i]!;
      ctx.drawImage(lanes, 0, top, columns, height, left, top / ratio, columns / ratio, height / ratio);
    }
    ctx.globalAlpha = 1;
  }

  private visibleLanes(bottom: number): Stripe[] {
    const { scrollTop, state } = this;
    const first = Math.max(0, Math.floor((scrollTop - PAD_PX) / LANE_PX));
    const last = Math.min(this.order.length, Math.ceil((scrollTop + bottom) / LANE_PX));
    return this.order.slice(first, last).map((thread, i) => ({
      thread, top: PAD_PX + (first + i) * LANE_PX - scrollTop, height: LANE_PX - LANE_GAP_PX,
      dim: !state.sees(thread),
    }));
  }

  private paintNames(ctx: CanvasRenderingContext2D, tokens: Tokens, lanes: readonly Stripe[]): void {
    ctx.font = `11px ${tokens.fontFamily}`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "right";
    for (const { thread, top, height, dim } of lanes) {
      const name = tame(this.state.profile.threads[thread]?.name ?? "") || `thread ${thread}`;
      ctx.fillStyle = dim ? tokens.muted : tokens.text;
      ctx.fillText(shortenMiddle(name, NAME_PX - 20, (text) => ctx.measureText(text).width), NAME_PX - 8, top + height / 2 + 0.5);
    }
    ctx.textAlign = "left";
  }

  private paintAxis(ctx: CanvasRenderingContext2D, tokens: Tokens, bottom: number): void {
    const [from, to] = this.range;
    const times = ticks(from, to, this.width, 70);
    const digits = times.length > 1 ? Math.max(0, Math.min(6, Math.ceil(-Math.log10((times[1]! - times[0]!) / 1e6) - 1e-9))) : 1;
    ctx.font = `10px ${tokens.fontFamily}`;
    ctx.textBaseline = "alphabetic";
    for (const time of times) {
      const x = Math.round(this.xAt(time)) + 0.5;
      ctx.fillStyle = tokens.border;
      ctx.fillRect(x, 0, 1, bottom + 3);
      const text = `${(time / 1e6).toFixed(digits)} s`;
      if (x + ctx.measureText(text).width + 4 > this.view.widthPx) continue;
      ctx.fillStyle = tokens.muted;
      ctx.fillText(text, x + 3, bottom + 12);
    }
  }

  private paintBrush(ctx: CanvasRenderingContext2D, tokens: Tokens, bottom: number): void {
    const { drag } = this;
    const range = drag && drag.fromUs !== drag.toUs
      ? [Math.min(drag.fromUs, drag.toUs), Math.max(drag.fromUs, drag.toUs)] as const : this.state.selection.time;
    if (!range) return;
    const from = Math.max(this.left, this.xAt(range[0]));
    const to = Math.min(this.left + this.width, this.xAt(range[1]));
    if (to < from) return;
    ctx.globalAlpha = 0.62;
    ctx.fillStyle = tokens.background;
    ctx.fillRect(this.left, 0, from - this.left, bottom);
    ctx.fillRect(to, 0, this.left + this.width - to, bottom);
    ctx.globalAlpha = 1;
    ctx.fillStyle = tokens.accent;
    ctx.fillRect(from - 1, 0, 2, bottom);
    ctx.fillRect(to - 1, 0, 2, bottom);
    ctx.fillRect(from, bottom, Math.max(1, to - from), 2);
  }
}

/** Tiles in the order of `StateClass`: waiting and GC are hatched, so that they differ without colour too. */
function stateTiles(theme: Theme, background: string, ratio: number): Tile[] {
  return STATE_COLORS[theme].map((color, kind) => (
    tileOf(color, kind === StateClass.GIL_WAIT || kind === StateClass.GC ? background : null, kind === StateClass.GIL_WAIT, ratio)
  ));
}
