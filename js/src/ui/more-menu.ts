/** Out of the view, and into it: saving, copying, comparing. */
import { programName } from "../model/format";
import { functionRows } from "../model/functions";
import { speedscopeJson } from "../model/speedscope";
import { SvgContext } from "../render/svg-context";
import { Source } from "../source";
import type { Explorer } from "./explorer";
import { copyPicture, copyText, openFile, saveFile } from "./files";
import { functionsText } from "./function-table";
import { embeddedStream, pageOf } from "./page-file";
import type { MenuItem } from "./popup";

/** Pixels of a picture for one of the screen's. */
const PICTURE_SCALE = 2;
/** Browsers limit a canvas. */
const MAX_CANVAS_PX = 16_000;

/** A name for a file of this profile: of letters that every system takes. */
function fileName(explorer: Explorer, suffix: string): string {
  const { hello } = explorer.source.profile;
  const program = hello ? programName(hello.commandLine).replace(/\.py$/, "").replace(/[^\w.-]+/g, "-").slice(0, 40) : "";
  return `${program || "profile"}${hello ? `-${hello.pid}` : ""}.${suffix}`;
}

export function svgOf(explorer: Explorer): string {
  let picture: SvgContext | null = null;
  explorer.panes.chart.paintAll((width, height, background) => {
    picture = new SvgContext(width, height, background);
    return picture.context;
  });
  return (picture as SvgContext | null)?.svg ?? "";
}

function withPng(explorer: Explorer, take: (blob: Blob) => void): void {
  const canvas = document.createElement("canvas");
  explorer.panes.chart.paintAll((width, height) => {
    const scale = Math.min(PICTURE_SCALE, MAX_CANVAS_PX / Math.max(width, height));
    canvas.width = Math.ceil(width * scale);
    canvas.height = Math.ceil(height * scale);
    const context = canvas.getContext("2d")!;
    context.scale(scale, scale);
    return context;
  });
  canvas.toBlob((blob) => {
    if (blob) take(blob);
  });
}

/** Opens a recording or a page of nbspy as what this profile is compared with. */
function compareWithFile(explorer: Explorer): void {
  openFile(".nbspy,.html,.htm", (name, bytes) => {
    void embeddedStream(bytes).then((stream) => {
      const other = new Source();
      other.receive(0, stream, stream.length, true);
      if (other.failure !== null || other.profile.threadSamples === 0) {
        explorer.say(`${name} cannot be compared: ${other.failure ?? "it holds no samples"}`, true);
      } else explorer.state.compareWith(other.profile);
    }, () => explorer.say(`${name} is neither a recording nor a page of nbspy`, true));
  });
}

export function moreMenu(explorer: Explorer): MenuItem[][] {
  const { panes, source, state } = explorer;
  const copied = (done: boolean): void => explorer.say(done ? "Copied" : "This page may not copy", true);
  const chart = state.settings.tab !== "functions" && state.settings.tab !== "source";
  const { pieces } = source;
  const page = pageOf(source, state);
  const table = (): string => (state.settings.tab === "functions" ? panes.functions.text()
    : functionsText(functionRows(state.tree, state.selected.weights), state.names));
  return [
    [
      pieces
        ? { text: "Save the recording", note: ".nbspy", run: () => saveFile(fileName(explorer, "nbspy"), pieces, "application/octet-stream") }
        : { text: "Save the recording", note: "too long", run: () => explorer.say("It is too long for the browser: profile.save() in the notebook", true) },
      ...(page ? [{ text: "Save as a page", note: ".html", run: (): void => void page().then((text) => saveFile(fileName(explorer, "html"), [text], "text/html")) }] : []),
      {
        text: "Save what is seen for speedscope", note: ".json",
        run: () => saveFile(fileName(explorer, "speedscope.json"), [speedscopeJson(state.selected, state.names)], "application/json"),
      },
    ],
    chart ? [
      { text: "Save the picture", note: ".png", run: () => withPng(explorer, (blob) => saveFile(fileName(explorer, "png"), [blob], "image/png")) },
      { text: "Save the picture", note: ".svg", run: () => saveFile(fileName(explorer, "svg"), [svgOf(explorer)], "image/svg+xml") },
      { text: "Copy the picture", note: ".png", run: () => withPng(explorer, (blob) => void copyPicture(blob).then(copied)) },
      { text: "Copy the picture", note: ".svg", run: () => void copyText(svgOf(explorer)).then(copied) },
    ] : [],
    [{ text: "Copy the functions", note: "tab-separated", run: () => void copyText(table()).then(copied) }],
    [
      { text: "Compare with a file…", note: ".nbspy, .html", run: () => compareWithFile(explorer) },
      ...(state.scenes.other ? [{ text: "Compare no more", run: (): void => state.compareWith(null) }] : []),
    ],
  ];
}
