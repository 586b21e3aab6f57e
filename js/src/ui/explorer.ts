/** The view: puts the panels together, and brings changes of the source and of the view's state to them. */
import { duration, percent, plural } from "../model/format";
import type { Change } from "../model/view-state";
import { ViewState } from "../model/view-state";
import { STATE_COLORS } from "../render/colors";
import type { Source } from "../source";
import { Chart } from "./chart";
import { Cleanup, el, setAttribute } from "./dom";
import { Header } from "./header";
import { Help } from "./help";
import { Message } from "./message";
import { Mirror } from "./mirror";
import style from "./style.css";
import type { ThemeChoice } from "./theme";
import { applyTheme, readTokens, watchTheme } from "./theme";
import { ThreadTable } from "./thread-table";
import { TimelineStrip } from "./timeline-strip";
import { Toolbar } from "./toolbar";
import { Tooltip } from "./tooltip";

/** The mirror follows the chart at this pace: fast enough to read, too slow to cost. */
const MIRROR_MS = 400;
/** A gap open for less than this is the normal course of messages. */
const GAP_HINT_MS = 1000;
const NARROW_PX = 600;
const TINY_PX = 360;
const SHORT_PX = 300;

export class Explorer {
  readonly root = el("div", "nbspy-explorer");
  readonly state: ViewState;
  readonly chart: Chart;
  private readonly cleanup = new Cleanup();
  private readonly tooltip = new Tooltip(this.root);
  private readonly header: Header;
  private readonly toolbar: Toolbar;
  private readonly threads: ThreadTable;
  private readonly timeline: TimelineStrip;
  private readonly message: Message;
  private readonly mirror: Mirror;
  private readonly help: Help;
  private readonly chartBox = el("div", "nbspy-chart-box");
  private readonly born = performance.now();
  private lastData = performance.now();
  private gapSince = 0;
  private frame = 0;
  private mirrorTimer = 0;
  private theme: ThemeChoice = "auto";
  private themed = false;

  constructor(private readonly source: Source) {
    const { cleanup, root, tooltip } = this;
    this.state = new ViewState(source.profile, (change) => this.changed(change));
    const { state } = this;
    this.help = new Help(() => this.chart.element.focus(), cleanup);
    this.chart = new Chart(state, {
      hover: (box, x, y) => this.explainBox(box, x, y),
      focus: (node, x, y) => this.focused(node, x, y),
    }, cleanup);
    this.header = new Header(source, state, tooltip, cleanup, () => this.help.toggle());
    this.toolbar = new Toolbar(state, {
      step: (direction) => this.step(direction),
      leaveSearch: () => this.chart.element.focus(),
      toggleThreads: () => root.toggleAttribute("data-threads-open"),
    }, cleanup);
    this.threads = new ThreadTable(state, cleanup);
    this.timeline = new TimelineStrip(state, tooltip, cleanup);
    this.message = new Message(source, state);
    this.mirror = new Mirror(state, this.chart);
    this.assemble();
    this.listen();
  }

  /** Puts the view into `parent` and starts it. */
  mount(parent: HTMLElement): void {
    parent.append(this.root);
    this.applyTheme();
    this.resize();
    this.refresh();
    this.mirror.update();
  }

  setTheme(choice: ThemeChoice): void {
    this.theme = choice;
    this.applyTheme();
  }

  /** Adds an element inside the view, below everything. */
  append(element: HTMLElement): void {
    this.root.append(element);
  }

  dispose(): void {
    if (this.frame) cancelAnimationFrame(this.frame);
    clearTimeout(this.mirrorTimer);
    this.cleanup.run();
    this.root.remove();
  }

  private assemble(): void {
    const { root } = this;
    const sheet = el("style");
    sheet.textContent = style;
    root.setAttribute("role", "region");
    root.setAttribute("aria-label", "nbspy explorer");
    // Keys typed here are not shortcuts of JupyterLab.
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    this.chartBox.append(this.chart.element, this.message.element);
    const column = el("div", "nbspy-column", this.toolbar.element, this.toolbar.crumbs, this.chartBox);
    const main = el("div", "nbspy-main", column, this.threads.element);
    root.append(
      sheet, this.header.element, this.header.hotLine, main, this.timeline.element, this.mirror.table, this.mirror.live,
      this.help.element, this.tooltip.element,
    );
  }

