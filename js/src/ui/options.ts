/** The options of the view: whose time counts, what a frame is, its colour, what is left out. */
import type { Mode } from "../model/selection";
import type { Coloring } from "../model/settings";
import { DEFAULTS } from "../model/settings";
import { tame } from "../model/names";
import type { ViewState } from "../model/view-state";
import { programName } from "../model/format";
import { button, el } from "./dom";
import type { Popup } from "./popup";
import type { Choice } from "./segments";
import { dropDown, Segments } from "./segments";

export const MODES: readonly Choice<Mode>[] = [
  { value: "all", text: "all time" },
  { value: "active", text: "running" },
  { value: "gil", text: "holding the GIL" },
  { value: "gil-wait", text: "waiting for the GIL" },
  { value: "gc", text: "collecting garbage" },
  { value: "idle", text: "idle" },
];
const COLORS: readonly Choice<Coloring>[] = [
  { value: "package", text: "package" }, { value: "file", text: "file" }, { value: "function", text: "function" },
  { value: "state", text: "state of most time" }, { value: "thread", text: "thread of most time" }, { value: "self", text: "heat: own time" },
];

function row(label: string, control: HTMLElement): HTMLElement {
  return el("div", "nbspy-option", el("span", "", label), control);
}

function check(text: string, checked: boolean, set: (checked: boolean) => void): HTMLElement {
  const box = el("input");
  box.type = "checkbox";
  box.checked = checked;
  box.addEventListener("change", () => set(box.checked));
  return el("label", "nbspy-check", box, el("span", "", text));
}

/** Lists the processes, where there are several; choosing one selects its threads. */
function processes(state: ViewState): HTMLElement[] {
  const { profile, settings } = state;
  if (profile.processes.length < 2) return [];
  const of = (id: number): number[] => profile.threads.filter((thread) => thread.process === id).map((thread) => thread.id);
  const all = profile.processes.map(({ id, pid, commandLine }) => ({ value: String(id), text: `${tame(programName(commandLine))} · ${pid}` }));
  const current = profile.processes.find(({ id }) => settings.threads.length > 0 && String(of(id)) === String(settings.threads));
  const list = dropDown("Process", [{ value: "", text: "all" }, ...all], current ? String(current.id) : "", (id) => {
    state.select({ threads: new Set(id === "" ? [] : of(Number(id))) });
  });
  return [row("Process", list)];
}

export function showOptions(state: ViewState, popup: Popup, anchor: HTMLElement): void {
  popup.toggleAt(anchor, (x, y) => popup.show("dialog", "Options of the view", content(state), x, y, anchor));
}

function content(state: ViewState): HTMLElement[] {
  const { settings } = state;
  const granularity = new Segments("A frame is", [{ value: "function", text: "function" }, { value: "line", text: "line" }], (by) => {
    state.change({ by: by as "function" | "line" });
    granularity.set(by);
  });
  granularity.set(settings.by);
  const shape = new Segments("Callers", [{ value: "icicle", text: "above" }, { value: "flame", text: "below" }], (to) => {
    state.change({ flipped: to === "flame" });
    shape.set(to);
  });
  shape.set(settings.flipped ? "flame" : "icicle");
  const history = el("div", "nbspy-option nbspy-lined");
  const step = (text: string, label: string, can: boolean, run: () => void): void => {
    const entry = button("nbspy-button", label, text, () => run());
    entry.disabled = !can;
    history.append(entry);
  };
  step("Undo", "Undo (u)", state.history.canUndo, () => state.undo());
  step("Redo", "Redo (U)", state.history.canRedo, () => state.redo());
  step("Reset", "Show everything, as at first", true, () => state.change({ ...DEFAULTS, tab: state.settings.tab }));
  return [
    row("Time", dropDown("Whose time counts", MODES, settings.mode, (mode) => state.change({ mode }))),
    row("A frame is a", granularity.element),
    row("Callers are", shape.element),
    row("Colour by", dropDown("Colour by", COLORS, settings.color, (color) => state.change({ color }))),
    ...processes(state),
    check(`Hide the notebook's machinery, and how threads begin${state.knowsMachinery ? "" : " (none here)"}`, settings.machinery, (machinery) => state.change({ machinery })),
    check("Leave out threads that are idle 99 % of the time", settings.idlers, (idlers) => state.change({ idlers })),
    check("Fold recursion", settings.recursion, (recursion) => state.change({ recursion })),
    history,
  ];
}
