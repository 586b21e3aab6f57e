/** The view: puts the panels together, and brings changes of the source and of the view's state to them. */
import { count, duration, percent, plural } from "../model/format";
import type { Scene } from "../model/scene";
import type { Change } from "../model/view-state";
import { ViewState } from "../model/view-state";
import { changeFill, css, STATE_COLORS } from "../render/colors";
import type { Source } from "../source";
import type { Chart } from "./chart";
import { Cleanup, el, setAttribute } from "./dom";
import { explainNode, narrowFrames, sayNode } from "./explain";
import { frameMenu } from "./frame-menu";
import { toggleFullScreen } from "./full-screen";
import { Header } from "./header";
import { Help } from "./help";
import { command } from "./keys";
import { Message } from "./message";
import { Mirror } from "./mirror";
import { moreMenu } from "./more-menu";
import { showOptions } from "./options";
import { Panes } from "./panes";
import { Popup } from "./popup";
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
/** After the picture has followed the data it rests for so many times as long; longer where much is known to be on its way. */
const RESTS = 4;
const MAX_REST_MS = 500;
const MAX_REST_BEHIND_MS = 1500;
const NARROW_PX = 600;
const TINY_PX = 360;
const SLIM_PX = 260;
const SHORT_PX = 300;

export class Explorer {
  readonly root = el("div", "nbspy-explorer");
  readonly state: ViewState;
  readonly panes: Panes;
  /** The chart of the trees: for tests, and for people at the console. */
  readonly chart: Chart;
  private readonly cleanup = new Cleanup();
  private readonly tooltip = new Tooltip(this.root, this.cleanup);
  private readonly header: Header;
  private readonly toolbar: Toolbar;
  private readonly threads: ThreadTable;
  private readonly timeline: TimelineStrip;
  private readonly message: Message;
  private readonly mirror: Mirror;
  private readonly help: Help;
  private readonly popup: Popup;
  private readonly born = performance.now();
  private lastData = performance.now();
  private gapSince = 0;
  private frame = 0;
  private restTimer = 0;
  /** When the picture last followed the data, and what that took in ms. */
  private drawnAt = 0;
  private drawnMs = 0;
  private mirrorTimer = 0;
  private theme: ThemeChoice = "auto";
  private themed = false;

  constructor(readonly source: Source) {
    const { cleanup, root, tooltip } = this;
    this.state = new ViewState(source.profile, (change) => this.changed(change));
    const { state } = this;
    this.popup = new Popup(root, () => this.panes.focus(), cleanup);
    this.help = new Help(() => this.panes.focus(), cleanup);
    this.panes = new Panes(state, {
      hover: (chart, box, x, y) => this.explainBox(chart, box, x, y),
      focus: (chart, node, x, y) => this.focused(chart.scene, node, x, y),
      menu: (scene, node, x, y) => this.openMenu(scene, node, x, y),
      moved: () => this.mirrorSoon(),
      rowMenu: (key, x, y) => this.openRowMenu(key, x, y),
      counted: () => this.writeFacts(),
    }, cleanup);
    this.chart = this.panes.main;
    this.header = new Header(source, state, tooltip, cleanup, {
      help: () => this.help.toggle(),
      pause: () => this.togglePause(),
      full: () => toggleFullScreen(this),
      more: (anchor) => this.popup.toggleAt(anchor, (x, y) => this.popup.menu("Save and compare", "", moreMenu(this), x, y, anchor)),
    });
    this.toolbar = new Toolbar(state, {
      step: (direction) => this.step(direction),
      focusPane: () => this.panes.focus(),
      toggleThreads: () => root.toggleAttribute("data-threads-open"),
      options: (anchor) => showOptions(state, this.popup, anchor),
    }, cleanup);
    this.threads = new ThreadTable(state, cleanup);
    this.timeline = new TimelineStrip(state, tooltip, (node) => this.revealStack(node), cleanup);
    this.message = new Message(source, state);
    this.mirror = new Mirror(state, this.panes);
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
    clearTimeout(this.restTimer);
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
    // What is clicked with the right button here has a menu of its own, not JupyterLab's.
    root.setAttribute("data-jp-suppress-context-menu", "true");
    this.panes.element.append(this.message.element);
    const column = el("div", "nbspy-column", this.toolbar.element, this.toolbar.bar, this.panes.element);
    const main = el("div", "nbspy-main", column, this.threads.element);
    root.append(
      sheet, this.header.element, this.header.hotLine, main, this.timeline.element, this.mirror.table, this.mirror.live,
      this.help.element, this.popup.element, this.tooltip.element,
    );
  }