  private listen(): void {
    const { cleanup, root } = this;
    cleanup.add(this.source.onChange(() => this.received()));
    cleanup.listen<KeyboardEvent>(root, "keydown", (event) => this.keyPressed(event));
    watchTheme(cleanup, () => this.applyTheme());
    const observer = new ResizeObserver(() => this.resize());
    for (const element of [root, this.chart.element, this.timeline.element]) observer.observe(element);
    cleanup.add(() => observer.disconnect());
    const timer = setInterval(() => this.tick(), 1000);
    cleanup.add(() => clearInterval(timer));
  }

  private applyTheme(): void {
    this.themed = this.root.isConnected;
    const theme = applyTheme(this.root, this.theme);
    STATE_COLORS[theme].forEach((color, kind) => this.root.style.setProperty(`--nbspy-state-${kind}`, color));
    const tokens = readTokens(this.root);
    this.chart.setTheme(theme, tokens);
    this.timeline.setTheme(theme, tokens);
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.root;
    if (!clientWidth) return;
    // A view made outside of the document has no style until it comes in.
    if (!this.themed) this.applyTheme();
    const width = clientWidth < TINY_PX ? "tiny" : clientWidth < NARROW_PX ? "narrow" : clientWidth < 900 ? "medium" : "wide";
    setAttribute(this.root, "data-width", width);
    this.root.toggleAttribute("data-short", clientHeight < SHORT_PX);
    this.chart.resize();
    this.timeline.resize();
    this.threads.updateVisible();
  }

