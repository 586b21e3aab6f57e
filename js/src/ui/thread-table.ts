/** The threads: what each does now, its share of the time, its last half minute. A click selects. */
import { RECENT_SECONDS } from "../model/activity";
import { percent } from "../model/format";
import { classOf, STATE_WORDS } from "../model/state";
import { threadId, threadName } from "../model/thread-name";
import { MARGIN, steadyOrder } from "../model/thread-order";
import type { ViewState } from "../model/view-state";
import { SPARK_HEIGHT, SPARK_WIDTH, sparkPath } from "../render/spark";
import type { Cleanup } from "./dom";
import { el, setAttribute, setText, show } from "./dom";

const SVG = "http://www.w3.org/2000/svg";
const ROW_PX = 40;
/** Rows beyond those in sight: where one goes on by keys. */
const MARGIN_ROWS = 2;
const TAIL_LETTERS = 5;

interface Row {
  readonly element: HTMLTableRowElement;
  readonly square: HTMLElement;
  readonly name: HTMLButtonElement;
  /** The name in two: where there is no room its middle is left out, for the end tells a pool's threads apart. */
  readonly head: HTMLElement;
  readonly tail: HTMLElement;
  readonly now: HTMLElement;
  readonly active: HTMLElement;
  readonly gil: HTMLElement;
  readonly spark: SVGPathElement;
  /** What its sparkline was drawn of. */
  sparkOf: string;
}

export class ThreadTable {
  readonly element = el("aside", "nbspy-threads-panel");
  /** Thread ids in the order shown. */
  order: number[] = [];
  private readonly scroller = el("div", "nbspy-threads-scroll");
  private readonly total = el("span", "nbspy-muted");
  private readonly table = el("table", "nbspy-threads");
  private readonly body = el("tbody");
  /** As high as the rows that are not there. */
  private readonly top = el("tr", "nbspy-gap");
  private readonly bottom = el("tr", "nbspy-gap");
  private shown = new Set<HTMLTableRowElement>();
  private readonly rows = new Map<number, Row>();
  /** What the scroller says of itself, asked when it changes: asked after rows were moved it would lay out the page. */
  private scrollTop = 0;
  private heightPx = 0;
  /** The one that the tab key comes to: arrows go on from it. */
  private current = -1;
  private readonly shares = new Float32Array(RECENT_SECONDS);

