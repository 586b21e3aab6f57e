/**
 * The self-contained page: the same view, with the data from the page itself. The data is text of base64
 * in a script element of a type that no browser runs; it needs no network, and works in a sandboxed frame.
 */
import { inflate, base64Bytes } from "./inflate";
import type { Settings } from "./model/settings";
import { DEFAULTS, settingsFrom } from "./model/settings";
import { Source } from "./source";
import { Explorer } from "./ui/explorer";
import { givePageScript } from "./ui/page-file";
import { askForView } from "./ui/handover";

const CHUNK = 1 << 16;

/** Gives the bytes of the data element piece by piece, inflated where they are compressed. */
async function* pieces(data: HTMLElement): AsyncGenerator<Uint8Array> {
  const bytes = base64Bytes(data.textContent ?? "");
  if (data.dataset["encoding"] !== "deflate") {
    for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
    return;
  }
  const reader = inflate(bytes).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

async function load(source: Source): Promise<void> {
  const data = document.getElementById("nbspy-data");
  if (!data) {
    source.fail("the page holds no data");
    return;
  }
  try {
    for await (const piece of pieces(data)) source.receive(source.next, piece, 0, false);
    source.finish();
  } catch (err) {
    source.fail(`the page's data is damaged (${String(err)})`);
  }
}

/** What the view was set to when the page was made. */
function viewOf(element: HTMLElement | null): Settings {
  try {
    return settingsFrom(JSON.parse(element?.textContent || "{}"));
  } catch {
    return DEFAULTS; // a page that was edited by hand
  }
}

/** Shows the page's data in it. */
function start(): void {
  const parent = document.getElementById("nbspy-root");
  if (!parent) return;
  const source = new Source(Infinity);
  source.local = true;
  source.saved = parent.dataset["saved"] ?? "";
  const explorer = new Explorer(source);
  givePageScript(document.getElementById("nbspy-script")?.textContent ?? "");
  explorer.root.classList.add("nbspy-page");
  explorer.mount(parent);
  explorer.state.apply(viewOf(document.getElementById("nbspy-view")));
  askForView(source, explorer);
  // For tests, and for people at the console.
  Object.assign(window, { nbspyExplorer: { source, explorer } });
  void load(source);
}


/** Shows the page's data as soon as the page is there. */
export function startPage(): void {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start, { once: true });
  else start();
}
