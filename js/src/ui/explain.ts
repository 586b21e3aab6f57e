/** What a frame is, in words and numbers: for the card beside the pointer, and for those who listen. */
import { count, duration, percent, plural, points } from "../model/format";
import { everywhere } from "../model/functions";
import type { Scene } from "../model/scene";
import type { ViewState } from "../model/view-state";
import type { TooltipContent } from "./tooltip";

export function explainNode(state: ViewState, scene: Scene, node: number): TooltipContent {
  const { names, tree, weights, zoom } = scene;
  const { self, selfSamples, samples, total } = weights;
  const key = tree.key.data[node]!;
  const { difference } = state.scenes;
  if (scene === state.scenes.changes && difference) {
    const [before, after] = [difference.before[node]!, difference.after[node]!];
    const word = before > 0 ? (after > 0 ? "" : "gone") : "new";
    return {
      title: names.qualname(key), subtitle: names.fullPlace(key),
      rows: [["Before", percent(before)], ["Now", percent(after)], ["Change", `${points(after - before)} ${word}`]],
    };
  }
  const shares = (of: number, weight: number): string => percent(weight / total[of]!);
  const rows = [["Total", duration(total[node]!), shares(0, total[node]!), plural(samples[node]!, "sample")]];
  const inverted = scene === state.scenes.callers || scene === state.scenes.above;
  if (!inverted) rows.push(["Self", duration(self[node]!), shares(0, self[node]!), plural(selfSamples[node]!, "sample")]);
  const all = inverted ? null : everywhere(tree, weights, key);
  if (all && all.places > 1) rows.push(["Everywhere", duration(all.total), shares(0, all.total), `in ${count(all.places)} places`]);
  if (zoom !== 0 && zoom !== node) rows.push(["Of the zoomed", "", shares(zoom, total[node]!), ""]);
  return { title: names.qualname(key), subtitle: names.fullPlace(key), rows };
}

export function narrowFrames(count: number): TooltipContent {
  return { title: plural(count, "narrow frame"), subtitle: "too narrow to draw: zoom in to see them" };
}

export function sayNode(state: ViewState, scene: Scene, node: number): string {
  const { difference } = state.scenes;
  if (scene === state.scenes.changes && difference) {
    return `${state.nameOf(node, scene)}, ${percent(difference.before[node]!)} before, ${percent(difference.after[node]!)} now`;
  }
  const { self, total } = scene.weights;
  const parts = [state.nameOf(node, scene), state.placeOf(node, scene), `total ${percent(total[node]! / total[0]!)}`, `self ${percent(self[node]! / total[0]!)}`];
  return parts.join(", ");
}
