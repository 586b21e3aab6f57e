/** What the chart shows, as a table that screen readers and tests reach, and a line that says what changed. */
import { duration, percent, points } from "../model/format";
import type { ViewState } from "../model/view-state";
import type { Panes } from "./panes";
import { el, setText } from "./dom";

const MAX_ROWS = 40;

export class Mirror {
  readonly table = el("table", "nbspy-mirror nbspy-hidden");
  readonly live = el("div", "nbspy-hidden");
  private readonly body = el("tbody");

  constructor(private readonly state: ViewState, private readonly panes: Panes) {
    const head = el("tr");
    for (const text of ["Function", "Self", "Total", "Share"]) {
      const cell = el("th", "", text);
      cell.scope = "col";
      head.append(cell);
    }
    this.table.append(el("caption", "", "Frames of the chart, from the top"), el("thead", "", head), this.body);
    this.live.setAttribute("role", "status");
    this.live.setAttribute("aria-live", "polite");
  }

  say(text: string): void {
    setText(this.live, text);
  }

  /** Lists the first frames of the chart: row by row, the heaviest of a row first. */
  update(): void {
    const { chart } = this.panes;
    const { boxes, scene, topRow } = chart.settle();
    const { weights } = scene;
    const { tab } = this.state.settings;
    if (tab === "functions" || tab === "source") {
      this.body.replaceChildren(); // these panes are tables themselves
      return;
    }
    const nodes: number[] = [];
    for (let row = topRow; row < boxes.rows && nodes.length < MAX_ROWS; row++) {
      const own = Array.from(boxes.node.data.subarray(boxes.rowStart.data[row], boxes.rowStart.data[row + 1])).filter((node) => node > 0);
      nodes.push(...own.sort((a, b) => weights.total[b]! - weights.total[a]!));
    }
    const shown = [...new Set(nodes)].slice(0, MAX_ROWS);
    while (this.body.rows.length > shown.length) this.body.deleteRow(-1);
    shown.forEach((node, i) => {
      const row = this.body.rows[i] ?? this.body.appendChild(el("tr", "", el("td"), el("td"), el("td"), el("td")));
      const { difference } = this.state.scenes;
      const texts = scene === this.state.scenes.changes && difference ? [
        this.state.nameOf(node, scene), percent(difference.before[node]!), percent(difference.after[node]!), points(difference.change(node)),
      ] : [
        this.state.nameOf(node, scene), duration(weights.self[node]!), duration(weights.total[node]!), percent(weights.total[node]! / weights.total[0]!),
      ];
      texts.forEach((text, cell) => setText(row.cells[cell]!, text));
    });
  }
}
