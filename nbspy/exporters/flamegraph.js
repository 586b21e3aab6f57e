// What a flame graph does when it is opened in a browser: fit, zoom, search. Texts are set as text only.
"use strict";
(() => {
  const svg = document.documentElement;
  const CHARACTER = 7.3;
  const notes = document.getElementById("notes");
  const details = document.getElementById("details");
  const frames = [...svg.querySelectorAll(".frame")].map((group) => ({
    group,
    rect: group.querySelector("rect"),
    label: group.querySelector("text"),
    title: group.querySelector("title").textContent,
    text: group.dataset.t,
    x: Number(group.dataset.x),
    w: Number(group.dataset.w),
    depth: Number(group.dataset.d),
  }));
  const root = frames[0];
  let zoomed = root;
  let pattern = null;

  function fit(text, width) {
    const room = Math.floor((width - 6) / CHARACTER);
    if (room < 3) return "";
    return text.length <= room ? text : text.slice(0, room - 1) + "…";
  }

  function draw() {
    const width = Math.max(300, svg.clientWidth || window.innerWidth);
    const scale = width / zoomed.w;
    const slack = 1e-6;
    for (const frame of frames) {
      const isBelow = frame.depth < zoomed.depth && frame.x <= zoomed.x + slack
        && frame.x + frame.w >= zoomed.x + zoomed.w - slack;
      const isInside = frame.depth >= zoomed.depth && frame.x >= zoomed.x - slack
        && frame.x + frame.w <= zoomed.x + zoomed.w + slack;
      const x = isBelow ? 0 : (frame.x - zoomed.x) * scale;
      const w = isBelow ? width : frame.w * scale;
      const isShown = isBelow || (isInside && w >= 0.3);
      frame.group.style.display = isShown ? "" : "none";
      if (!isShown) continue;
      frame.group.classList.toggle("below", isBelow);
      frame.rect.setAttribute("x", x.toFixed(2));
      frame.rect.setAttribute("width", Math.max(0.1, w - 0.5).toFixed(2));
      frame.label.setAttribute("x", (x + 3).toFixed(2));
      frame.label.textContent = fit(frame.text, w);
    }
    place(width);
  }

  function zoom(frame) {
    zoomed = frame;
    svg.dataset.zoom = frame === root ? "" : frame.text;
    draw();
  }

  // Share of the whole in which a match is on the stack: a match above another one adds nothing.
  function search(text) {
    try {
      pattern = text ? new RegExp(text, "i") : null;
    } catch {
      pattern = new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
    }
    let share = 0;
    let count = 0;
    let coveredTo = -1;
    const byPlace = [...frames].sort((a, b) => a.x - b.x || a.depth - b.depth);
    for (const frame of byPlace) {
      const isMatch = pattern !== null && frame !== root && pattern.test(frame.text);
      frame.group.classList.toggle("match", isMatch);
      if (!isMatch) continue;
      count += 1;
      const from = Math.max(frame.x, coveredTo);
      share += Math.max(0, frame.x + frame.w - from);
      coveredTo = Math.max(coveredTo, frame.x + frame.w);
    }
    found.textContent = pattern ? `${count} frames, ${(100 * share).toFixed(1)} %` : "";
    svg.dataset.matched = pattern ? share.toFixed(4) : "";
  }

  const SVG = "http://www.w3.org/2000/svg";
  const holder = document.createElementNS(SVG, "foreignObject");
  const input = document.createElementNS("http://www.w3.org/1999/xhtml", "input");
  const found = document.createElementNS(SVG, "text");
  input.setAttribute("type", "search");
  input.setAttribute("placeholder", "search ( / )");
  input.setAttribute("aria-label", "search frames");
  holder.setAttribute("width", "220");
  holder.setAttribute("height", "24");
  holder.append(input);
  svg.append(holder, found);

  function place(width) {
    holder.setAttribute("x", String(width - 230));
    holder.setAttribute("y", "24");
    found.setAttribute("x", String(width - 240));
    found.setAttribute("y", "40");
    found.setAttribute("text-anchor", "end");
  }

  input.addEventListener("input", () => search(input.value));
  for (const frame of frames) {
    frame.group.addEventListener("click", () => zoom(frame));
    frame.group.addEventListener("mouseenter", () => { details.textContent = frame.title; });
    frame.group.addEventListener("mouseleave", () => { details.textContent = ""; });
  }
  window.addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== input) {
      event.preventDefault();
      input.focus();
    } else if (event.key === "Escape") {
      input.value = "";
      input.blur();
      search("");
      zoom(root);
    }
  });
  window.addEventListener("resize", draw);
  svg.setAttribute("width", "100%");
  notes.textContent += (notes.textContent ? " · " : "") + "click: zoom, / : search, Esc: back";
  svg.dataset.ready = "true";
  draw();
})();