  /** More of the stream has come. Counts go out at once; the picture follows with the next frame. */
  private received(): void {
    this.lastData = performance.now();
    this.writeFacts();
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.refresh();
    });
  }

  /** Once a second while live: silence and gaps are seen without data. */
  private tick(): void {
    const { state, waiting } = this.source;
    if (state === "live" || state === "starting" || waiting) this.updateHeader();
  }

  private refresh(): void {
    const { state } = this.source;
    this.state.refresh(state === "ended" || state === "error");
  }

  private changed(change: Change): void {
    if (change === "zoom") this.chart.moveToZoom();
    else if (change === "look") this.chart.flip();
    else this.chart.change();
    if (change === "selection") this.threads.updateSelection();
    if (change === "data" || change === "selection" || change === "zoom") {
      this.threads.update();
      this.timeline.update(this.threads.order);
    }
    this.toolbar.update(this.state.found.nodes.indexOf(this.chart.focusNode) + 1);
    this.updateHeader();
    this.writeFacts();
    this.mirrorTimer ||= window.setTimeout(() => {
      this.mirrorTimer = 0;
      this.mirror.update();
    }, MIRROR_MS);
    if (change !== "data") this.sayChange(change);
  }

  private updateHeader(): void {
    const now = performance.now();
    const { source } = this;
    if (!source.waiting) this.gapSince = 0;
    else this.gapSince ||= now;
    const gap = this.gapSince > 0 && now - this.gapSince >= GAP_HINT_MS;
    const silent = source.state === "live" ? Math.floor((now - this.lastData) / 1000) : 0;
    this.header.update({ state: source.state, gap, silentSeconds: silent });
    this.message.update((now - this.born) / 1000);
  }

  private writeFacts(): void {
    const { root, source, state } = this;
    setAttribute(root, "data-samples", String(source.profile.threadSamples));
    setAttribute(root, "data-state", source.state);
    root.toggleAttribute("data-empty", source.profile.threadSamples === 0);
    setAttribute(root, "data-zoom", state.zoom === 0 ? "" : state.nameOf(state.zoom));
  }

  private sayChange(change: Change): void {
    const { found, matches, total, zoom } = this.state;
    if (change === "zoom") this.mirror.say(`Zoomed to ${this.state.nameOf(zoom)}, ${percent(total[zoom]! / total[0]!)} of the time`);
    else if (change === "search" && matches) this.mirror.say(`${plural(found.nodes.length, "match", "matches")}, ${percent(found.share)} of samples`);
    else if (change === "selection") this.mirror.say(`Showing ${duration(total[0]!)} of samples`);
  }

  private explainBox(box: number, x: number, y: number): void {
    const node = box < 0 ? 0 : (this.chart.boxes.node.data[box] ?? 0);
    if (node === 0) this.tooltip.hide();
    else if (node < 0) {
      this.tooltip.show({ title: plural(-node, "narrow frame"), subtitle: "too narrow to draw: zoom in to see them" }, x, y);
    } else this.explainNode(node, x, y);
  }

  private explainNode(node: number, x: number, y: number): void {
    const { names, selected, tree, zoom } = this.state;
    const { self, selfSamples, samples, total } = selected.weights;
    const key = tree.key.data[node]!;
    const shares = (of: number, weight: number): string => percent(weight / total[of]!);
    const rows = [
      ["Total", duration(total[node]!), shares(0, total[node]!), plural(samples[node]!, "sample")],
      ["Self", duration(self[node]!), shares(0, self[node]!), plural(selfSamples[node]!, "sample")],
    ];
    if (zoom !== 0 && zoom !== node) rows.push(["Of the zoomed", "", shares(zoom, total[node]!), ""]);
    this.tooltip.show({ title: names.qualname(key), subtitle: names.fullPlace(key), rows }, x, y);
  }

  private focused(node: number, x: number, y: number): void {
    const { total } = this.state;
    const { self } = this.state.selected.weights;
    this.explainNode(node, x, y);
    this.toolbar.update(this.state.found.nodes.indexOf(node) + 1);
    const place = this.state.placeOf(node);
    this.mirror.say(`${this.state.nameOf(node)}, ${place}, total ${percent(total[node]! / total[0]!)}, self ${percent(self[node]! / total[0]!)}`);
  }

  private step(direction: 1 | -1): void {
    const { nodes } = this.state.found;
    if (!nodes.length) return;
    const at = nodes.indexOf(this.chart.focusNode);
    const next = at < 0 ? (direction > 0 ? 0 : nodes.length - 1) : (at + direction + nodes.length) % nodes.length;
    this.chart.reveal(nodes[next]!);
  }

  private keyPressed(event: KeyboardEvent): void {
    // The host's own keys must not act on what is typed here; the browser's must.
    event.stopPropagation();
    const typing = event.target instanceof HTMLInputElement;
    if (event.defaultPrevented || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.help.open) {
      if (event.key === "Escape" || event.key === "?") this.help.toggle(false);
      else if (event.key !== "Tab") return;
      if (event.key !== "Tab") event.preventDefault();
      return;
    }
    if (this.command(event) || (event.target === this.chart.element && this.chart.key(event))) event.preventDefault();
  }

  private command(event: KeyboardEvent): boolean {
    const { state, toolbar } = this;
    switch (event.key) {
      case "/":
        toolbar.search.focus();
        toolbar.search.select();
        return true;
      case "?": this.help.toggle(); return true;
      case "n": this.step(1); return true;
      case "N": this.step(-1); return true;
      case "i": state.flip(!state.flipped); return true;
      case "l": state.setGranularity(state.granularity === "line" ? "function" : "line"); return true;
      case "Escape": return this.escape();
      default: return false;
    }
  }

  /** Back by one: the zoom, then the search, then the filters. */
  private escape(): boolean {
    const { state, toolbar } = this;
    this.tooltip.hide();
    if (state.goBack()) return true;
    if (state.queryText) {
      toolbar.search.value = "";
      state.setQuery("");
    } else if (state.selection.time || state.selection.threads.size) state.select({ time: null, threads: new Set() });
    else return false;
    return true;
  }
}
