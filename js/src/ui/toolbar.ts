/** The controls above the chart: shape, granularity, states, search; and below them the breadcrumbs and filters. */
import { count, duration, percent } from "../model/format";
import { tame } from "../model/names";
import type { Granularity } from "../model/profile";
import type { Mode } from "../model/selection";
import type { ViewState } from "../model/view-state";
import type { Cleanup } from "./dom";
import { button, el, setText, show } from "./dom";

interface Choice<T> {
  readonly value: T;
  readonly text: string;
  readonly hint: string;
}

/** A segmented control: one of a few values. */
class Segments<T extends string> {
  readonly element: HTMLElement;
  private readonly buttons: { value: T; button: HTMLButtonElement }[];

  constructor(label: string, choices: readonly Choice<T>[], choose: (value: T) => void) {
    this.element = el("div", "nbspy-segments");
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", label);
    this.buttons = choices.map(({ value, text, hint }) => {
      const segment = button("", hint, text, () => choose(value));
      segment.removeAttribute("aria-label");
      this.element.append(segment);
      return { value, button: segment };
    });
  }

  set(value: T): void {
    for (const one of this.buttons) one.button.setAttribute("aria-pressed", String(one.value === value));
  }
}

const SHAPES: Choice<"icicle" | "flame">[] = [
  { value: "icicle", text: "Icicle", hint: "Callers above, callees below" },
  { value: "flame", text: "Flame", hint: "Callers below, callees above" },
];
const GRANULARITIES: Choice<Granularity>[] = [
  { value: "function", text: "Functions", hint: "One frame per function" },
  { value: "line", text: "Lines", hint: "One frame per line of a function" },
];
const MODES: Choice<Mode>[] = [
  { value: "all", text: "All", hint: "Wall time: running and idle" },
  { value: "active", text: "Active", hint: "Only samples of threads that were running" },
  { value: "gil", text: "GIL", hint: "Only samples of threads that held the GIL" },
];

export interface ToolbarEvents {
  /** Shows the next (1) or previous (-1) match. */
  step(direction: 1 | -1): void;
  /** Leaves the search field. */
  leaveSearch(): void;
  /** Opens or closes the thread table where there is no room for it. */
  toggleThreads(): void;
}

export class Toolbar {
  readonly element = el("div", "nbspy-toolbar");
  readonly crumbs = el("nav", "nbspy-crumbs");
  readonly search = el("input", "nbspy-search");
  private readonly found = el("span", "nbspy-found");
  private readonly steps = el("span", "nbspy-steps");
  private readonly shape: Segments<"icicle" | "flame">;
  private readonly granularity: Segments<Granularity>;
  private readonly mode: Segments<Mode>;
  private crumbsShown = "";

  constructor(private readonly state: ViewState, private readonly events: ToolbarEvents, cleanup: Cleanup) {
    this.shape = new Segments("Shape of the chart", SHAPES, (value) => state.flip(value === "flame"));
    this.granularity = new Segments("Granularity", GRANULARITIES, (value) => state.setGranularity(value));
    this.mode = new Segments("States", MODES, (value) => state.setMode(value));
    const { search } = this;
    search.type = "search";
    search.placeholder = "Search   /";
    search.spellcheck = false;
    search.setAttribute("aria-label", "Search functions: text, or a regular expression between slashes");
    search.title = "Text, file:line, or /regular expression/";
    cleanup.listen(search, "input", () => state.setQuery(search.value));
    cleanup.listen<KeyboardEvent>(search, "keydown", (event) => this.searchKey(event));
    this.steps.append(
      button("nbspy-icon", "Previous match (N)", "‹", () => events.step(-1)),
      button("nbspy-icon", "Next match (n)", "›", () => events.step(1)),
    );
    const threads = button("nbspy-threads-button", "Threads", "Threads", () => events.toggleThreads());
    this.found.setAttribute("role", "status");
    this.crumbs.setAttribute("aria-label", "Zoom and filters");
    this.element.append(
      this.shape.element, this.granularity.element, this.mode.element, el("span", "nbspy-grow"), this.found, this.steps, search, threads,
    );
  }

  /** `at` is the place of the focused node among the matches, from 1; 0 for none. */
  update(at: number): void {
    const { state } = this;
    this.shape.set(state.flipped ? "flame" : "icicle");
    this.granularity.set(state.granularity);
    this.mode.set(state.selection.mode);
    const { nodes, share } = state.found;
    const matches = `${at ? `${count(at)} of ` : ""}${count(nodes.length)}`;
    setText(this.found, state.queryError || (state.matches ? `${matches} · ${percent(share)}` : ""));
    this.found.title = state.matches ? "Matching frames, and the share of samples that have one of them" : "";
    this.found.classList.toggle("nbspy-bad", state.queryError !== "");
    show(this.found, this.found.textContent !== "");
    show(this.steps, nodes.length > 0);
    this.updateCrumbs();
  }

  private searchKey(event: KeyboardEvent): void {
    if (event.key === "Enter") this.events.step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      if (this.search.value) {
        this.search.value = "";
        this.state.setQuery("");
      } else this.events.leaveSearch();
    } else return;
    event.preventDefault();
  }

  private updateCrumbs(): void {
    const { state } = this;
    const { threads, time } = state.selection;
    const total = state.total[state.zoom]!;
    const whole = state.total[0]!;
    const amount = whole > 0 ? `${duration(total)} · ${percent(total / whole)}` : "";
    const key = `${state.granularity} ${state.zoom} ${amount} ${[...threads].join()} ${String(time)}`;
    if (key === this.crumbsShown) return;
    this.crumbsShown = key;
    const parts: HTMLElement[] = [];
    const path = [0, ...state.tree.path(state.zoom)];
    // A deep path shows its ends: where it begins, and the frames next to the zoomed one.
    const hidden = path.length > 6 ? path.splice(2, path.length - 5).length : 0;
    path.forEach((node, i) => {
      if (i) parts.push(el("span", "nbspy-muted nbspy-arrow", hidden && i === 2 ? `› … ${hidden} more ›` : "›"));
      const last = i === path.length - 1;
      const crumb = button(last ? "nbspy-crumb nbspy-here" : "nbspy-crumb", state.placeOf(node) || "Everything", state.nameOf(node), () => state.zoomTo(node));
      if (last) crumb.setAttribute("aria-current", "true");
      parts.push(crumb);
    });
    parts.push(el("span", "nbspy-muted nbspy-amount", amount), el("span", "nbspy-grow"));
    for (const thread of threads) {
      const name = tame(state.profile.threads[thread]?.name ?? "") || `thread ${thread}`;
      parts.push(button("nbspy-chip", `Show all threads but ${name} too`, `${name} ✕`, () => state.toggleThread(thread, true)));
    }
    if (time) {
      const range = `${(time[0] / 1e6).toFixed(2)} – ${(time[1] / 1e6).toFixed(2)} s`;
      parts.push(button("nbspy-chip", "Show all of the time", `${range} ✕`, () => state.select({ time: null })));
    }
    this.crumbs.replaceChildren(...parts);
  }
}
