/** The timeline: a lane per thread; dragging selects a range of time that filters everything. */
import type { Lane } from "../model/lane";
import { IDLERS, LaneOrder } from "../model/lane-order";
import { AWAKE, classOf, STATE_WORDS } from "../model/state";
import { threadName } from "../model/thread-name";
import type { ViewState } from "../model/view-state";
import { CanvasView } from "../render/canvas-view";
import type { Theme } from "../render/colors";
import { shortenMiddle } from "../render/labels";
import { LanesCanvas } from "../render/lanes-canvas";
import { paintBrush, paintRuler } from "../render/time-ruler";
import { rememberedTimes } from "../render/timeline";
import { duration, plural } from "../model/format";
import { Clicks } from "./clicks";
import type { Cleanup } from "./dom";
import { el, setAttribute } from "./dom";
import type { Tokens } from "./theme";
import type { Tooltip } from "./tooltip";

const LANE_PX = 15;
const LANE_GAP_PX = 3;
const AXIS_PX = 17;
const PAD_PX = 4;
const BORDER_PX = 1;
/** Lanes that are in sight at once: more where the view is higher. */
const LEAST_LANES = 7;
const MOST_LANES = 16;
const VIEW_PX_PER_LANE = 60;
const NAME_PX = 118;
/** A drag shorter than this is a click. */
const CLICK_PX = 3;
/** What an idle thread did is brief: it is found so far from the pointer. */
const NEAR_PX = 3;
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
  private readonly order: LaneOrder;
  private mostLanes = LEAST_LANES;
  /** The part of the session that is shown; null = all of it. */
  private shown: readonly [number, number] | null = null;
  /** Where the lanes are scrolled to. */
  private scrollTop = 0;
  /** What is being selected; `before`: what was selected, `step`: all of it is one step back. */
  private drag: { startX: number; fromUs: number; toUs: number; before: readonly [number, number] | null; step: string } | null = null;
  private theme: Theme = "light";
  private tokens: Tokens | null = null;
  private readonly lanes = new LanesCanvas();

  /** `clicked`: on the stack of a node of the merged tree. */
  constructor(
    private readonly state: ViewState, private readonly tooltip: Tooltip, private readonly clicked: (node: number) => void, cleanup: Cleanup,
  ) {
    const { element } = this;
    this.order = new LaneOrder(state.profile);
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
    cleanup.listen(element, "pointercancel", () => this.cancelDrag());
    cleanup.listen(element, "pointerleave", () => this.tooltip.hide());
    const clicks = new Clicks(element, () => state.settings, cleanup);
    cleanup.listen(element, "dblclick", () => this.clear(clicks.before));
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
    this.lanes.forget();
    this.view.invalidate();
  }

  /** Takes what arrived since (`data`), or what the settings say now. */
  update(data: boolean): void {
    const { element, order } = this;
    order.update(this.state.settings, data && element.matches(":hover"));
    this.setHeight();
    this.describe();
    this.view.invalidate();
  }

  /** As high as its lanes are, each whole. */
  private setHeight(): void {
    const { length } = this.order.lanes;
    const around = AXIS_PX + 2 * PAD_PX;
    const height = `${Math.max(1, Math.min(this.mostLanes, length)) * LANE_PX + around + BORDER_PX}px`;
    if (this.element.style.height !== height) this.element.style.height = height;
    this.spacer.style.height = `${length * LANE_PX + around}px`;
  }

  /** `viewPx`: how high the view is that this is a part of. */
  resize(viewPx: number): void {
    this.mostLanes = Math.max(LEAST_LANES, Math.min(MOST_LANES, Math.floor(viewPx / VIEW_PX_PER_LANE)));
    this.setHeight();
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

  private describe(): void {
    const { time } = this.state.selection;
    const range = time ? `selected ${(time[0] / 1e6).toFixed(2)} to ${(time[1] / 1e6).toFixed(2)} s` : "all of the time selected";
    setAttribute(this.element, "aria-label", `Timeline of ${plural(this.state.profile.threads.length, "thread")}, ${range}; arrow keys move a range, Escape clears it`);
  }

  private localX(event: MouseEvent): number {
    return event.clientX - this.element.getBoundingClientRect().left;
  }

  /** Of the lanes in sight the first: they are shown whole, wherever one scrolls. */
  private get first(): number {
    return Math.round(this.scrollTop / LANE_PX);
  }

  private get inSight(): number {
    return Math.max(0, Math.floor((this.view.heightPx - AXIS_PX - PAD_PX) / LANE_PX));
  }

  /** The thread whose lane it is, or `IDLERS`. */
  private laneAt(event: MouseEvent): number | undefined {
    const at = Math.floor((event.clientY - this.element.getBoundingClientRect().top - BORDER_PX - PAD_PX) / LANE_PX);
    return at < 0 || at >= this.inSight ? undefined : this.order.lanes[this.first + at];
  }

  private pressed(event: PointerEvent): void {
    if (event.button !== 0) return;
    const x = this.localX(event);
    if (x > this.element.clientWidth) return; // the scroll bar
    if (x < this.left) {
      const thread = this.laneAt(event);
      if (thread === IDLERS) this.showIdlers();
      else if (thread !== undefined) this.state.toggleThread(thread, event.shiftKey || event.ctrlKey || event.metaKey);
      return;
    }
    this.element.setPointerCapture(event.pointerId);
    const at = this.timeAt(x);
    this.drag = { startX: x, fromUs: at, toUs: at, before: this.state.settings.time, step: `brush ${event.timeStamp}` };
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
    this.follow();
    this.view.invalidate();
  }

  /** Everything follows the brush while it is drawn. */
  private follow(): void {
    const { fromUs, step, toUs } = this.drag!;
    if (Math.abs(toUs - fromUs) >= MIN_SPAN_US) this.state.change({ time: [Math.min(fromUs, toUs), Math.max(fromUs, toUs)] }, step);
  }

  /** The finger went on to scroll the page: nothing was selected. */
  private cancelDrag(): void {
    if (this.drag) this.state.change({ time: this.drag.before }, this.drag.step);
    this.endDrag();
  }

  private released(event: PointerEvent): void {
    const { drag } = this;
    if (!drag) return;
    const moved = Math.abs(this.localX(event) - drag.startX) >= CLICK_PX;
    if (moved) this.follow();
    this.endDrag();
    const found = moved ? null : this.runAt(event);
    // What was left out because it is idle is wanted now.
    if (found ? this.state.selected.leftOut.has(found.thread) : !moved && this.laneAt(event) === IDLERS) this.showIdlers();
    const node = found ? this.state.selected.nodeOfRun(found.lane, found.run) : 0;
    if (node > 0) this.clicked(node);
  }

  private readonly showIdlers = (): void => this.state.change({ idlers: false });

  private endDrag(): void {
    this.drag = null;
    this.view.invalidate();
  }

  private clear({ idlers, tab, zoom } = this.state.settings): void {
    this.shown = null;
    this.state.change({ idlers, tab, zoom, time: null });
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
    if (thread === undefined || x < this.left) return null;
    const at = this.timeAt(x);
    if (thread === IDLERS) return this.runOfIdlers(at, this.timeAt(x - NEAR_PX), this.timeAt(x + NEAR_PX));
    const lane = this.state.profile.runs.of(thread);
    const run = lane?.firstAfter(at) ?? 0;
    return lane && run < lane.length && at >= lane.start.data[run]! ? { thread, at, lane, run } : null;
  }

  /** What one of those that share a lane did there while it was not idle. */
  private runOfIdlers(at: number, fromUs: number, toUs: number): ReturnType<TimelineStrip["runAt"]> {
    for (const thread of this.order.idlers) {
      const lane = this.state.profile.runs.of(thread);
      if (!lane) continue;
      for (let run = lane.firstAfter(fromUs); run < lane.length && lane.start.data[run]! < toUs; run++) {
        if (AWAKE[lane.state.data[run]!]) return { thread, at, lane, run };
      }
    }
    return null;
  }

  private explain(event: PointerEvent): void {
    const found = this.runAt(event);
    if (!found) {
      this.explainLane(event);
      return;
    }
    const { at, lane, run, thread } = found;
    const { granularity, names, profile } = this.state;
    const node = profile.nodeOf(granularity)[lane.node.data[run]!]!;
    // Of the stack as it was, whatever of it the view hides or collapses.
    const key = profile.tree(granularity).key.data[node]!;
    const kind = classOf(lane.state.data[run]!);
    this.tooltip.show({
      title: threadName(profile, thread), subtitle: `${(at / 1e6).toFixed(3)} s`,
      rows: [["State", `${STATE_WORDS[kind]!} for ${duration(lane.weight.data[run]!)}`], ["In", node ? `${names.name(key)}  ${names.place(key)}` : "-"]],
    }, event.clientX, event.clientY);
  }

  /** What a lane is, where it is not about a moment. */
  private explainLane(event: PointerEvent): void {
    const { order: { idlers }, state: { profile }, tooltip } = this;
    const lane = this.laneAt(event);
    const named = lane !== undefined && this.localX(event) < this.left;
    this.element.classList.toggle("nbspy-over", named || lane === IDLERS);
    if (lane === IDLERS) {
      tooltip.show({ title: plural(idlers.length, "idle thread"), text: ["Each ran for less than 1 % of the time. A click gives each its lane (t)."] }, event.clientX, event.clientY);
    } else if (named) tooltip.show({ title: threadName(profile, lane), text: ["A click shows it alone, with shift beside others."] }, event.clientX, event.clientY);
    else tooltip.hide();
  }

  private paint(): void {
    const { tokens, view } = this;
    if (!tokens || !view.widthPx) return;
    const ctx = view.context;
    ctx.fillStyle = tokens.background;
    ctx.fillRect(0, 0, view.widthPx, view.heightPx);
    const bottom = view.heightPx - AXIS_PX;
    const [fromUs, toUs] = this.range;
    const scale = { fromUs, toUs, left: this.left, width: this.width };
    paintRuler(ctx, scale, bottom, tokens);
    ctx.save();
    ctx.beginPath();
    ctx.rect(0, 0, view.widthPx, bottom);
    ctx.clip();
    const lanes = this.visibleLanes();
    this.paintLanes(ctx, tokens, lanes, bottom);
    if (this.left === NAME_PX) this.paintNames(ctx, tokens, lanes);
    ctx.restore();
    if (this.left === NAME_PX) this.paintMore(ctx, tokens, bottom);
    const { drag } = this;
    const brush = drag && drag.fromUs !== drag.toUs ? [Math.min(drag.fromUs, drag.toUs), Math.max(drag.fromUs, drag.toUs)] as const : this.state.selection.time;
    if (brush) paintBrush(ctx, scale, brush, bottom, tokens);
  }

  private paintLanes(ctx: CanvasRenderingContext2D, tokens: Tokens, shown: readonly Stripe[], bottom: number): void {
    const { left, lanes, order, state: { profile }, view: { ratio }, width } = this;
    const [fromUs, toUs] = this.range;
    const columns = Math.max(1, Math.floor(width * ratio));
    const rows = Math.max(1, Math.ceil(bottom * ratio));
    const columnUs = (toUs - fromUs) / columns;
    const pictures = shown.map(({ thread, top, height }) => ({
      times: rememberedTimes(profile, thread, thread === IDLERS ? order.idlers : [thread], fromUs, toUs, columns), columnUs,
      top: Math.round(top * ratio), height: Math.round(height * ratio),
    }));
    const picture = lanes.picture(pictures, columns, rows, ratio, this.theme, tokens.background);
    for (const [i, { dim }] of shown.entries()) {
      ctx.globalAlpha = dim ? 0.35 : 1;
      const { height, top } = pictures[i]!;
      ctx.drawImage(picture, 0, top, columns, height, left, top / ratio, columns / ratio, height / ratio);
    }
    ctx.globalAlpha = 1;
  }

  private visibleLanes(): Stripe[] {
    const { first, inSight, state } = this;
    return this.order.lanes.slice(first, first + inSight).map((thread, i) => ({
      thread, top: PAD_PX + i * LANE_PX, height: LANE_PX - LANE_GAP_PX,
      dim: thread === IDLERS ? state.settings.threads.length > 0 : !state.sees(thread),
    }));
  }

  private paintNames(ctx: CanvasRenderingContext2D, tokens: Tokens, lanes: readonly Stripe[]): void {
    ctx.font = `11px ${tokens.fontFamily}`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "right";
    for (const { thread, top, height, dim } of lanes) {
      const name = thread === IDLERS ? plural(this.order.idlers.length, "idle thread") : threadName(this.state.profile, thread);
      ctx.fillStyle = dim || thread === IDLERS ? tokens.muted : tokens.text;
      ctx.fillText(shortenMiddle(name, NAME_PX - 20, (text) => ctx.measureText(text).width), NAME_PX - 8, top + height / 2 + 0.5);
    }
    ctx.textAlign = "left";
  }

  /** Says how many lanes are below those in sight. */
  private paintMore(ctx: CanvasRenderingContext2D, tokens: Tokens, bottom: number): void {
    const more = this.order.lanes.length - this.first - this.inSight;
    if (more <= 0) return;
    ctx.textAlign = "right";
    ctx.fillStyle = tokens.accent;
    ctx.fillText(`${more} more ↓`, NAME_PX - 8, bottom + 10);
    ctx.textAlign = "left";
  }
}
