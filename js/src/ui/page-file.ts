/** The self-contained page, written and read in the browser: the same as nbspy/exporters/html.py makes. */
import { base64Bytes, inflate } from "../inflate";
import type { ViewState } from "../model/view-state";
import type { Source } from "../source";

const MAGIC = 0x89;
/** What the page needs beside its data; a page that was saved has it in itself. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:";
const STYLE = ":root{color-scheme:light dark}body{margin:0}h1{position:absolute;clip-path:inset(50%)}";

let script = "";

/** Takes the script that shows a page, from whoever has it. */
export function givePageScript(text: string): void {
  // Both stay what they are inside a string or a regular expression of the script.
  script = text.replace(/<(?=!--)/g, "<\\").replace(/<(?=\/script)/gi, "<\\");
}

/** Gives a function that makes a page of the stream and the view; null where the script of the page is not at hand. */
export function pageOf(source: Source, state: ViewState): (() => Promise<string>) | null {
  const { pieces } = source;
  if (!script || !pieces) return null;
  return async () => {
    const packed = new Blob(pieces).stream().pipeThrough(new CompressionStream("deflate"));
    const data = base64(new Uint8Array(await new Response(packed).arrayBuffer()));
    const view = JSON.stringify(state.settings).replaceAll("<", "\\u003c");
    const title = document.title.replace(/[&<]/g, (letter) => `&#${letter.charCodeAt(0)};`);
    return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><style>${STYLE}</style></head>
<body><main><h1>${title}</h1><div id="nbspy-root" data-saved="${new Date().toISOString()}"></div></main>
<script type="application/octet-stream" id="nbspy-data" data-encoding="deflate">${data}</script>
<script type="application/json" id="nbspy-view">${view}</script>
<script id="nbspy-script">${script}</script></body></html>
`;
  };
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

/** Gives the stream in a file: a recording is one; a page has one in it. Fails where it is neither. */
export async function embeddedStream(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  if (bytes[0] === MAGIC) return bytes;
  const text = new TextDecoder().decode(bytes);
  const found = /id="nbspy-data"[^>]*>([A-Za-z0-9+/=\s]*)</.exec(text);
  if (!found) throw new Error("no stream");
  return new Uint8Array(await new Response(inflate(base64Bytes(found[1]!))).arrayBuffer());
}
