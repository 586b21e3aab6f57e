/** Making and changing elements. Text goes in as text: nothing here takes markup. */

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K, className = "", ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** A button is called by what it shows, and `label` explains it; where that says more of the same, or a sign is shown, it is the name. */
export function button(className: string, label: string, text: string, onClick: () => void): HTMLButtonElement {
  const element = el("button", className, text);
  element.type = "button";
  element.title = label;
  if (text !== label && (text.length < 2 || label.startsWith(text))) element.setAttribute("aria-label", label);
  element.addEventListener("click", onClick);
  return element;
}

/** Writes only what differs: an untouched node costs no layout. A text that is there becomes another, which costs less than a new one. */
export function setText(node: Node, text: string): void {
  const { firstChild } = node;
  if (firstChild instanceof Text && !firstChild.nextSibling) {
    if (firstChild.data !== text) firstChild.data = text;
  } else if (node.textContent !== text) node.textContent = text;
}

/** Names that are longer may be cut in the middle: so many letters of their end stay, which tell what begins alike apart. */
const LONG_NAME = 24;
const END_LETTERS = 8;

/** Writes a name into a button: where there is no room for a long one its middle is left out. */
export function setName(element: HTMLElement, name: string): void {
  const long = name.length > LONG_NAME;
  if (long !== element.childElementCount > 0) element.replaceChildren(...(long ? [el("span", "nbspy-head"), el("span", "nbspy-tail")] : []));
  if (!long) {
    setText(element, name);
    element.removeAttribute("aria-label");
    return;
  }
  setText(element.firstChild!, name.slice(0, -END_LETTERS));
  setText(element.lastChild!, name.slice(-END_LETTERS));
  setAttribute(element, "aria-label", name);
}

export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function show(element: HTMLElement, visible: boolean): void {
  if (element.hidden === visible) element.hidden = !visible;
}

/** What has to be undone when the view goes. */
export class Cleanup {
  private tasks: (() => void)[] = [];

  add(task: () => void): void {
    this.tasks.push(task);
  }

  listen<E extends Event>(
    target: EventTarget, type: string, listener: (event: E) => void, options?: AddEventListenerOptions,
  ): void {
    target.addEventListener(type, listener as EventListener, options);
    this.add(() => target.removeEventListener(type, listener as EventListener, options));
  }

  run(): void {
    for (const task of this.tasks.reverse()) task();
    this.tasks = [];
  }
}
