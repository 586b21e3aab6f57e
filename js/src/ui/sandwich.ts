/** One function between its callers, above, and what it calls, below. */
import type { Chart } from "./chart";
import { el } from "./dom";

export class Sandwich {
  readonly element = el("div", "nbspy-sandwich");

  constructor(readonly above: Chart, readonly below: Chart) {
    const half = (text: string, chart: Chart): HTMLElement => (
      el("div", "nbspy-half", el("div", "nbspy-half-name nbspy-muted", text), el("div", "nbspy-chart-box", chart.element))
    );
    this.element.append(half("Callers", above), half("Callees", below));
  }

  /** Gives each half the height that its rows want; where there is less, neither gets below a quarter of it. */
  share(): void {
    const rows = this.charts.map((chart) => chart.settle().rows + 1);
    const whole = rows[0]! + rows[1]!;
    let changed = false;
    this.charts.forEach((chart, i) => {
      const { style } = chart.element.parentElement!.parentElement!;
      const grow = String(Math.round(100 * Math.max(1 / 4, rows[i]! / whole)));
      changed ||= style.flexGrow !== grow;
      style.flexGrow = grow;
    });
    if (changed) for (const chart of this.charts) chart.resize();
  }

  get charts(): readonly Chart[] {
    return [this.above, this.below];
  }
}
