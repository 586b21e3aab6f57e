/** What can be done with a frame. */
import { refOf } from "../model/function-ref";
import type { Scene } from "../model/scene";
import { isPackageKey } from "../model/shape";
import type { ViewState } from "../model/view-state";
import { copyText } from "./files";
import type { MenuItem } from "./popup";

/** The stack of a node as text, the root first; in an inverted tree that is from the bottom up. */
export function stackText(scene: Scene, node: number): string {
  const frames = scene.tree.path(node).map((at) => {
    const key = scene.tree.key.data[at]!;
    const place = scene.names.fullPlace(key);
    return place ? `${scene.names.qualname(key)} (${place})` : scene.names.qualname(key);
  });
  return (scene.flipped ? frames.reverse() : frames).join("\n");
}

export function frameMenu(state: ViewState, scene: Scene, node: number, said: (text: string) => void): MenuItem[][] {
  const { names } = scene;
  const key = scene.tree.key.data[node]!;
  const copy = (what: string, text: string): void => void copyText(text).then((done) => said(done ? `${what} copied` : "This page may not copy"));
  const copies: MenuItem[] = [
    { text: "Copy the function's name", run: () => copy("Name", `${names.qualname(key)} (${names.fullPlace(key)})`) },
    { text: "Copy the stack", run: () => copy("Stack", stackText(scene, node)) },
  ];
  if (isPackageKey(key)) {
    const name = names.package(key);
    const rules = state.settings.rules.filter((rule) => rule.do !== "package" || rule.what !== name);
    return [[{ text: "Open the package again", run: () => state.change({ rules }) }], copies];
  }
  const what = refOf(names, key);
  const rule = (text: string, note: string, kind: "focus" | "hide" | "drop" | "collapse"): MenuItem => (
    { text, note, run: () => state.addRule({ do: kind, what }) }
  );
  return [
    [
      { text: "Callers and callees", note: "sandwich", run: () => state.open("sandwich", what) },
      { text: "Source", note: names.place(key), run: () => state.open("source", what) },
      { text: "Search for it", run: () => state.setQuery(names.name(key)) },
    ],
    [
      rule("Focus", "only stacks through it, from it on", "focus"),
      rule("Hide", "its time becomes its caller's", "hide"),
      rule("Drop", "without the stacks through it", "drop"),
      rule("Collapse", "what it calls becomes its own", "collapse"),
      { text: `Collapse ${names.package(key)}`, note: "one frame for the package", run: () => state.addRule({ do: "package", what: names.package(key) }) },
    ],
    copies,
  ];
}
