// Other viewers of call trees, each behind the same two calls: load() resolves when the picture stands, act(i) does
// something before the i-th frame. Runs in the page that is measured; what it reads is at /profile.json.
const afterFrame = () => new Promise((resolve) => requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = resolve;
  port2.postMessage(null);
}));
const at = (element, type, x, y, more = {}) => element?.dispatchEvent(new (type === "wheel" ? WheelEvent : MouseEvent)(type, {
  clientX: x, clientY: y, bubbles: true, cancelable: true, view: window, ...more,
}));
const over = (i) => {
  const [x, y] = [(i * 13) % innerWidth, 40 + (i * 5) % (innerHeight - 80)];
  const element = document.elementFromPoint(x, y);
  for (const type of ["mouseover", "mouseenter", "mousemove"]) at(element, type, x, y);
};

const viewers = {
  "d3-flame-graph": {
    async load() {
      const data = await (await fetch("/profile.json")).json();
      const chart = window.flamegraph().width(innerWidth).cellHeight(18).transitionDuration(0).minFrameSize(0);
      window.d3.select("#output").datum(data).call(chart);
      await afterFrame();
    },
    act: over,
  },
  "plotly icicle": {
    async load() {
      const data = await (await fetch("/profile.json")).json();
      await window.Plotly.newPlot("output", [{ type: "icicle", branchvalues: "total", tiling: { orientation: "v" }, ...data }],
        { width: innerWidth, height: innerHeight });
      await afterFrame();
    },
    act: over,
  },
  speedscope: {
    async load() {
      for (;;) {
        // Its tabs are there once the profile is; before that it has canvases, too.
        const said = document.body.textContent;
        if (document.querySelector("canvas") && said.includes("Time Order")) break;
        if (/went wrong/i.test(said)) throw new Error("it says that something went wrong");
        await afterFrame();
      }
      await afterFrame();
    },
    act(i) {
      const canvas = [...document.querySelectorAll("canvas")].at(-1);
      at(canvas, "wheel", innerWidth * 0.37, innerHeight * 0.5, { ctrlKey: true, deltaY: i < 60 ? -20 : 20 });
    },
  },
};

window.measure = async (name, count) => {
  const viewer = viewers[name];
  await viewer.load();
  // Since the page was opened: to read the profile is part of it.
  const picture = performance.now();
  const times = [];
  let last = performance.now();
  if (!count) return { picture };
  for (let i = 0; i < count; i++) {
    viewer.act(i);
    await new Promise(requestAnimationFrame);
    times.push(performance.now() - last);
    last = performance.now();
    if (last - picture > 20_000) break;
  }
  const rate = 1000 * times.length / times.reduce((a, b) => a + b);
  times.sort((a, b) => a - b);
  return { picture, p95: times[Math.floor(0.95 * times.length)], rate };
};