  constructor(private readonly state: ViewState, cleanup: Cleanup) {
    const { table } = this;
    const head = el("tr");
    for (const [text, hint] of [
      ["Threads", ""], ["Active", "Share of the time in which it was running"], ["GIL", "Share of the time in which it held the GIL"],
      ["30 s", "Activity in the last 30 s"],
    ] as const) {
      const cell = el("th", "", text);
      cell.scope = "col";
      if (hint) cell.title = hint;
      head.append(cell);
    }
    head.firstElementChild!.append(" ", this.total);
    table.append(el("thead", "", head), this.body);
    this.body.append(this.top, this.bottom);
    this.scroller.append(table);
    this.element.append(this.scroller);
    this.element.setAttribute("aria-label", "Threads");
    cleanup.listen<MouseEvent>(this.body, "click", (event) => {
      const row = (event.target as Element).closest<HTMLElement>("tr[data-thread]");
      if (row) state.toggleThread(Number(row.dataset["thread"]), event.shiftKey || event.ctrlKey || event.metaKey);
    });
    cleanup.listen<KeyboardEvent>(this.body, "keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.focus(this.order.indexOf(this.current) + step);
    });
    cleanup.listen<FocusEvent>(this.body, "focusin", (event) => {
      this.current = Number((event.target as Element).closest<HTMLElement>("tr[data-thread]")?.dataset["thread"] ?? this.current);
    });
    // Shift-click would select the text between.
    cleanup.listen<MouseEvent>(this.body, "mousedown", (event) => {
      if (event.shiftKey) event.preventDefault();
    });
    cleanup.listen(this.scroller, "scroll", () => {
      this.scrollTop = this.scroller.scrollTop;
      this.updateVisible();
    }, { passive: true });
  }

  update(): void {
    const { state } = this;
    const { threads } = state.profile;
    const all = threads.map((thread) => thread.id);
    setText(this.total, String(all.length));
    const held = this.element.matches(":hover") || this.element.contains(document.activeElement);
    if (!held || all.length !== this.order.length) {
      const share = (thread: number): number => this.activeShare(thread);
      this.order = steadyOrder(this.order, all, share, held ? Infinity : MARGIN);
    }
    this.updateVisible();
  }

  /** Writes the rows in sight only: two hundred threads cost no more than ten. The one that has the focus stays, too. */
  private updateVisible(): void {
    const { order } = this;
    const inSight = Math.floor(this.scrollTop / ROW_PX);
    const held = this.body.contains(document.activeElement);
    if (!held) this.current = order[inSight] ?? -1;
    const focused = held ? order.indexOf(this.current) : -1;
    let first = Math.max(0, inSight - MARGIN_ROWS);
    let last = Math.min(order.length, first + Math.ceil((this.heightPx || 400) / ROW_PX) + 2 * MARGIN_ROWS);
    if (focused >= 0) [first, last] = [Math.min(first, focused), Math.max(last, focused + 1)];
    this.arrange(order.slice(first, last));
    this.top.style.height = `${first * ROW_PX}px`;
    this.bottom.style.height = `${(order.length - last) * ROW_PX}px`;
    show(this.top, first > 0);
    show(this.bottom, last < order.length);
    setAttribute(this.table, "aria-rowcount", String(order.length + 1));
    for (let i = first; i < last; i++) {
      this.updateRow(order[i]!);
      setAttribute(this.rowOf(order[i]!).element, "aria-rowindex", String(i + 2));
    }
  }

  /** Moves the focus to a row; past the ends to the last one there. */
  private focus(at: number): void {
    this.current = this.order[Math.max(0, Math.min(this.order.length - 1, at))]!;
    this.updateVisible();
    const { element, name } = this.rowOf(this.current);
    name.focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest" });
  }

  /** The place for the rows has another size. */
  resize(): void {
    this.heightPx = this.scroller.clientHeight;
    this.updateVisible();
  }

  /** Marks the selected threads. */
  updateSelection(): void {
    for (const [thread, row] of this.rows) this.mark(thread, row);
  }

  private mark(thread: number, row: Row): void {
    const selected = this.state.settings.threads.includes(thread);
    row.element.classList.toggle("nbspy-selected", selected);
    row.element.classList.toggle("nbspy-unselected", !this.state.sees(thread));
    setAttribute(row.name, "aria-pressed", String(selected));
  }

  private activeShare(thread: number): number {
    const time = this.state.selected.threads[thread];
    return time && time.seen > 0 ? time.active / time.seen : 0;
  }

  /** Puts the rows of these threads between the two spacers. What stays is not moved more than it must: it may have the focus. */
  private arrange(threads: readonly number[]): void {
    const wanted = new Set(threads.map((thread) => this.rowOf(thread).element));
    for (const row of this.shown) if (!wanted.has(row)) row.remove();
    this.shown = wanted;
    let before: ChildNode | null = this.top.nextSibling;
    for (const row of wanted) {
      if (row === before) before = before.nextSibling;
      else this.body.insertBefore(row, before);
    }
  }

  private rowOf(thread: number): Row {
    let row = this.rows.get(thread);
    if (!row) {
      row = makeRow(thread);
      this.rows.set(thread, row);
      this.mark(thread, row);
    }
    return row;
  }

  private updateRow(thread: number): void {
    const row = this.rowOf(thread);
    const { profile, selected, names, granularity } = this.state;
    this.mark(thread, row);
    const time = selected.threads[thread];
    const shown = threadName(profile, thread);
    setText(row.head, shown.slice(0, -TAIL_LETTERS));
    setText(row.tail, shown.slice(-TAIL_LETTERS));
    setAttribute(row.name, "title", `${shown}, thread id ${threadId(profile, thread)}`);
    setAttribute(row.name, "tabindex", thread === this.current ? "0" : "-1");
    if (!time) {
      setText(row.now, "not seen");
      return;
    }
    const runs = profile.runs.of(thread)!;
    const kind = classOf(runs.state.data[time.lastRun]!);
    const node = profile.nodeOf(granularity)[runs.node.data[time.lastRun]!]!;
    // Of the stack as it was, whatever of it the view hides or collapses.
    const key = profile.tree(granularity).key.data[node]!;
    const name = node ? names.name(key) : "";
    setAttribute(row.square, "data-state", String(kind));
    setText(row.now, name ? `${STATE_WORDS[kind]!} · ${name}` : STATE_WORDS[kind]!);
    setAttribute(row.now, "title", node ? `${STATE_WORDS[kind]!} in ${name}, ${names.place(key)}` : "");
    setText(row.active, percent(time.active / time.seen));
    setText(row.gil, percent(time.gil / time.seen));
    const sparkOf = `${runs.length} ${profile.endUs}`;
    if (sparkOf === row.sparkOf) return;
    row.sparkOf = sparkOf;
    setAttribute(row.spark, "d", sparkPath(profile.activity.recentShares(runs, profile.endUs, this.shares)));
  }
}

function makeRow(thread: number): Row {
  const name = el("button", "nbspy-thread-name");
  name.type = "button";
  name.setAttribute("aria-pressed", "false");
  const row = {
    element: el("tr"), square: el("span", "nbspy-state"), name, head: el("span", "nbspy-head"), tail: el("span"),
    now: el("div", "nbspy-now"), active: el("td", "nbspy-number"), gil: el("td", "nbspy-number"),
    spark: document.createElementNS(SVG, "path"), sparkOf: "",
  };
  name.append(row.head, row.tail);
  row.element.dataset["thread"] = String(thread);
  const first = el("td", "nbspy-thread-cell", el("div", "nbspy-thread-line", row.square, row.name), row.now);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`);
  svg.setAttribute("class", "nbspy-spark");
  svg.setAttribute("aria-hidden", "true");
  svg.append(row.spark);
  row.element.append(first, row.active, row.gil, el("td", "nbspy-spark-cell", svg));
  return row;
}
