/** The table of functions: self, total and samples of each; sorted by a click on a head, filtered by the search. */
import type { Change } from "../model/compare";
import { count, duration, percent, points } from "../model/format";
import { refOf } from "../model/function-ref";
import type { FunctionRow } from "../model/functions";
import type { Names } from "../model/names";
import type { ViewState } from "../model/view-state";
import type { Cleanup } from "./dom";
import { button, el, setAttribute, setName, setText, show } from "./dom";

const ROW_PX = 26;
const MARGIN_ROWS = 6;
const BAR_PX = 54;

type Column = "name" | "self" | "total" | "change" | "samples";
const COLUMNS: readonly (readonly [Column, string, string])[] = [
  ["name", "Function", ""],
  ["self", "Self", "Time in the function itself"],
  ["total", "Total", "Time in it and in all that it calls; a stack counts once"],
  ["change", "Change", "How its share of own time differs from the other profile's"],
  ["samples", "Samples", "Samples with the function on the stack, and those in it itself"],
];

export interface FunctionEvents {
  menu(key: number, x: number, y: number): void;
}

export class FunctionTable {
  readonly element = el("div", "nbspy-functions-box");
  private readonly table = el("table", "nbspy-functions");
  private readonly body = el("tbody");
  private readonly top = el("tr", "nbspy-gap");
  private readonly bottom = el("tr", "nbspy-gap");
  private readonly empty = el("p", "nbspy-nothing nbspy-muted");
  private readonly heads = new Map<Column, HTMLElement>();
  private sortedBy: Column = "self";
  private ascending = false;
  private rows: FunctionRow[] = [];
  private at = 0;

  constructor(private readonly state: ViewState, private readonly events: FunctionEvents, cleanup: Cleanup) {
    const head = el("tr");
    for (const [column, text, hint] of COLUMNS) {
      const cell = el("th", `nbspy-col-${column}`);
      cell.scope = "col";
      cell.append(button("", hint || text, text, () => this.sortBy(column)));
      this.heads.set(column, cell);
      head.append(cell);
    }
    this.table.append(el("thead", "", head), this.body);
    this.body.append(this.top, this.bottom);
    this.table.setAttribute("aria-label", "Functions");
    this.element.append(this.table, this.empty);
    this.element.tabIndex = -1;
    cleanup.listen(this.element, "scroll", () => this.write(), { passive: true });
    cleanup.listen<MouseEvent>(this.body, "click", (event) => this.clicked(event));
    cleanup.listen<MouseEvent>(this.body, "dblclick", () => this.openCurrent());
    cleanup.listen<MouseEvent>(this.body, "contextmenu", (event) => {
      const row = this.rowAt(event);
      if (row < 0) return;
      event.preventDefault();
      this.select(row);
      this.events.menu(this.rows[row]!.key, event.clientX, event.clientY);
    });
    cleanup.listen<KeyboardEvent>(this.body, "keydown", (event) => {
      if (!this.key(event)) return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  /** Takes the state's rows: sorts, filters, writes those in sight. */
  update(): void {
    const { matches, scenes: { functions } } = this.state;
    const { names } = this;
    const compared = functions[0]?.change !== undefined;
    this.table.toggleAttribute("data-compared", compared);
    if (!compared && this.sortedBy === "change") this.sortedBy = "self";
    const wanted = matches ? functions.filter((row) => this.state.isMatch(row.key)) : functions.slice();
    const by = this.sortedBy;
    const sign = this.ascending ? 1 : -1;
    if (by === "name") wanted.sort((a, b) => sign * names.qualname(a.key).localeCompare(names.qualname(b.key)));
    else wanted.sort((a, b) => sign * (valueOf(a, by) - valueOf(b, by)) || b.self - a.self || b.total - a.total);
    const current = this.rows[this.at]?.key;
    this.rows = wanted;
    this.at = Math.max(0, wanted.findIndex((row) => row.key === current));
    for (const [column, head] of this.heads) setAttribute(head, "aria-sort", column !== by ? "none" : this.ascending ? "ascending" : "descending");
    setAttribute(this.table, "aria-rowcount", String(wanted.length + 1));
    setText(this.empty, matches ? "No function matches the search." : "No samples of the selected threads, states and time.");
    show(this.empty, wanted.length === 0);
    this.write();
  }

  /** The table as text: as it is sorted and filtered. */
  text(): string {
    return functionsText(this.rows, this.names);
  }

  focus(): void {
    this.select(this.at);
  }

  /** Names of the rows' keys: where two profiles are compared, those of both. */
  private get names(): Names {
    return this.state.scene.names;
  }

  private sortBy(column: Column): void {
    this.ascending = column === this.sortedBy ? !this.ascending : column === "name";
    this.sortedBy = column;
    this.element.scrollTop = 0;
    this.update();
  }

  /** Writes the rows in sight only: a hundred thousand functions cost no more than ten. */
  private write(): void {
    const { clientHeight, scrollTop } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / ROW_PX) - MARGIN_ROWS);
    const last = Math.min(this.rows.length, first + Math.ceil((clientHeight || 400) / ROW_PX) + 2 * MARGIN_ROWS);
    const shown = Math.max(0, last - first);
    const { body } = this;
    while (body.rows.length < shown + 2) this.bottom.before(makeRow());
    while (body.rows.length > shown + 2) body.deleteRow(body.rows.length - 2);
    this.top.style.height = `${first * ROW_PX}px`;
    this.bottom.style.height = `${(this.rows.length - last) * ROW_PX}px`;
    show(this.top, first > 0);
    show(this.bottom, last < this.rows.length);
    const whole = this.state.total[0]! || 1;
    const most = this.rows.reduce((max, row) => Math.max(max, row.self), 0) || 1;
    for (let i = 0; i < shown; i++) this.writeRow(body.rows[i + 1]!, first + i, whole, most);
  }

  private writeRow(element: HTMLTableRowElement, at: number, whole: number, most: number): void {
    const { names } = this;
    const row = this.rows[at]!;
    const [name, self, total, change, samples] = Array.from<HTMLElement>(element.cells) as [HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement];
    setAttribute(element, "data-row", String(at));
    setAttribute(element, "aria-rowindex", String(at + 2));
    element.tabIndex = at === this.at ? 0 : -1;
    const [label, place] = Array.from(name.firstElementChild!.children) as [HTMLElement, HTMLElement];
    setName(label, names.label(row.key));
    setText(place, names.beside(row.key));
    setAttribute(name, "title", `${names.qualname(row.key)}  ${names.fullPlace(row.key)}`);
    (self.children[0] as HTMLElement).style.width = `${(BAR_PX * row.self) / most}px`;
    setText(self.children[1]!, duration(row.self));
    setText(self.children[2]!, percent(row.self / whole));
    setText(total.children[0]!, duration(row.total));
    setText(total.children[1]!, percent(row.total / whole));
    if (row.change) writeChange(change, row.change);
    setText(samples, count(row.samples));
    element.classList.toggle("nbspy-match", this.state.isSubject(row.key, names));
  }

  private rowAt(event: Event): number {
    const element = (event.target as Element).closest<HTMLElement>("tr[data-row]");
    return element ? Number(element.dataset["row"]) : -1;
  }

  private clicked(event: MouseEvent): void {
    const at = this.rowAt(event);
    if (at < 0) return;
    this.select(at);
    if ((event.target as Element).closest(".nbspy-link")) this.openCurrent();
  }

  private openCurrent(): void {
    const row = this.rows[this.at];
    if (row) this.state.open("sandwich", refOf(this.names, row.key));
  }

  private select(at: number): void {
    this.at = Math.max(0, Math.min(this.rows.length - 1, at));
    const { element } = this;
    const top = this.at * ROW_PX;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + 2 * ROW_PX > element.scrollTop + element.clientHeight) element.scrollTop = top + 2 * ROW_PX - element.clientHeight;
    this.write();
    this.body.querySelector<HTMLElement>(`tr[data-row="${this.at}"]`)?.focus({ preventScroll: true });
  }

