/** A canvas that fills its box at the screen's own resolution and paints at most once a frame. */

export class CanvasView {
  readonly canvas: HTMLCanvasElement;
  readonly context: CanvasRenderingContext2D;
  widthPx = 0;
  heightPx = 0;
  private request = 0;
  /** Pixels of the screen for one of CSS. */
  ratio = 0;

  constructor(document: Document, private readonly paint: (now: number) => void) {
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    // Whoever paints begins with the background: what can be seen through has to be mixed with what is below, in every frame.
    const context = this.canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("this browser gives no 2D canvas");
    this.context = context;
  }

  /** Sets the size in CSS pixels; true where it differs from before. */
  resize(widthPx: number, heightPx: number): boolean {
    const ratio = window.devicePixelRatio || 1;
    if (widthPx === this.widthPx && heightPx === this.heightPx && ratio === this.ratio) return false;
    this.widthPx = widthPx;
    this.heightPx = heightPx;
    this.ratio = ratio;
    this.canvas.width = Math.max(1, Math.round(widthPx * ratio));
    this.canvas.height = Math.max(1, Math.round(heightPx * ratio));
    this.canvas.style.width = `${widthPx}px`;
    this.canvas.style.height = `${heightPx}px`;
    return true;
  }

  /** Paints in the next frame. */
  invalidate(): void {
    if (this.request) return;
    this.request = requestAnimationFrame((now) => {
      this.request = 0;
      this.paintNow(now);
    });
  }

  paintNow(now = performance.now()): void {
    this.context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.paint(now);
  }

  dispose(): void {
    if (this.request) cancelAnimationFrame(this.request);
    this.request = 0;
  }
}
