/** What is seen as speedscope's JSON: one sampled profile a thread, with real times. See nbspy/exporters/speedscope.py. */
import { programName } from "./format";
import type { Names } from "./names";
import type { SelectedTree } from "./selection";
import { threadName } from "./thread-name";

export const SCHEMA = "https://www.speedscope.app/file-format-schema.json";

interface SpeedscopeFrame {
  readonly name: string;
  readonly file?: string;
  readonly line?: number;
}

class FrameTable {
  readonly rows: SpeedscopeFrame[] = [];
  private readonly ids = new Map<number, number>();

  constructor(private readonly names: Names) {}

  idOf(key: number): number {
    let id = this.ids.get(key);
    if (id === undefined) {
      const { names } = this;
      const file = names.shownFile(key);
      const line = names.line(key);
      this.ids.set(key, (id = this.rows.push({ name: names.qualname(key), ...(file ? { file } : {}), ...(line > 0 ? { line } : {}) }) - 1));
    }
    return id;
  }
}

/** The runs of one thread that are seen; null where there are none. Times are in us, whole. */
function sampled(selected: SelectedTree, thread: number, frames: FrameTable): Record<string, unknown> | null {
  const { profile, selection: { time }, tree } = selected;
  const lane = profile.runs.of(thread);
  if (!lane) return null;
  const samples: number[][] = [];
  const weights: number[] = [];
  const stacks = new Map<number, number[]>();
  let [first, end] = [-1, 0];
  for (let run = 0; run < lane.length; run++) {
    const node = selected.nodeOfRun(lane, run);
    const start = Math.max(lane.start.data[run]!, time?.[0] ?? 0);
    const stop = Math.min(lane.start.data[run]! + lane.weight.data[run]!, time?.[1] ?? Infinity);
    if (node < 0 || stop <= start) continue;
    if (first < 0) first = end = start;
    if (start > end) {
      samples.push([]);
      weights.push(start - end);
    }
    let stack = stacks.get(node);
    if (!stack) stacks.set(node, (stack = tree.path(node).map((at) => frames.idOf(tree.key.data[at]!))));
    samples.push(stack);
    weights.push(stop - Math.max(start, end));
    end = stop;
  }
  if (first < 0) return null;
  return { type: "sampled", name: threadName(profile, thread), unit: "microseconds", startValue: first, endValue: end, samples, weights };
}

export function speedscopeJson(selected: SelectedTree, names: Names): string {
  const { profile } = selected;
  const frames = new FrameTable(names);
  const wanted = profile.threads.filter((thread) => selected.has(thread.id));
  const profiles = wanted.flatMap((thread) => sampled(selected, thread.id, frames) ?? []);
  const name = profile.hello ? programName(profile.hello.commandLine) || `process ${profile.hello.pid}` : "nbspy";
  return JSON.stringify({
    $schema: SCHEMA, name, exporter: `nbspy@${profile.hello?.nbspyVersion ?? ""}`, activeProfileIndex: 0,
    shared: { frames: frames.rows }, profiles,
  });
}
