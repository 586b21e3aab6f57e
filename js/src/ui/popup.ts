/** Something that opens beside a button or the pointer, inside the view, and closes again: menus, the options of the view. */
import type { Cleanup } from "./dom";
import { button, el } from "./dom";

export interface MenuItem {
  readonly text: string;
  /** What the item acts on, or its key: in the muted colour. */
  readonly note?: string;
  readonly run: () => void;
}

const EDGE_PX = 4;

export class Popup {
  readonly element = el("div", "nbspy-popup");
  private before: Element | null = null;
  private anchor: Element | null = null;

  /** `home` takes the focus where who had it is gone: outside of the view the next key would be the notebook's. */
  constructor(private readonly root: HTMLElement, private readonly home: () => void, cleanup: Cleanup) {
    this.element.hidden = true;
    this.element.tabIndex = -1;
    cleanup.listen<KeyboardEvent>(this.element, "keydown", (event) => this.key(event));
    cleanup.listen<PointerEvent>(document, "pointerdown", (event) => {
      const path = event.composedPath();
      if (this.open && !path.includes(this.element) && !(this.anchor && path.includes(this.anchor))) this.close(false);
    }, { capture: true });
    cleanup.listen<FocusEvent>(this.element, "focusout", (event) => {
      if (event.relatedTarget instanceof Node && !this.element.contains(event.relatedTarget)) this.close(false);
    });
  }

  get open(): boolean {
    return !this.element.hidden;
  }

  /** Shows `content` at (x, y) of the window; `anchor` is the button that opened it. */
  show(role: "menu" | "dialog", label: string, content: readonly Node[], x: number, y: number, anchor: Element | null = null): void {
    const { element } = this;
    if (!this.open) this.before = document.activeElement;
    this.anchor?.setAttribute("aria-expanded", "false");
    this.anchor = anchor;
    anchor?.setAttribute("aria-expanded", "true");
    element.replaceChildren(...content);
    element.setAttribute("role", role);
    element.setAttribute("aria-label", label);
    element.hidden = false;
    this.place(x, y);
    const first = element.querySelector<HTMLElement>("button:not([disabled]), select, input");
    (first ?? element).focus({ preventScroll: true });
  }

  /** Shows a menu. Groups of items are told apart by a line. */
  menu(label: string, title: string, groups: readonly (readonly MenuItem[])[], x: number, y: number, anchor: Element | null = null): void {
    const parts: HTMLElement[] = title ? [el("div", "nbspy-popup-title", title)] : [];
    groups.filter((group) => group.length).forEach((group, i) => {
      const box = el("div", i || title ? "nbspy-menu-group nbspy-lined" : "nbspy-menu-group");
      box.setAttribute("role", "group");
      for (const item of group) {
        const entry = button("nbspy-menu-item", item.text, item.text, () => {
          this.close();
          item.run();
        });
        entry.removeAttribute("title");
        entry.setAttribute("role", "menuitem");
        entry.tabIndex = -1;
        if (item.note) entry.append(el("span", "nbspy-muted nbspy-note", item.note));
        box.append(entry);
      }
      parts.push(box);
    });
    this.show("menu", label, parts, x, y, anchor);
  }

  /** Opens below a button, its right edges aligned; a second time it closes. */
  toggleAt(anchor: HTMLElement, open: (x: number, y: number) => void): void {
    if (this.open && this.anchor === anchor) {
      this.close();
      return;
    }
    const { left, bottom } = anchor.getBoundingClientRect();
    open(left, bottom + 3);
  }

  close(focusBack = true): void {
    if (!this.open) return;
    this.element.hidden = true;
    this.anchor?.setAttribute("aria-expanded", "false");
    this.anchor = null;
    if (!focusBack) return;
    if (this.before instanceof HTMLElement && this.root.contains(this.before)) this.before.focus({ preventScroll: true });
    else this.home();
  }

  private key(event: KeyboardEvent): void {
    const items = [...this.element.querySelectorAll<HTMLElement>("[role=menuitem]")];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -at, End: items.length - 1 - at }[event.key];
    if (event.key === "Escape") this.close();
    else if (event.key === "Tab" && items.length) this.close();
    else if (step !== undefined && items.length) items[(at + step + items.length) % items.length]!.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private place(x: number, y: number): void {
    const { element } = this;
    const root = this.root.getBoundingClientRect();
    element.style.left = element.style.top = "0";
    element.style.maxHeight = `${root.height - 2 * EDGE_PX}px`;
    element.style.maxWidth = `${root.width - 2 * EDGE_PX}px`;
    const { width, height } = element.getBoundingClientRect();
    const inside = (at: number, size: number, from: number, to: number): number => Math.max(from, Math.min(at, to - size)) - from + EDGE_PX;
    element.style.left = `${inside(x, width, root.left + EDGE_PX, root.right - EDGE_PX) - this.root.clientLeft}px`;
    element.style.top = `${inside(y, height, root.top + EDGE_PX, root.bottom - EDGE_PX) - this.root.clientTop}px`;
  }
}
