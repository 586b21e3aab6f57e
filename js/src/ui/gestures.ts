/**
 * Wheel, drags and pinches on a chart, as in maps - but a plain wheel stays the notebook's: only with ctrl or cmd (which
 * is what a pinch on a trackpad says too) does it zoom; sideways it pans where there is more to see.
 */
import type { Cleanup } from "./dom";

/** A drag shorter than this is a click. */
const CLICK_PX = 4;

export interface Gestures {
  click(event: MouseEvent): void;
  /** Moves the picture by `dx` px to the right. */
  pan(dx: number): void;
  canPan(): boolean;
  /** Shows `factor` times as much, around `x` px. */
  zoom(factor: number, x: number): void;
}

export const wheelFactor = (event: WheelEvent): number => Math.exp(Math.max(-100, Math.min(100, event.deltaY)) / 100 * 0.35);

export function listenToGestures(element: HTMLElement, to: Gestures, cleanup: Cleanup): void {
  const fingers = new Map<number, PointerEvent>();
  let dragged = false;
  const localX = (clientX: number): number => clientX - element.getBoundingClientRect().left;
  cleanup.listen<WheelEvent>(element, "wheel", (event) => {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    if (event.ctrlKey || event.metaKey) to.zoom(wheelFactor(event), localX(event.clientX));
    else if (sideways && to.canPan()) to.pan(-(event.deltaX || event.deltaY));
    else return;
    event.preventDefault();
  }, { passive: false });
  cleanup.listen<PointerEvent>(element, "pointerdown", (event) => {
    if (event.button !== 0 || localX(event.clientX) > element.clientWidth) return;
    if (!fingers.size) dragged = false;
    fingers.set(event.pointerId, event);
  });
  cleanup.listen<PointerEvent>(element, "pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const other = [...fingers.values()].find((one) => one.pointerId !== event.pointerId);
    if (other) {
      dragged = true;
      const width = (finger: PointerEvent): number => Math.max(10, Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY));
      to.zoom(width(before) / width(event), localX((event.clientX + other.clientX) / 2));
    } else if (dragged || Math.abs(event.clientX - before.clientX) >= CLICK_PX) {
      if (!dragged && to.canPan()) element.setPointerCapture(event.pointerId);
      dragged = true;
      if (to.canPan()) to.pan(event.clientX - before.clientX);
    } else return;
    fingers.set(event.pointerId, event);
  });
  const lift = (event: PointerEvent): void => void fingers.delete(event.pointerId);
  for (const type of ["pointerup", "pointercancel", "pointerleave"]) cleanup.listen(element, type, lift);
  cleanup.listen<MouseEvent>(element, "click", (event) => {
    if (!dragged) to.click(event);
    dragged = false;
  });
}
