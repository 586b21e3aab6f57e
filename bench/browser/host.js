// What a notebook gives a widget, and what the measurements ask of it. Runs in the page that is measured.
const listeners = new Map();
const traits = { height: 700, theme: "light" };
const model = {
  get: (name) => traits[name],
  set: (name, value) => { traits[name] = value; },
  save_changes: () => {},
  on: (name, listener) => listeners.set(name, [...(listeners.get(name) ?? []), listener]),
  off: () => {},
  send: () => {},
};

/** After the frame that the last change leads to: everything in it is done, painting too. */
const afterFrame = () => new Promise((resolve) => requestAnimationFrame(() => void afterMessage().then(resolve)));
/** After what the browser does by itself when the callbacks of a frame have run: style, layout, painting. */
const afterMessage = () => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = resolve;
  port2.postMessage(null);
});
const root = () => document.querySelector(".nbspy-explorer");
const quantile = (values, q) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))];

/** What the callbacks of the current frame took, ms: with what handles an event, the script of a frame. */
let [inFrames, frameNow] = [0, 0];
const request = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (callback) => request((now) => {
  const begun = performance.now();
  if (now !== frameNow) [inFrames, frameNow] = [0, now];
  callback(now);
  inFrames += performance.now() - begun;
});

window.bench = {
  sent: 0,

  async start() {
    const widget = (await import("/widget.js")).default;
    widget.initialize({ model });
    widget.render({ model, el: document.getElementById("output") });
    await afterFrame();
  },

  async fetch(name) {
    this.bytes = new Uint8Array(await (await fetch(name)).arrayBuffer());
    return this.bytes.length;
  },

  /** Sends bytes as a message of a notebook brings them: in memory of their own. */
  emit(bytes, ended, total = this.sent + bytes.length) {
    const message = { type: "stream", offset: this.sent, total, ended };
    this.sent += bytes.length;
    for (const one of listeners.get("msg:custom")) one(message, [new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)]);
  },

  /** Cuts the fetched bytes into messages. */
  cut(piece = 1 << 20) {
    this.length = this.bytes.length;
    this.pieces = [];
    for (let at = 0; at < this.length; at += piece) this.pieces.push(this.bytes.slice(at, at + piece));
    this.bytes = null;
  },

  /** Sends the fetched bytes as fast as they are taken; gives ms until all of them are on the screen. */
  async load() {
    if (!this.pieces) this.cut();
    const { length, pieces } = this;
    await afterFrame();
    const begun = performance.now();
    let first = 0;
    for (let i = 0; i < pieces.length; i++) {
      this.emit(pieces[i], i === pieces.length - 1, length);
      pieces[i] = null;
      if (i % 16 === 15) {
        await afterFrame();
        if (!first && Number(root().dataset.samples) > 0) first = performance.now() - begun;
      }
    }
    do await afterFrame(); while (root().dataset.busy !== undefined);
    const all = performance.now() - begun;
    return { first: first || all, all, bytes: length, samples: Number(root().dataset.samples), state: root().dataset.state };
  },

  /** Sends the fetched bytes; gives ms until they are on the screen, and how many samples there are. */
  async piece() {
    const begun = performance.now();
    this.emit(this.bytes, false);
    this.bytes = null;
    await afterFrame();
    return { ms: performance.now() - begun, samples: Number(root().dataset.samples) };
  },

  /**
   * Sends the fetched bytes as deltas; one of `every` comes after a pause of `pauseMs`, as deltas of a session do. Gives ms:
   * of taking each, and of the frame that follows such a pause and its delta, until all is painted.
   */
  async deltas(ends, every, pauseMs) {
    const taken = [], frames = [];
    for (const [i, to] of ends.entries()) {
      const drawn = i % every === every - 1;
      if (drawn) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      const piece = this.bytes.slice(this.sent, to);
      const begun = performance.now();
      this.emit(piece, false);
      taken.push(performance.now() - begun);
      if (!drawn) continue;
      await new Promise(requestAnimationFrame);
      const frame = performance.now() - inFrames;
      await afterMessage();
      frames.push(performance.now() - frame);
    }
    return { taken, frames };
  },

  /** Waits until nothing is worked at any more, and what is prepared in idle time is. */
  async rested() {
    do await new Promise((resolve) => setTimeout(resolve, 100)); while (root().dataset.busy !== undefined);
    await new Promise((resolve) => setTimeout(resolve, 3000));
  },

  /** Does something before every frame; gives the quantiles of the times between frames in ms. */
  async frames(name, count) {
    const act = actions[name]();
    const times = [], scripts = [];
    await afterFrame();
    let last = performance.now();
    for (let i = 0; i < count; i++) {
      const begun = performance.now();
      act(i, count);
      const acted = performance.now() - begun;
      await afterFrame();
      const now = performance.now();
      times.push(now - last);
      scripts.push(acted + inFrames);
      last = now;
    }
    return { p50: quantile(times, 0.5), p95: quantile(times, 0.95), script: quantile(scripts, 0.95), worst: quantile(times, 1), rate: 1000 * count / times.reduce((a, b) => a + b) };
  },

  /** Types a query; gives ms until its matches are painted, and what is said of them. */
  async search(text) {
    const box = root().querySelector("input[type=search], [role=searchbox], input");
    const begun = performance.now();
    box.value = text;
    box.dispatchEvent(new Event("input", { bubbles: true }));
    const handled = performance.now() - begun;
    do await afterFrame(); while (root().dataset.busy !== undefined);
    return { handled, painted: performance.now() - begun, said: root().querySelector(".nbspy-found, .nbspy-matches, [class*=match]")?.textContent ?? "" };
  },

  /** Switches between functions and lines; gives ms until the others are shown, and the longest frame until then. */
  async granularity() {
    const begun = performance.now();
    let [last, longest] = [begun, 0];
    root().dispatchEvent(new KeyboardEvent("keydown", { key: "l", bubbles: true }));
    do {
      await afterFrame();
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    } while (root().dataset.busy !== undefined);
    return { shown: last - begun, longest };
  },
};