  private listen(): void {
    const { cleanup, root } = this;
    cleanup.add(this.source.onChange(() => this.received()));
    cleanup.listen<KeyboardEvent>(root, "keydown", (event) => this.keyPressed(event));
    // Notebook 7 hears keys before us, and has some for whatever is focused: that itself must say that it has its own.
    cleanup.listen<FocusEvent>(root, "focusin", ({ target }) => (target as Element).setAttribute("data-lm-suppress-shortcuts", "true"));
    // A click with shift adds a thread here; to the notebook it would select cells. One with the right button takes the focus there.
    cleanup.listen<MouseEvent>(root, "mousedown", (event) => {
      if (event.shiftKey || event.button === 2) event.stopPropagation();
    });
    watchTheme(cleanup, () => this.applyTheme());
    const observer = new ResizeObserver(() => this.resize());
    for (const element of [root, this.panes.element, this.timeline.element]) observer.observe(element);
    cleanup.add(() => observer.disconnect());
    const timer = setInterval(() => this.tick(), 1000);
    cleanup.add(() => clearInterval(timer));
  }

  private applyTheme(): void {
    this.themed = this.root.isConnected;
    const theme = applyTheme(this.root, this.theme);
    STATE_COLORS[theme].forEach((color, kind) => this.root.style.setProperty(`--nbspy-state-${kind}`, color));
    for (const way of [-1, 1]) this.root.style.setProperty(way > 0 ? "--nbspy-more" : "--nbspy-less", css(changeFill(theme, way)));
    const tokens = readTokens(this.root);
    this.panes.setTheme(theme, tokens);
    this.timeline.setTheme(theme, tokens);
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.root;
    if (!clientWidth) return;
    // A view made outside of the document has no style until it comes in.
    if (!this.themed) this.applyTheme();
    const width = clientWidth < TINY_PX ? "tiny" : clientWidth < NARROW_PX ? "narrow" : clientWidth < 900 ? "medium" : "wide";
    setAttribute(this.root, "data-width", width);
    this.root.toggleAttribute("data-slim", clientWidth < SLIM_PX);
    this.root.toggleAttribute("data-short", clientHeight < SHORT_PX);
    this.panes.resize();
    this.timeline.resize(clientHeight);
    this.threads.resize();
  }

  /** More of the stream has come. Counts go out at once; the picture follows with the next frame. */
  private received(): void {
    this.lastData = performance.now();
    // What is costly is drawn seldom while more is on its way: else a large recording would be drawn instead of read.
    const most = this.source.waiting ? MAX_REST_BEHIND_MS : MAX_REST_MS;
    const rest = this.ended ? 0 : this.drawnAt + Math.min(RESTS * this.drawnMs, most) - this.lastData;
    if (rest > 0) this.restTimer ||= window.setTimeout(() => this.refreshSoon(), rest);
    else this.refreshSoon();
    this.writeFacts();
  }

