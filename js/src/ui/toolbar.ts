/** The controls above the chart: tabs and search; and below them the breadcrumbs, what is filtered, and whose time counts. */
import { count, duration, percent, plural, points, programName } from "../model/format";
import { tame } from "../model/names";
import type { Rule } from "../model/shape";
import { threadName } from "../model/thread-name";
import type { ViewState } from "../model/view-state";
import type { Cleanup } from "./dom";
import { button, el, setAttribute, setText, show } from "./dom";
import { MODES } from "./options";
import { Segments } from "./segments";
import { Tabs } from "./tabs";

const RULE_WORDS: Record<Rule["do"], string> = { focus: "focus", hide: "hidden", drop: "without", collapse: "collapsed", package: "package" };

export interface ToolbarEvents {
  /** Shows the next (1) or previous (-1) match. */
  step(direction: 1 | -1): void;
  /** Gives the focus on: the search is left, or what had it is not there any more. */
  focusPane(): void;
  /** Opens or closes the thread table where there is no room for it. */
  toggleThreads(): void;
  /** Opens the options of the view beside a button. */
  options(anchor: HTMLElement): void;
}

/** What is left out or selected, and how it is undone: where `verb` does not say it, by a cross. */
interface Chip {
  readonly text: string;
  readonly label: string;
  readonly remove: () => void;
  readonly verb: string;
}

export class Toolbar {
  readonly element = el("div", "nbspy-toolbar");
  readonly bar = el("div", "nbspy-crumbs");
  readonly search = el("input", "nbspy-search");
  readonly options: HTMLButtonElement;
  private readonly crumbs = el("nav", "nbspy-path");
  private readonly chips = el("div", "nbspy-chips");
  private readonly found = el("span", "nbspy-found");
  private readonly steps = el("span", "nbspy-steps");
  private readonly tabs: Tabs;
  private readonly modes: Segments<"all" | "active" | "gil">;
  private readonly amount = el("span", "nbspy-muted nbspy-amount");
  private crumbsShown = "";
  private chipsShown = "";
  /** What the chips undo, one after the other. */
  private removers: (() => void)[] = [];

  constructor(private readonly state: ViewState, private readonly events: ToolbarEvents, cleanup: Cleanup) {
    this.tabs = new Tabs(state);
    this.modes = new Segments("Whose time counts", [
      { value: "all", text: "All", hint: "Wall time: running and idle" },
      { value: "active", text: "Active", hint: "Only samples of threads that were running" },
      { value: "gil", text: "GIL", hint: "Only samples of threads that held the GIL" },
    ], (mode) => state.change({ mode }));
    const { search } = this;
    search.type = "search";
    search.placeholder = "Search";
    search.spellcheck = false;
    search.setAttribute("aria-label", "Search functions: text, file:line, or a regular expression between slashes");
    search.title = "Text, file:line, or /regular expression/";
    cleanup.listen(search, "input", () => state.setQuery(search.value));
    cleanup.listen<KeyboardEvent>(search, "keydown", (event) => this.searchKey(event));
    this.steps.append(
      button("nbspy-icon", "Previous match (N)", "‹", () => events.step(-1)),
      button("nbspy-icon", "Next match (n)", "›", () => events.step(1)),
    );
    const threads = button("nbspy-threads-button", "Threads", "Threads", () => events.toggleThreads());
    this.options = button("nbspy-button", "Options of the view (v)", "View", () => events.options(this.options));
    this.options.setAttribute("aria-label", "Options of the view");
    this.options.setAttribute("aria-haspopup", "dialog");
    this.options.setAttribute("aria-expanded", "false");
    this.found.setAttribute("role", "status");
    this.crumbs.setAttribute("aria-label", "Zoom");
    this.chips.setAttribute("role", "group");
    this.chips.setAttribute("aria-label", "Filters");
    this.element.append(this.tabs.element, this.tabs.list, el("span", "nbspy-grow"), search, this.options, threads);
    this.bar.append(this.crumbs, this.found, this.steps, this.chips, this.modes.element);
  }

  /** `at` is the place of the focused node among the matches, from 1; 0 for none. */
  update(at: number): void {
    const { state, search } = this;
    this.tabs.update();
    this.modes.set(state.selection.mode);
    if (search.value !== state.queryText && document.activeElement !== search) search.value = state.queryText;
    const { nodes, share } = state.found;
    const table = state.settings.tab === "functions";
    const matching = table ? state.scenes.functions.filter((row) => state.isMatch(row.key)).length : nodes.length;
    const matches = `${at && !table ? `${count(at)} of ` : ""}${count(matching)}`;
    setText(this.found, state.queryError || (state.matches ? `${matches} · ${percent(share)}` : ""));
    setAttribute(this.found, "title", state.matches ? "Matching frames, and the share of samples that have one of them" : "");
    this.found.classList.toggle("nbspy-bad", state.queryError !== "");
    show(this.found, this.found.textContent !== "");
    show(this.steps, nodes.length > 0 && !table);
    this.updateCrumbs();
    this.updateChips();
  }

