/** The panes that the tabs show, each made once: the chart, the table of functions, the sandwich, the source. */
import type { Scene } from "../model/scene";
import type { Change, ViewState } from "../model/view-state";
import type { Theme } from "../render/colors";
import { Hues } from "../render/colors";
import type { ChartEvents } from "./chart";
import { Chart } from "./chart";
import type { Cleanup } from "./dom";
import { el, setAttribute } from "./dom";
import { FunctionTable } from "./function-table";
import { Sandwich } from "./sandwich";
import { SourceView } from "./source-view";
import type { Tokens } from "./theme";

export interface PaneEvents {
  /** As of a chart, which says which it is. */
  hover(chart: Chart, box: number, x: number, y: number): void;
  focus(chart: Chart, node: number, x: number, y: number): void;
  menu(scene: Scene, node: number, x: number, y: number): void;
  moved(): void;
  rowMenu(key: number, x: number, y: number): void;
  /** The source's lines, which took their time, are shown. */
  counted(): void;
}

export class Panes {
  readonly element = el("div", "nbspy-panes");
  readonly main: Chart;
  readonly functions: FunctionTable;
  readonly source: SourceView;
  readonly chartBox = el("div", "nbspy-chart-box");
  private readonly sandwich: Sandwich;
  private readonly charts: readonly Chart[];
  private shown: HTMLElement | null = null;

  constructor(private readonly state: ViewState, events: PaneEvents, cleanup: Cleanup) {
    const hues = new Hues();
    const chart = (scene: Scene, label: string): Chart => {
      const to: ChartEvents = {
        hover: (box, x, y) => events.hover(made, box, x, y),
        focus: (node, x, y) => events.focus(made, node, x, y),
        menu: (node, x, y) => events.menu(made.scene, node, x, y),
        moved: () => events.moved(),
      };
      const made: Chart = new Chart(state, scene, label, to, cleanup, hues);
      return made;
    };
    this.main = chart(state.scenes.merged, "Call tree chart");
    this.sandwich = new Sandwich(chart(state.scenes.above, "Callers"), chart(state.scenes.below, "Callees"));
    this.charts = [this.main, this.sandwich.above, this.sandwich.below];
    this.functions = new FunctionTable(state, { menu: (key, x, y) => events.rowMenu(key, x, y) }, cleanup);
    this.source = new SourceView(state, () => events.counted());
    this.chartBox.append(this.main.element);
    this.element.setAttribute("role", "tabpanel");
    this.showTab();
  }

  /** The chart that keys and matches are for. */
  get chart(): Chart {
    const { above, below } = this.sandwich;
    if (this.state.settings.tab !== "sandwich") return this.main;
    return document.activeElement === above.element ? above : below;
  }

  chartAt(target: EventTarget | null): Chart | null {
    return this.charts.find((chart) => chart.element === target) ?? null;
  }

  /** Gives the focus to what the tab shows. */
  focus(): void {
    const { tab } = this.state.settings;
    if (tab === "functions") this.functions.focus();
    else (tab === "source" ? this.source.element : this.chart.element).focus({ preventScroll: true });
  }

  setTheme(theme: Theme, tokens: Tokens): void {
    for (const chart of this.charts) chart.setTheme(theme, tokens);
  }

  resize(): void {
    for (const chart of this.charts) chart.resize();
    if (this.state.settings.tab === "functions") this.functions.update();
  }

  changed(change: Change): void {
    const { tab } = this.state.settings;
    if (change === "tab") this.showTab();
    // What is shown stays until the new is whole; that is another change.
    if (change === "selection" ? this.state.folds : change === "search" && this.state.working) return;
    if (tab === "functions") this.functions.update();
    else if (tab === "source") this.source.update();
    else {
      for (const chart of tab === "sandwich" ? this.sandwich.charts : [this.main]) {
        if (change === "zoom") chart.moveToZoom();
        else if (change === "look") chart.goToRoot();
        else if (change === "search") chart.repaint();
        else chart.change();
      }
      if (tab === "sandwich") this.sandwich.share();
    }
  }

  private showTab(): void {
    const { state } = this;
    const { tab } = state.settings;
    const charted = tab !== "functions" && tab !== "sandwich" && tab !== "source";
    const pane = tab === "functions" ? this.functions : tab === "sandwich" ? this.sandwich : this.source;
    const element = charted ? this.chartBox : pane.element;
    if (this.shown !== element) {
      this.shown?.remove();
      if (this.shown === this.source.element) this.source.leave();
      this.element.prepend((this.shown = element));
    }
    setAttribute(this.element, "data-tab", tab);
    if (charted) this.main.setScene(state.scene);
    this.resize();
  }
}
