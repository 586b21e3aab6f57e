/** A thread's calls along the time, as a scene: the same nodes as the merged tree, each as often as it was called. */
import type { Boxes } from "./layout";
import type { Names } from "./names";
import type { Camera, Found, Scene } from "./scene";
import { nothing } from "./scene";
import type { SelectedTree } from "./selection";
import type { Weights } from "./weights";
import { layoutTime } from "./time-layout";
import type { CallTree } from "./tree";

export class TimeScene implements Scene {
  readonly timed = true;
  readonly zoom = 0;
  flipped = false;
  found: Found = nothing;
  thread = 0;
  /** The part that is shown; null: all of the selected time. */
  private shown: readonly [number, number] | null = null;
  private readonly back: (readonly [number, number] | null)[] = [];

  constructor(public selected: SelectedTree, public names: Names, private readonly zoomed: () => void) {}

  get tree(): CallTree {
    return this.selected.tree;
  }

  get weights(): Weights {
    return this.selected.weights;
  }

  /** The shown part in us, or null for all. */
  get range(): readonly [number, number] | null {
    return this.shown;
  }

  /** Shows all of the selected time again. */
  reset(): void {
    this.shown = null;
    this.back.length = 0;
  }

  home(): Camera {
    const whole = this.bounds();
    const [from, to] = this.shown ?? [whole.from, whole.from + whole.span];
    return { from, span: to - from, topRow: 1 };
  }

  bounds(): { from: number; span: number } {
    const { profile, selection: { time } } = this.selected;
    const end = Math.max(1, profile.endUs);
    const from = Math.min(time?.[0] ?? 0, end - 1);
    return { from, span: Math.max(1, Math.min(time?.[1] ?? end, end) - from) };
  }

  layout(boxes: Boxes, camera: Camera, widthPx: number): void {
    const { thread, selected } = this;
    const intervalUs = (selected.profile.hello?.intervalNs ?? 0) / 1000;
    layoutTime(boxes, selected, { thread, fromUs: camera.from, spanUs: camera.span, widthPx, gapUs: intervalUs / 2 });
  }

  enter(_node: number, from: number, to: number): void {
    const home = this.home();
    const whole = from <= home.from && to >= home.from + home.span;
    if (whole && this.goBack()) return;
    this.back.push(this.shown);
    this.shown = [from, to];
    this.zoomed();
  }

  goBack(): boolean {
    if (!this.shown) return false;
    this.shown = this.back.pop() ?? null;
    this.zoomed();
    return true;
  }

  share(node: number): number {
    return this.weights.total[node]! / this.weights.total[0]!;
  }
}