  /** Empties the search field, and the search. */
  clearSearch(): void {
    this.search.value = "";
    this.state.setQuery("");
  }

  private searchKey(event: KeyboardEvent): void {
    if (event.key === "Enter") this.events.step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      if (this.search.value) this.clearSearch();
      else this.events.focusPane();
    } else return;
    event.preventDefault();
  }

  private updateCrumbs(): void {
    const { state } = this;
    const { settings: { subject, tab } } = state;
    if (tab === "sandwich" || tab === "source" || tab === "functions") this.writeTitle(tab === "functions" ? null : subject?.name ?? null);
    else if (tab === "time") this.writeThread();
    else this.writePath();
  }

  private writeTitle(subject: string | null): void {
    const { state } = this;
    const row = subject === null ? undefined : state.scenes.functions.find((one) => state.isSubject(one.key));
    const whole = state.total[0]! || 1;
    const amount = subject === null ? `${duration(state.total[0]!)}${state.scenes.difference ? `, changes since ${this.otherName()}` : ""}`
      : row ? `total ${percent(row.total / whole)} · self ${percent(row.self / whole)}` : "no samples";
    const title = subject === null ? `${count(state.scenes.functions.length)} functions` : tame(subject);
    const place = row ? state.names.place(row.key) : "";
    this.write(`title ${title} ${place}`, amount, () => [
      el("strong", "nbspy-crumb nbspy-here", title), ...(place ? [el("span", "nbspy-muted nbspy-optional", place)] : []), this.amount,
    ]);
  }

  private writeThread(): void {
    const { state } = this;
    const { thread, range } = state.scenes.timed;
    const { threads } = state.profile;
    const shown = range ? `${(range[0] / 1e6).toFixed(3)} – ${(range[1] / 1e6).toFixed(3)} s` : "";
    this.write(`thread ${thread} ${threads.length} ${shown}`, "", () => {
      const list = el("select", "nbspy-select");
      list.setAttribute("aria-label", "Thread");
      for (const info of threads) {
        const option = el("option", "", threadName(state.profile, info.id));
        option.value = String(info.id);
        option.selected = info.id === thread;
        list.append(option);
      }
      list.addEventListener("change", () => state.select({ threads: new Set([Number(list.value)]) }));
      const back = button("nbspy-crumb", "Show all of the time", `${shown} ✕`, () => {
        while (state.scenes.timed.goBack());
      });
      return [list, ...(shown ? [back] : [])];
    });
  }

  private writePath(): void {
    const { state } = this;
    const scene = state.settings.tab === "callers" ? state.scenes.callers : state.settings.tab === "compare" && state.scenes.difference ? state.scenes.changes : state.scenes.merged;
    const total = scene.total[scene.zoom]!;
    const whole = scene.total[0]!;
    const changed = scene === state.scenes.changes;
    const amount = changed ? `${scene.zoom ? `${points(state.scenes.difference!.change(scene.zoom))} ` : ""}since ${this.otherName()}` : whole > 0 ? `${duration(total)}${this.among(scene.zoom)} · ${percent(total / whole)}` : "";
    const path = [0, ...scene.tree.path(scene.zoom)];
    this.write(`path ${path.map((node) => state.nameOf(node, scene)).join("\n")} ${state.granularity} ${state.settings.tab} ${String(changed)}`, amount, () => {
      const parts: HTMLElement[] = [];
      // A deep path shows its ends: where it begins, and the frames next to the zoomed one.
      const hidden = path.length > 6 ? path.splice(2, path.length - 5).length : 0;
      path.forEach((node, i) => {
        if (i) parts.push(el("span", "nbspy-muted nbspy-arrow", hidden && i === 2 ? `› … ${hidden} more ›` : "›"));
        const last = i === path.length - 1;
        const name = state.nameOf(node, scene);
        const crumb = button(last ? "nbspy-crumb nbspy-here" : "nbspy-crumb", state.placeOf(node, scene) || "Everything", name, () => scene.zoomTo(node));
        if (last) crumb.setAttribute("aria-current", "true");
        parts.push(crumb);
      });
      return [...parts, this.amount, ...(changed ? [changeLegend()] : [])];
    });
  }

  /** Time of several threads is more than has passed: that is said. */
  private among(zoom: number): string {
    const { threadsSeen } = this.state;
    return zoom || threadsSeen < 2 ? "" : ` in ${count(threadsSeen)} threads`;
  }

  private otherName(): string {
    const hello = this.state.scenes.other?.hello;
    return hello ? `${tame(programName(hello.commandLine))}, pid ${hello.pid}` : "the other profile";
  }

  /** Makes the path anew only where it is another: a button that is pressed while samples arrive stays the same one. */
  private write(key: string, amount: string, make: () => HTMLElement[]): void {
    setText(this.amount, amount);
    if (key === this.crumbsShown) return;
    this.crumbsShown = key;
    const held = this.crumbs.contains(document.activeElement);
    this.crumbs.replaceChildren(...make());
    const list = this.crumbs.querySelector("select");
    if (held && list) list.focus();
    else if (held) this.events.focusPane();
  }

  private updateChips(): void {
    const { state } = this;
    const { mode, rules, recursion, threads, time } = state.settings;
    // Names of threads may come after the view was set to them.
    const names = threads.slice(0, 4).map((thread) => threadName(state.profile, thread));
    const key = JSON.stringify([mode, rules, recursion, threads, names, time, state.hidesNotebook, state.idlersOut]);
    if (key === this.chipsShown) return;
    this.chipsShown = key;
    const chips: Chip[] = [];
    const add = (text: string, label: string, remove: () => void, verb = ""): void => {
      chips.push({ text, label, remove, verb });
    };
    // What nobody asked to leave out comes first, beside the total that lacks it.
    if (state.idlersOut) {
      add(`${plural(state.idlersOut, "idle thread")} left out`, "Ran for less than 1 % of what is selected. Show idle threads too (t)", () => state.change({ idlers: false }), "show");
    }
    if (state.hidesNotebook) add("machinery hidden", "Show the notebook's machinery, and how threads begin", () => state.change({ machinery: false }), "show");
    rules.forEach((rule, i) => {
      const name = tame(rule.do === "package" ? rule.what : rule.what.name);
      add(`${RULE_WORDS[rule.do]} ${name}`, "Undo", () => state.change({ rules: rules.filter((_, at) => at !== i) }));
    });
    if (recursion) add("recursion folded", "Show recursion again", () => state.change({ recursion: false }));
    if (mode !== "all" && mode !== "active" && mode !== "gil") {
      add(MODES.find(({ value }) => value === mode)!.text, "Count all time again", () => state.change({ mode: "all" }));
    }
    names.forEach((name, i) => add(name, `Show all threads but ${name} too`, () => state.toggleThread(threads[i]!, true)));
    if (threads.length > 4) add(`${threads.length - 4} more threads`, "Show all threads", () => state.select({ threads: new Set() }));
    if (time) add(`${(time[0] / 1e6).toFixed(2)} – ${(time[1] / 1e6).toFixed(2)} s`, "Show all of the time", () => state.select({ time: null }));
    this.writeChips(chips);
  }

  /** Writes them into the buttons that are there: one that has the focus keeps it, and nothing is laid out that is not another. */
  private writeChips(chips: readonly Chip[]): void {
    const { children } = this.chips;
    const held = this.chips.contains(document.activeElement);
    while (children.length > chips.length) children[chips.length]!.remove();
    if (held && !this.chips.contains(document.activeElement)) this.events.focusPane();
    while (children.length < chips.length) {
      const chip = button("nbspy-chip", "", "", () => this.removers[at]!());
      const at = children.length;
      // However long the text is, what a click does is seen.
      chip.append(el("span"), el("span", "nbspy-chip-sign"));
      this.chips.append(chip);
    }
    this.removers = chips.map(({ label, remove, text, verb }, i) => {
      const chip = children[i]!;
      setText(chip.children[0]!, text);
      setText(chip.children[1]!, verb ? ` · ${verb}` : " ✕");
      chip.toggleAttribute("data-default", verb !== "");
      setAttribute(chip, "title", label);
      setAttribute(chip, "aria-label", `${text}${verb && ` · ${verb}`}: ${label}`);
      return remove;
    });
  }
}

/** What the colours of a difference mean. */
function changeLegend(): HTMLElement {
  const legend = el("span", "nbspy-muted nbspy-optional nbspy-change-key");
  for (const word of ["more", "less", "new", "gone"]) {
    const square = el("span", "nbspy-state");
    square.dataset["state"] = word;
    legend.append(el("span", "", square, ` ${word}`));
  }
  return legend;
}