  private refreshSoon(): void {
    clearTimeout(this.restTimer);
    this.restTimer = 0;
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      const begun = performance.now();
      this.refresh();
      this.drawnAt = performance.now();
      this.drawnMs = this.drawnAt - begun;
    });
  }

  /** Once a second while live: silence and gaps are seen without data. */
  private tick(): void {
    const { state, waiting } = this.source;
    if (state === "live" || state === "starting" || waiting) this.updateHeader();
  }

  private refresh(): void {
    this.state.refresh(this.ended);
    if (this.state.paused) this.updateHeader();
  }

  private get ended(): boolean {
    const { state } = this.source;
    return state === "ended" || state === "error";
  }

  /** Stops the picture, or lets it catch up; samples go on to arrive. */
  private togglePause(): void {
    this.state.pause(!this.state.paused, this.ended);
    this.updateHeader();
    this.mirror.say(this.state.paused ? "The view is paused; samples go on to arrive" : "The view goes on");
  }

  /** Tells those who listen; with `shown`, those who look too. */
  say(text: string, shown = false): void {
    this.mirror.say(text);
    if (shown) this.header.tell(text);
  }

  /** Is called when a person has set the view otherwise. */
  onSettings: (() => void) | null = null;

  private changed(change: Change): void {
    if (change !== "data") this.tooltip.hide();
    this.panes.changed(change);
    if (change === "selection") this.threads.updateSelection();
    // While another selection is folded its numbers are those of before.
    const { folds } = this.state;
    if (change === "data" || change === "selection" || change === "zoom") {
      if (!folds) this.threads.update();
      this.timeline.update(change === "data");
    }
    this.toolbar.update(this.state.found.nodes.indexOf(this.panes.chart.focusNode) + 1);
    if (!folds) this.updateHeader();
    if (change === "data") this.tooltip.again();
    this.writeFacts();
    this.mirrorSoon();
    if (change === "data") return;
    this.sayChange(change);
    this.onSettings?.();
  }

  private mirrorSoon(): void {
    this.mirrorTimer ||= window.setTimeout(() => {
      this.mirrorTimer = 0;
      this.mirror.update();
    }, MIRROR_MS);
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
    root.toggleAttribute("data-busy", state.working || this.panes.source.working || this.restTimer > 0);
    root.toggleAttribute("data-empty", source.profile.threadSamples === 0);
    setAttribute(root, "data-tab", state.settings.tab);
    setAttribute(root, "data-zoom", state.zoom === 0 ? "" : state.nameOf(state.zoom, state.scene));
  }

  private sayChange(change: Change): void {
    const { found, idlersOut, matches, scene, settings } = this.state;
    const { weights: { total }, zoom } = scene;
    const { range } = this.state.scenes.timed;
    if (change === "zoom" && scene.timed) this.mirror.say(range ? `Zoomed to ${duration(range[1] - range[0])} from ${duration(range[0])} on` : "Showing all of the time");
    else if (change === "zoom") this.mirror.say(`Zoomed to ${this.state.nameOf(zoom, scene)}, ${percent(total[zoom]! / total[0]!)} of the time`);
    else if (change === "search" && matches) this.mirror.say(`${plural(found.nodes.length, "match", "matches")}, ${percent(found.share)} of samples`);
    else if (change === "selection") this.mirror.say(`Showing ${duration(this.state.total[0]!)} of samples${idlersOut ? `, ${plural(idlersOut, "idle thread")} left out` : ""}`);
    else if (change === "tab") this.mirror.say(settings.tab === "functions" ? `${count(this.state.scenes.functions.length)} functions` : `Showing ${settings.tab}`);
  }

  private explainBox(chart: Chart, box: number, x: number, y: number): void {
    const node = box < 0 ? 0 : (chart.boxes.node.data[box] ?? 0);
    if (node === 0 || this.popup.open) this.tooltip.hide();
    else this.tooltip.show(node < 0 ? narrowFrames(-node) : explainNode(this.state, chart.scene, node), x, y);
  }

  private focused(scene: Scene, node: number, x: number, y: number): void {
    this.tooltip.show(explainNode(this.state, scene, node), x, y);
    this.toolbar.update(this.state.found.nodes.indexOf(node) + 1);
    this.mirror.say(sayNode(this.state, scene, node));
  }

  private openMenu(scene: Scene, node: number, x: number, y: number): void {
    this.tooltip.hide();
    const name = this.state.nameOf(node, scene);
    this.popup.menu(`What to do with ${name}`, name, frameMenu(this.state, scene, node, (text) => this.say(text, true)), x, y);
  }

  /** A row of the table has no stack: its function's heaviest frame serves. */
  private openRowMenu(key: number, x: number, y: number): void {
    const { scene } = this.state;
    const { tree, weights: { total } } = scene;
    let heaviest = 0;
    for (let node = 1; node < tree.size; node++) {
      if (tree.key.data[node] === key && (heaviest === 0 || total[node]! > total[heaviest]!)) heaviest = node;
    }
    if (heaviest) this.openMenu(scene, heaviest, x, y);
  }

  /** Shows a stack of the timeline in the merged tree. */
  private revealStack(node: number): void {
    this.state.show("merged");
    this.chart.reveal(node);
  }

  private step(direction: 1 | -1): void {
    const { nodes } = this.state.found;
    if (!nodes.length) return;
    const { chart } = this.panes;
    const at = nodes.indexOf(chart.focusNode);
    const next = at < 0 ? (direction > 0 ? 0 : nodes.length - 1) : (at + direction + nodes.length) % nodes.length;
    chart.reveal(nodes[next]!);
  }

  private keyPressed(event: KeyboardEvent): void {
    // The host's own keys must not act on what is typed here; the browser's must.
    event.stopPropagation();
    const { target } = event;
    const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
    if (event.defaultPrevented || typing || this.popup.open) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      if (event.shiftKey) this.state.redo();
      else this.state.undo();
      event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.help.open) {
      if (event.key === "Escape" || event.key === "?") this.help.toggle(false);
      else if (event.key !== "Tab") return;
      if (event.key !== "Tab") event.preventDefault();
      return;
    }
    const done = command(event, this.state, {
      search: () => {
        this.toolbar.search.focus();
        this.toolbar.search.select();
      },
      step: (direction) => this.step(direction),
      help: () => this.help.toggle(),
      options: () => this.toolbar.options.click(),
      more: () => this.header.more.click(),
      pause: () => this.togglePause(),
      full: () => toggleFullScreen(this),
      escape: () => this.escape(),
      focusPane: () => this.panes.focus(),
    });
    if (done || this.panes.chartAt(event.target)?.key(event)) event.preventDefault();
  }

  /** Back by one: where the wheel went, the zoom, then the search, then the filters. */
  private escape(): boolean {
    const { panes, state, toolbar } = this;
    this.tooltip.hide();
    if (panes.chart.goHome() || state.goBack()) return true;
    const { rules, threads, time } = state.settings;
    if (state.queryText) toolbar.clearSearch();
    else if (time || threads.length) state.select({ time: null, threads: new Set() });
    else if (rules.length) state.change({ rules: [] });
    else return false;
    return true;
  }
}
