/** The tabs: which view of the samples is shown. Where there is no room for them, a list. */
import type { Tab } from "../model/settings";
import type { ViewState } from "../model/view-state";
import { button, el, setAttribute, show } from "./dom";
import type { Choice } from "./segments";
import { dropDown } from "./segments";

export const TAB_TEXTS: readonly Choice<Tab>[] = [
  { value: "merged", text: "Merged", hint: "Equal stacks together, callers to callees (1)" },
  { value: "time", text: "Over time", hint: "The calls of one thread in their order (2)" },
  { value: "callers", text: "Callers", hint: "Where time is spent, and who calls that (3)" },
  { value: "functions", text: "Functions", hint: "A table: self and total of every function (4)" },
  { value: "sandwich", text: "Sandwich", hint: "One function: its callers above, what it calls below (5)" },
  { value: "source", text: "Source", hint: "One function's lines and their time (6)" },
  { value: "compare", text: "Difference", hint: "What changed since another profile (7)" },
];

export class Tabs {
  readonly element = el("div", "nbspy-tabs");
  readonly list: HTMLSelectElement;
  private readonly buttons: HTMLButtonElement[];
  private shown = "";

  constructor(private readonly state: ViewState) {
    const { element } = this;
    element.setAttribute("role", "tablist");
    element.setAttribute("aria-label", "Views");
    this.buttons = TAB_TEXTS.map(({ value, text, hint }) => {
      const tab = button("nbspy-tab", hint!, text, () => state.show(value));
      tab.removeAttribute("aria-label");
      tab.setAttribute("role", "tab");
      element.append(tab);
      return tab;
    });
    element.addEventListener("keydown", (event) => this.key(event));
    this.list = dropDown("View", TAB_TEXTS, "merged", (tab) => state.show(tab));
    this.list.classList.add("nbspy-tab-list");
  }

  update(): void {
    const { scenes: { other }, settings: { tab } } = this.state;
    const shown = `${tab} ${String(other !== null)}`;
    if (shown === this.shown) return;
    this.shown = shown;
    TAB_TEXTS.forEach(({ value }, i) => {
      setAttribute(this.buttons[i]!, "aria-selected", String(value === tab));
      this.buttons[i]!.tabIndex = value === tab ? 0 : -1;
      // There is a difference only where there is something to compare with.
      const there = value !== "compare" || other !== null;
      show(this.buttons[i]!, there);
      this.list.options[i]!.hidden = this.list.options[i]!.disabled = !there;
    });
    this.list.value = tab;
  }

  private key(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const count = this.buttons.filter((one) => !one.hidden).length;
    const at = TAB_TEXTS.findIndex(({ value }) => value === this.state.settings.tab);
    const next = (at + step + count) % count;
    this.state.show(TAB_TEXTS[next]!.value);
    this.buttons[next]!.focus();
    event.preventDefault();
    event.stopPropagation();
  }
}
