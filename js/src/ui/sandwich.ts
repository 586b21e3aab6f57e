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
}
