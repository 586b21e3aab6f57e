/** What part of a scene a chart shows: where its zoom is, or where wheel and drags went; and the way between, in motion. */
import type { Camera, Scene } from "../model/scene";

const ZOOM_MS = 120;
/** The narrowest part of the whole width that the wheel zooms to: beyond, numbers lose their digits. */
const LEAST_SPAN = 1e-7;

export class ChartCamera {
  /** What was laid out last. */
  current: Camera = { from: 0, span: 1, topRow: 1 };
  /** The part that wheel and drags have moved to; null: where the zoom is. */
  private free: { readonly from: number; readonly span: number } | null = null;
  private start: { readonly camera: Camera; readonly at: number } | null = null;

  /** What is shown when it stands still. */
  target(scene: Scene): Camera {
    return { ...scene.home(), ...this.free };
  }

  get moved(): boolean {
    return this.free !== null;
  }

  /** Goes to where the scene's zoom is, at once or in motion. */
  goHome(still: boolean): void {
    this.free = null;
    this.start = still ? null : { camera: this.current, at: performance.now() };
  }

  /** What is shown on the way there at the time `now`; null where it has come to rest. */
  onTheWay(scene: Scene, now: number): Camera | null {
    const { start } = this;
    const passed = start ? Math.max(0, now - start.at) / ZOOM_MS : 1;
    if (!start || passed >= 1) {
      this.start = null;
      return null;
    }
    const eased = 1 - (1 - passed) ** 3;
    const to = this.target(scene);
    const mix = (a: number, b: number): number => a + (b - a) * eased;
    const { camera } = start;
    return { from: mix(camera.from, to.from), span: mix(camera.span, to.span), topRow: mix(camera.topRow, to.topRow) };
  }

  /** Shows `factor` times as much, with what lies at the part `at` (0..1) of the width staying there. */
  zoomBy(scene: Scene, factor: number, at: number): void {
    const whole = scene.bounds().span;
    const { from, span } = this.current;
    const next = Math.min(whole, Math.max(whole * LEAST_SPAN, span * factor));
    this.moveTo(scene, from + at * (span - next), next);
  }

  /** Moves by a part of what is seen, to the right where it is positive. */
  moveBy(scene: Scene, part: number): void {
    this.moveTo(scene, this.current.from + part * this.current.span, this.current.span);
  }

  private moveTo(scene: Scene, from: number, span: number): void {
    const bounds = scene.bounds();
    this.free = { span, from: Math.min(bounds.from + bounds.span - span, Math.max(bounds.from, from)) };
    this.start = null;
  }
}
