/**
 * Entry for notebooks (anywidget). The kernel sends pieces of the stream; everything else happens here, because a
 * busy kernel answers nobody. The source is kept per model; each render makes a view of its own.
 *
 * kernel -> browser: `{type: "stream", offset, total, ended}` and one buffer: bytes of the stream from `offset`; of a
 * beginning that the kernel has shortened also `head`, its number, and `next`, where the stream goes on.
 * browser -> kernel: `{type: "request", offset}`: the first byte missing, when a view is made and when a gap stays.
 */
import { sameSettings, settingsFrom } from "./model/settings";
import { startPage } from "./page-start";
import { Source } from "./source";
import { Explorer } from "./ui/explorer";
import { Cleanup, el } from "./ui/dom";
import { offerView } from "./ui/handover";
import { givePageScript } from "./ui/page-file";
import type { ThemeChoice } from "./ui/theme";

const GAP_MS = 3000;
/** A kernel that was asked answers when it is free: it is not asked the same again before this. */
const ASK_AGAIN_MS = 15000;
const MIN_HEIGHT_PX = 160;
const DEFAULT_HEIGHT_PX = 420;
/** Settings are kept in the model this long after the last change: not every letter of a search. */
const KEEP_MS = 250;

interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(name: string, listener: (...args: never[]) => void): void;
  off(name: string, listener: (...args: never[]) => void): void;
  send(content: unknown): void;
}

interface StreamMessage {
  type?: unknown;
  offset?: unknown;
  total?: unknown;
  ended?: unknown;
  head?: unknown;
  next?: unknown;
}

interface Shared {
  readonly source: Source;
  /** The views of the model, to be told what to compare with. */
  readonly views: Set<Explorer>;
  /** What the kernel compares with; null for nothing. */
  other: Source | null;
  users: number;
  close(): void;
}

const sharedByModel = new WeakMap<Model, Shared>();

function asBytes(buffer: DataView | ArrayBuffer | Uint8Array): Uint8Array {
  return ArrayBuffer.isView(buffer) ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : new Uint8Array(buffer);
}

function request(model: Model, source: Source): void {
  model.send({ type: "request", offset: source.next });
}

/** Asks for what is missing where a gap stays open. */
function watchGaps(model: Model, source: Source): () => void {
  let since = 0;
  let at = -1;
  let asked = -Infinity;
  const timer = setInterval(() => {
    const now = performance.now();
    if (!source.waiting) since = 0;
    else if (!since || at !== source.next) [since, at] = [now, source.next];
    else if (now - since >= GAP_MS && now - asked >= ASK_AGAIN_MS) {
      asked = now;
      request(model, source);
    }
  }, 500);
  return () => clearInterval(timer);
}

function open(model: Model): Shared {
  const known = sharedByModel.get(model);
  if (known) return known;
  const source = new Source();
  let head = 0;
  const receive = (content: StreamMessage, buffers: DataView[]): void => {
    if (typeof content.offset !== "number") return;
    const bytes = buffers[0] ? asBytes(buffers[0]) : new Uint8Array();
    if (content.type === "compare") compare(shared, content.offset, bytes, Number(content.total) || 0);
    if (content.type !== "stream") return;
    // A shortened beginning says again what others have in full: it is for who has nothing yet, or began with it.
    const piece = Number(content.head) || 0;
    if (piece && source.next === 0) head = piece;
    if (piece && piece !== head) return;
    source.receive(content.offset, bytes, Number(content.total) || 0, content.ended === true, Number(content.next) || 0);
  };
  model.on("msg:custom", receive);
  const stopWatching = watchGaps(model, source);
  const shared: Shared = {
    source,
    views: new Set(),
    other: null,
    users: 0,
    close: () => {
      model.off("msg:custom", receive);
      stopWatching();
      sharedByModel.delete(model);
    },
  };
  sharedByModel.set(model, shared);
  return shared;
}

/** Takes a piece of the stream to compare with; with all of it the views show the difference. */
function compare(shared: Shared, offset: number, bytes: Uint8Array, total: number): void {
  if (offset === 0) shared.other = total > 0 ? new Source() : null;
  const { other } = shared;
  other?.receive(offset, bytes, total, offset + bytes.length >= total);
  if (other && other.next < total) return;
  for (const view of shared.views) view.state.compareWith(other?.profile ?? null);
}

function use(model: Model): { shared: Shared; source: Source; leave: () => void } {
  const shared = open(model);
  shared.users++;
  return {
    shared,
    source: shared.source,
    leave: () => {
      if (--shared.users === 0) shared.close();
    },
  };
}

