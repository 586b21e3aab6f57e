/**
 * One thread's calls along the time: neighbouring samples with the same callers are one call. What is laid out is
 * bounded by pixels: where a column has many runs, the one at its middle stands for it, and the columns are a fixed
 * grid of time, so that panning does not make them flicker. Calls narrower than `MERGE_PX` become one box.
 */
import type { Boxes } from "./layout";
import { MERGE_PX, MIN_PX } from "./layout";
import type { SelectedTree } from "./selection";

const RUNS_PER_COLUMN = 3;

export interface TimeView {
  readonly thread: number;
  readonly fromUs: number;
  readonly spanUs: number;
  readonly widthPx: number;
  /** A pause longer than this ends calls. */
  readonly gapUs: number;
}

class Row {
  readonly nodes: number[] = [];
  readonly lefts: number[] = [];
  readonly rights: number[] = [];

  add(node: number, left: number, right: number): void {
    const last = this.nodes.length - 1;
    if (right - left < MERGE_PX) {
      if (last >= 0 && this.nodes[last]! < 0 && left - this.rights[last]! < MIN_PX) {
        this.nodes[last]! -= 1;
        this.rights[last] = right;
        return;
      }
      node = -1;
    }
    this.nodes.push(node);
    this.lefts.push(left);
    this.rights.push(right);
  }
}

class Pass {
  readonly rows: Row[] = [];
  /** Calls that go on: node and left edge by depth below the root. */
  private readonly nodes: number[] = [];
  private readonly lefts: number[] = [];
  private stack: number[] = [];
  private last = -1;

  constructor(private readonly selected: SelectedTree) {}

  /** Goes on with the stack of `node` from `x` on; 0: with none. */
  go(node: number, x: number): void {
    if (node === this.last) return;
    this.last = node;
    this.stack = node > 0 ? this.selected.tree.path(node) : [];
    let same = 0;
    while (same < this.nodes.length && this.nodes[same] === this.stack[same]) same++;
    this.close(same, x);
    for (let depth = same; depth < this.stack.length; depth++) {
      this.nodes.push(this.stack[depth]!);
      this.lefts.push(x);
    }
  }

  /** Ends the calls from `depth` on. */
  close(depth: number, x: number): void {
    for (let at = this.nodes.length - 1; at >= depth; at--) (this.rows[at] ??= new Row()).add(this.nodes[at]!, this.lefts[at]!, x);
    this.nodes.length = Math.min(this.nodes.length, depth);
    this.lefts.length = this.nodes.length;
    if (depth === 0) this.last = -1;
  }
}

export function layoutTime(boxes: Boxes, selected: SelectedTree, view: TimeView): void {
  boxes.clear();
  const lane = selected.profile.runs.of(view.thread);
  if (!lane || view.widthPx <= 0 || !(view.spanUs > 0)) return;
  const { start, weight } = lane;
  const pass = new Pass(selected);
  const scale = view.widthPx / view.spanUs;
  const toUs = view.fromUs + view.spanUs;
  const x = (us: number): number => Math.min(view.widthPx, Math.max(0, (us - view.fromUs) * scale));
  const first = lane.firstAfter(view.fromUs);
  const end = lane.firstAfter(toUs);
  let lastEnd = -Infinity;
  const put = (run: number, fromUs: number, untilUs: number): void => {
    if (fromUs > lastEnd + view.gapUs) pass.close(0, x(lastEnd));
    lastEnd = untilUs;
    pass.go(selected.nodeOfRun(lane, run), x(fromUs));
  };
  if (end - first <= RUNS_PER_COLUMN * view.widthPx) {
    for (let run = first; run < Math.min(end + 1, lane.length); run++) {
      if (start.data[run]! >= toUs) break;
      put(run, start.data[run]!, start.data[run]! + weight.data[run]!);
    }
  } else {
    // Columns are wider than runs by far: one look at each.
    const columnUs = view.spanUs / view.widthPx;
    for (let column = Math.floor(view.fromUs / columnUs); column * columnUs < toUs; column++) {
      const middle = (column + 0.5) * columnUs;
      const run = lane.firstAfter(middle);
      if (run < lane.length && start.data[run]! <= middle) put(run, column * columnUs, (column + 1) * columnUs);
    }
  }
  pass.close(0, x(lastEnd));
  collect(boxes, pass.rows, view.widthPx);
}

function collect(boxes: Boxes, rows: readonly Row[], widthPx: number): void {
  boxes.rowStart.push(0);
  boxes.node.push(0);
  boxes.left.push(0);
  boxes.right.push(widthPx);
  for (const { nodes, lefts, rights } of rows) {
    boxes.rowStart.push(boxes.node.length);
    for (let i = 0; i < nodes.length; i++) {
      if (nodes[i]! < 0 && rights[i]! - lefts[i]! < MIN_PX) continue;
      boxes.node.push(nodes[i]!);
      boxes.left.push(lefts[i]!);
      boxes.right.push(rights[i]!);
    }
  }
  boxes.rowStart.push(boxes.node.length);
}
