/**
 * Entry for the self-contained page: the same view, with the data from the page itself. The data is text of base64
 * in a script element of a type that no browser runs; it needs no network, and works in a sandboxed frame.
 */
import { Source } from "./source";
import { Explorer } from "./ui/explorer";

const CHUNK = 1 << 16;

function base64Bytes(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Gives the bytes of the data element piece by piece, inflated where they are compressed. */
async function* pieces(data: HTMLElement): AsyncGenerator<Uint8Array> {
  const bytes = base64Bytes(data.textContent ?? "");
  if (data.dataset["encoding"] !== "deflate") {
    for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
    return;
  }
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
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

function start(): void {
  const parent = document.getElementById("nbspy-root");
  if (!parent) return;
  const source = new Source();
  const explorer = new Explorer(source);
  explorer.root.classList.add("nbspy-page");
  explorer.mount(parent);
  // For tests, and for people at the console.
  Object.assign(window, { nbspyExplorer: { source, explorer } });
  void load(source);
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start, { once: true });
else start();
