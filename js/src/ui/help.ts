/** The list of keys and gestures. */
import type { Cleanup } from "./dom";
import { button, el } from "./dom";

const KEYS: [string, string][] = [
  ["← → ↑ ↓", "move between parent, child and siblings"],
  ["Home, PgUp, PgDn", "the first frame; scroll"],
  ["Enter, click", "zoom to a frame"],
  ["+ − [ ]", "zoom in and out, move left and right"],
  ["Ctrl + wheel, pinch", "zoom at the pointer; drag to move"],
  ["m, right click", "what to do with a frame"],
  ["Esc", "back: zoom, then search, then filters"],
  ["/", "search: text, file:line or /regex/"],
  ["n, N", "next and previous match"],
  ["drag in the timeline", "select a range of time; double click clears, arrows move it"],
  ["click in the timeline", "show the stack of that moment"],
  ["click a thread", "show it alone; shift-click adds, arrows go along them"],
  ["1 to 7", "the views"],
  ["i, l, t", "icicle or flame; functions or lines; idle threads or not"],
  ["u, U", "undo, redo"],
  ["p", "pause the picture; samples go on to arrive"],
  ["v, e, f", "options of the view; save and compare; full screen"],
  ["?", "this list"],
];

const STATES = [["2", "holds GIL"], ["1", "running"], ["3", "waits for GIL"], ["4", "GC"], ["0", "idle"]] as const;

export class Help {
  readonly element = el("div", "nbspy-help");
  private before: Element | null = null;

  constructor(private readonly closed: () => void, cleanup: Cleanup) {
    const table = el("table");
    for (const [keys, what] of KEYS) table.append(el("tr", "", el("th", "", keys), el("td", "", what)));
    const legend = el("p", "nbspy-legend");
    for (const [state, word] of STATES) {
      const square = el("span", "nbspy-state");
      square.dataset["state"] = state;
      legend.append(el("span", "", square, ` ${word}`));
    }
    const close = button("nbspy-icon", "Close (Esc)", "✕", () => this.toggle(false));
    const card = el("div", "nbspy-help-card", el("div", "nbspy-help-head", el("strong", "", "Keys and gestures"), close), table, legend);
    this.element.append(card);
    this.element.hidden = true;
    this.element.tabIndex = -1;
    this.element.setAttribute("role", "dialog");
    this.element.setAttribute("aria-label", "Keys and gestures");
    cleanup.listen(this.element, "click", (event) => {
      if (event.target === this.element) this.toggle(false);
    });
  }

  get open(): boolean {
    return !this.element.hidden;
  }

  toggle(open = !this.open): void {
    if (open === this.open) return;
    this.element.hidden = !open;
    if (open) {
      this.before = document.activeElement;
      this.element.focus();
    } else if (this.before instanceof HTMLElement && this.before.isConnected) this.before.focus();
    else this.closed();
  }
}