const chart = () => root().querySelector(".nbspy-chart");
const wheel = (init) => {
  const box = chart().getBoundingClientRect();
  const where = { clientX: box.left + box.width * 0.37, clientY: box.top + 40, bubbles: true, cancelable: true };
  chart().dispatchEvent(new WheelEvent("wheel", { ...where, ...init }));
};
const pointer = (element, type, x, y) => element.dispatchEvent(new PointerEvent(type, {
  clientX: x, clientY: y, button: 0, buttons: 1, pointerId: 1, pointerType: "mouse", bubbles: true, cancelable: true,
}));

/** Each gives what is done before the i-th of n frames. */
const actions = {
  zoom: () => (i, n) => wheel({ ctrlKey: true, deltaY: i < n / 2 ? -20 : 20 }),
  pan: () => {
    for (let i = 0; i < 12; i++) wheel({ ctrlKey: true, deltaY: -60 });
    return (i, n) => wheel({ deltaX: Math.floor(i / 10) % 2 ? -12 : 12, deltaY: 0 });
  },
  scroll: () => (i) => { chart().scrollTop = (i * 7) % Math.max(1, chart().scrollHeight - chart().clientHeight); },
  // Over the first rows, which are full: a place without a frame changes nothing, and would wait for the next of 60.
  hover: () => {
    chart().scrollTop = 0;
    return (i) => {
      const box = chart().getBoundingClientRect();
      pointer(chart(), "pointermove", box.left + (i * 13) % box.width, box.top + (i * 5) % 120);
    };
  },
  thread: () => {
    const rows = root().querySelectorAll("tr[data-thread]");
    return (i) => rows[i % Math.min(4, rows.length)].click();
  },
  brush: () => {
    const strip = root().querySelector(".nbspy-timeline canvas") ?? root().querySelector("[class*=timeline] canvas");
    const box = strip.getBoundingClientRect();
    const y = box.top + box.height / 2;
    const left = box.left + box.width * 0.4;
    return (i, n) => {
      if (i === 0) pointer(strip, "pointerdown", left, y);
      pointer(strip, "pointermove", left + 20 + (i * 3) % (box.width * 0.5), y);
      if (i === n - 1) pointer(strip, "pointerup", left + 60, y);
    };
  },
  typing: () => {
    const box = root().querySelector("input[type=search], [role=searchbox], input");
    const words = ["m", "me", "mer", "merg", "merge", "merge_", "merge_t", "merge_tr", "merge_tree"];
    return (i) => {
      box.value = words[i % words.length];
      box.dispatchEvent(new Event("input", { bubbles: true }));
    };
  },
};
