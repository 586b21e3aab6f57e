/** Keys that work wherever the focus is in the view, except in a field. */
import { TABS } from "../model/settings";
import type { ViewState } from "../model/view-state";

export interface KeyTargets {
  search(): void;
  step(direction: 1 | -1): void;
  help(): void;
  options(): void;
  more(): void;
  pause(): void;
  full(): void;
  escape(): boolean;
  /** A tab was chosen by its number. */
  focusPane(): void;
}

/** Does what a key means; false where it means nothing here. */
export function command(event: KeyboardEvent, state: ViewState, to: KeyTargets): boolean {
  const tab = TABS[Number(event.key) - 1];
  if (tab && (tab !== "compare" || state.scenes.other)) {
    state.show(tab);
    to.focusPane();
    return true;
  }
  switch (event.key) {
    case "/": to.search(); return true;
    case "?": to.help(); return true;
    case "n": to.step(1); return true;
    case "N": to.step(-1); return true;
    case "i": state.change({ flipped: !state.flipped }); return true;
    case "l": state.change({ by: state.settings.by === "line" ? "function" : "line" }); return true;
    case "t": state.change({ idlers: !state.settings.idlers }); return true;
    case "u": state.undo(); return true;
    case "U": state.redo(); return true;
    case "v": to.options(); return true;
    case "e": to.more(); return true;
    case "p": to.pause(); return true;
    case "f": to.full(); return true;
    case "Escape": return to.escape();
    default: return false;
  }
}
