/** A small card beside the pointer or the focus, always inside the view and the window. */
import type { Cleanup } from "./dom";
import { el, show } from "./dom";

export interface TooltipContent {
  readonly title: string;
  readonly subtitle?: string;
  /** Table of name and values; empty for none. */
  readonly rows?: readonly (readonly string[])[];
  readonly text?: readonly string[];
}

const OFFSET_PX = 14;
const EDGE_PX = 4;

export class Tooltip {
  readonly element = el("div", "nbspy-tooltip");

  /** Where the pointer was last. */
  private over: PointerEvent | null = null;
  private readonly shownAt = { x: NaN, y: NaN };
  /** Explains anew what is explained, where that is not below the pointer. */
  private renew: (() => void) | null = null;

  constructor(private readonly root: HTMLElement, cleanup: Cleanup) {
    this.element.hidden = true;
    this.element.setAttribute("role", "tooltip");
    cleanup.listen<PointerEvent>(root, "pointermove", (event) => (this.over = event), { passive: true });
  }

  /** What is below a pointer that rests has changed: whoever explains it is asked again, as if it had moved. */
  again(): void {
    const { over, renew, shownAt } = this;
    if (this.element.hidden) return;
    if (renew) renew();
    if (renew || over?.clientX !== shownAt.x || over.clientY !== shownAt.y) return;
    const { clientX, clientY, pointerId, pointerType } = over;
    over.target?.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX, clientY, pointerId, pointerType }));
  }

  /** Shows `content` near (x, y) of the window; `renew` is called when there is more data, where that place is not the pointer's. */
  show(content: TooltipContent, x: number, y: number, renew: (() => void) | null = null): void {
    this.renew = renew;
    const { element } = this;
    element.replaceChildren(el("div", "nbspy-tooltip-title", content.title));
    if (content.subtitle) element.append(el("div", "nbspy-tooltip-sub", content.subtitle));
    for (const line of content.text ?? []) element.append(el("p", "", line));
    if (content.rows?.length) {
      const table = el("table");
      for (const cells of content.rows) {
        const row = el("tr");
        cells.forEach((cell, i) => row.append(el(i ? "td" : "th", "", cell)));
        table.append(row);
      }
      element.append(table);
    }
    element.hidden = false;
    Object.assign(this.shownAt, { x, y });
    this.place(x, y);
  }

  hide(): void {
    show(this.element, false);
  }

  private place(x: number, y: number): void {
    const { element } = this;
    const root = this.root.getBoundingClientRect();
    const minX = Math.max(root.left, 0) + EDGE_PX;
    const maxX = Math.min(root.right, document.documentElement.clientWidth) - EDGE_PX;
    const minY = Math.max(root.top, 0) + EDGE_PX;
    const maxY = Math.min(root.bottom, window.innerHeight) - EDGE_PX;
    element.style.maxWidth = `${Math.min(440, Math.max(120, maxX - minX))}px`;
    element.style.left = "0";
    element.style.top = "0";
    const { width, height } = element.getBoundingClientRect();
    let left = x + OFFSET_PX;
    if (left + width > maxX) left = x - OFFSET_PX - width;
    let top = y + OFFSET_PX;
    if (top + height > maxY) top = y - OFFSET_PX - height;
    left = Math.max(minX, Math.min(left, maxX - width));
    top = Math.max(minY, Math.min(top, maxY - height));
    element.style.left = `${left - root.left - this.root.clientLeft}px`;
    element.style.top = `${top - root.top - this.root.clientTop}px`;
  }
}
