/** The source of one function: each line with its self and total time, and its heat behind it. */
import { duration, percent } from "../model/format";
import { tame } from "../model/names";
import type { FunctionSource } from "../model/source-lines";
import { blankColumns, LineTimes, withoutTabs } from "../model/source-lines";
import type { ViewState } from "../model/view-state";
import { el } from "./dom";

const MAX_TEXT = 400;

/** A line of source as text, from a column on: nothing that would disturb the lines beside it. */
const shownText = (text: string, from: number): string => tame(withoutTabs(text).slice(from, from + MAX_TEXT));

export class SourceView {
  readonly element = el("div", "nbspy-source-box");
  private readonly times: LineTimes;
  private shown = "";
  /** Whose lines are shown, or are being counted. */
  private subject = "";

  /** `counted` is called when lines that took their time are shown. */
  constructor(private readonly state: ViewState, counted: () => void) {
    this.times = new LineTimes(state, () => {
      this.show();
      counted();
    });
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "region");
    this.element.setAttribute("aria-label", "Source of the function");
  }

  get working(): boolean {
    return this.times.working;
  }

  update(): void {
    if (this.times.update()) this.show();
    // Lines of the same function stay until they are counted anew; those of another would not belong to its name.
    else if (JSON.stringify(this.state.settings.subject) !== this.subject) this.say("Counting the time of lines …");
  }

  /** It is not looked at any more. */
  leave(): void {
    this.times.forget();
  }

  private say(text: string): void {
    this.shown = "";
    this.element.replaceChildren(el("p", "nbspy-nothing nbspy-muted", text));
  }

  private show(): void {
    const { subject } = this.state.settings;
    this.subject = JSON.stringify(subject);
    const source = subject && this.times.of(subject);
    const key = source ? `${source.file} ${source.whole} ${source.lines.length} ${String(source.hasText)} ${source.lines[0]?.line ?? 0}` : "";
    if (key && key === this.shown) return;
    const another = key.split(" ")[0] !== this.shown.split(" ")[0];
    this.shown = key;
    const { scrollTop } = this.element;
    if (!source) {
      this.say("No samples of this function in the selected threads, states and time.");
      return;
    }
    this.element.replaceChildren(...content(source));
    // Only what is in here scrolls: the notebook around it stays where it is.
    const hottest = another ? this.element.querySelector<HTMLElement>(".nbspy-hottest") : null;
    this.element.scrollTop = hottest ? hottest.offsetTop - this.element.clientHeight / 2 : another ? 0 : scrollTop;
  }
}

function content(source: FunctionSource): HTMLElement[] {
  const table = el("table", source.hasText ? "nbspy-source" : "nbspy-source nbspy-textless");
  const head = el("tr");
  for (const text of ["Line", "Self", "Total", source.shownFile]) {
    const cell = el("th", "", text);
    cell.scope = "col";
    head.append(cell);
  }
  const body = el("tbody");
  const mostSelf = Math.max(...source.lines.map((line) => line.self));
  const mostTotal = Math.max(...source.lines.map((line) => line.total));
  let before = source.lines[0]?.line ?? 0;
  const from = blankColumns(source.lines);
  for (const line of source.lines) {
    if (line.line > before + 1) body.append(el("tr", "nbspy-skipped", el("td", "", "⋯")));
    before = line.line;
    const row = el("tr", line.total > 0 && line.total === mostTotal ? "nbspy-hottest" : "");
    const self = el("td", "", line.self > 0 ? percent(line.self / source.whole) : "");
    const total = el("td", "", line.total > 0 ? percent(line.total / source.whole) : "");
    if (line.self > 0) self.title = `${duration(line.self)} in this line itself`;
    if (line.total > 0) total.title = `${duration(line.total)} in this line and what it calls`;
    const text = el("td", "nbspy-code", line.text === null ? "" : shownText(line.text, from));
    row.append(el("td", "nbspy-line-number", String(line.line)), self, total, text);
    if (line.total > 0) {
      row.style.setProperty("--nbspy-heat", `${Math.round(10 + 90 * Math.sqrt(line.total / mostTotal))}%`);
      row.classList.add(line.self > 0 && line.self >= mostSelf / 2 ? "nbspy-hot-self" : "nbspy-hot-line");
    }
    body.append(row);
  }
  table.append(el("thead", "", head), body);
  if (source.hasText) return [table];
  return [el("p", "nbspy-muted nbspy-hint", "The text of this file was not readable when it was sampled: its lines are told by number."), table];
}