  private key(event: KeyboardEvent): boolean {
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW_PX) - 2);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    const row = this.rows[this.at];
    if (step !== undefined) this.select(this.at + step);
    else if (!row) return false;
    else if (event.key === "Enter") this.openCurrent();
    else if (event.key === "m" || event.key === "ContextMenu") {
      const box = (event.target as Element).getBoundingClientRect();
      this.events.menu(row.key, box.left + 20, box.bottom);
    } else return false;
    return true;
  }
}

/** Functions as text: tab-separated, with a head. */
export function functionsText(rows: readonly FunctionRow[], names: Names): string {
  const changes = ({ change }: FunctionRow): number[] => (change ? [change.selfBefore, change.selfAfter, change.totalBefore, change.totalAfter] : []);
  const lines = rows.map((row) => [
    names.qualname(row.key), names.fullPlace(row.key), row.self / 1e6, row.total / 1e6, Math.round(row.samples), ...changes(row),
  ].join("\t"));
  const head = `function\tplace\tself_s\ttotal_s\tsamples${rows[0]?.change ? "\tself_before\tself_now\ttotal_before\ttotal_now" : ""}`;
  return [head, ...lines].join("\n");
}

const valueOf = (row: FunctionRow, by: Exclude<Column, "name">): number => (
  by === "change" ? (row.change?.selfAfter ?? 0) - (row.change?.selfBefore ?? 0) : row[by]
);

/** The change of own time; of the time in all, and whether it is new or gone, beside it. */
function writeChange(cell: HTMLElement, { selfAfter, selfBefore, totalAfter, totalBefore }: Change): void {
  setText(cell.children[0]!, points(selfAfter - selfBefore));
  setText(cell.children[1]!, totalBefore === 0 ? " new" : totalAfter === 0 ? " gone" : "");
  setAttribute(cell, "title", `Self ${percent(selfBefore)} before, ${percent(selfAfter)} now; total ${percent(totalBefore)} before, ${percent(totalAfter)} now`);
}

function makeRow(): HTMLTableRowElement {
  const label = el("button", "nbspy-link");
  label.tabIndex = -1;
  const name = el("td", "nbspy-col-name", el("div", "nbspy-name-line", label, el("span", "nbspy-muted nbspy-place")));
  return el(
    "tr", "", name,
    el("td", "nbspy-col-self", el("i", "nbspy-bar"), el("span"), el("span", "nbspy-part")),
    el("td", "nbspy-col-total", el("span"), el("span", "nbspy-part")),
    el("td", "nbspy-col-change", el("span"), el("span", "nbspy-muted")),
    el("td", "nbspy-col-samples"),
  );
}