function initialize({ model }: { model: Model }): () => void {
  return use(model).leave;
}

function render({ model, el: parent }: { model: Model; el: HTMLElement }): () => void {
  const { shared, source, leave } = use(model);
  const cleanup = new Cleanup();
  const explorer = new Explorer(source);
  const handle = el("div", "nbspy-handle");
  const setHeight = (): void => setViewHeight(explorer, handle, Number(model.get("height")) || DEFAULT_HEIGHT_PX);
  const setTheme = (): void => {
    const theme = model.get("theme");
    explorer.setTheme(theme === "light" || theme === "dark" ? theme : ("auto" satisfies ThemeChoice));
  };
  // A model is connected before it is shown: what is said of its connection later is its end. Data heals it.
  const lost = (): void => source.lose();
  model.on("change:height", setHeight);
  model.on("change:theme", setTheme);
  model.on("comm_live_update", lost);
  listenToHandle(model, explorer, handle, cleanup);
  setHeight();
  givePageScript(entry.script && `${entry.script};nbspy.default.page()`);
  explorer.mount(parent);
  keepSettings(model, explorer, cleanup);
  shared.views.add(explorer);
  if (shared.other) explorer.state.compareWith(shared.other.profile);
  setTheme();
  request(model, source);
  return () => {
    model.off("change:height", setHeight);
    model.off("change:theme", setTheme);
    model.off("comm_live_update", lost);
    offerView(source.identity, explorer.state.settings, explorer.root.dataset["theme"]);
    shared.views.delete(explorer);
    cleanup.run();
    explorer.dispose();
    leave();
  };
}

/** Keeps what the view is set to in the model, and follows what Python sets there; other views go their own way. */
function keepSettings(model: Model, explorer: Explorer, cleanup: Cleanup): void {
  const { state } = explorer;
  let timer = 0;
  const kept = () => model.get("view") as { by_view?: unknown; set?: unknown } | null | undefined;
  const follow = (): void => {
    const view = kept();
    if (view && view.by_view === undefined) state.change(settingsFrom(view));
  };
  explorer.onSettings = () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      const view = kept();
      if (sameSettings(settingsFrom(view), state.settings)) return;
      // What Python has set meanwhile is newer than this.
      model.set("view", { ...state.settings, by_view: true, set: view?.set });
      model.save_changes();
    }, KEEP_MS);
  };
  // A view that is shown again is as the last one was.
  state.apply(settingsFrom(kept()));
  model.on("change:view", follow);
  cleanup.add(() => {
    clearTimeout(timer);
    explorer.onSettings = null;
    model.off("change:view", follow);
  });
}

function setViewHeight({ root }: Explorer, handle: HTMLElement, wanted: number): void {
  const height = Math.max(MIN_HEIGHT_PX, Math.round(wanted));
  root.style.height = `${height}px`;
  handle.setAttribute("aria-valuenow", String(height));
}

function listenToHandle(model: Model, explorer: Explorer, handle: HTMLElement, cleanup: Cleanup): void {
  handle.tabIndex = 0;
  handle.setAttribute("role", "separator");
  handle.setAttribute("aria-orientation", "horizontal");
  handle.setAttribute("aria-label", "Height");
  handle.setAttribute("aria-valuemin", String(MIN_HEIGHT_PX));
  const { root } = explorer;
  const set = (height: number): void => setViewHeight(explorer, handle, height);
  const save = (): void => {
    model.set("height", root.offsetHeight);
    model.save_changes();
  };
  let grip: { y: number; height: number } | null = null;
  cleanup.listen<PointerEvent>(handle, "pointerdown", (event) => {
    grip = { y: event.clientY, height: root.offsetHeight };
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  cleanup.listen<PointerEvent>(handle, "pointermove", (event) => {
    if (grip) set(grip.height + event.clientY - grip.y);
  });
  const release = (): void => {
    if (grip) save();
    grip = null;
  };
  cleanup.listen(handle, "pointerup", release);
  cleanup.listen(handle, "pointercancel", release);
  cleanup.listen<KeyboardEvent>(handle, "keydown", (event) => {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    set(root.offsetHeight + (event.key === "ArrowDown" ? 20 : -20));
    save();
    event.preventDefault();
  });
  explorer.append(handle);
}

/** `page` shows the data of a page that was saved from a view; `script` is all of this, told by the loader. */
const entry = { initialize, render, page: startPage, script: "" };

export default entry;
