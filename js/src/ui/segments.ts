/** A segmented control: one of a few values. */
import { button, el, setAttribute } from "./dom";

export interface Choice<T> {
  readonly value: T;
  readonly text: string;
  readonly hint?: string;
}

export class Segments<T extends string> {
  readonly element = el("div", "nbspy-segments");
  private readonly buttons: { value: T; button: HTMLButtonElement }[];

  constructor(label: string, choices: readonly Choice<T>[], choose: (value: T) => void) {
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", label);
    this.buttons = choices.map(({ value, text, hint }) => {
      const segment = button("", hint ?? text, text, () => choose(value));
      segment.removeAttribute("aria-label");
      this.element.append(segment);
      return { value, button: segment };
    });
  }

  set(value: string): void {
    for (const one of this.buttons) setAttribute(one.button, "aria-pressed", String(one.value === value));
  }
}

/** A drop-down list: one of some values. */
export function dropDown<T extends string>(label: string, choices: readonly Choice<T>[], value: T, choose: (value: T) => void): HTMLSelectElement {
  const list = el("select", "nbspy-select");
  list.setAttribute("aria-label", label);
  for (const choice of choices) {
    const option = el("option", "", choice.text);
    option.value = choice.value;
    option.selected = choice.value === value;
    list.append(option);
  }
  list.addEventListener("change", () => choose(list.value as T));
  return list;
}
