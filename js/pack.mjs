// Packs a built bundle: what is committed is a small loader with the code deflated in it, as text of base 85.
//
// Why: a notebook's file keeps a copy of the widget's script in its saved state and one of the page's script in every
// frozen output, so the bytes count, and minified code is 2.9 times as long as deflated. Base 85 costs a quarter of that
// again (base64: a third), and its letters are those that neither HTML nor JSON nor a string of ours has to escape.
//
// Hosts differ in what a script may start. anywidget itself imports a widget's code from a blob: address, so the
// widget does what its host has just allowed, and where the host came by the code in another way, it falls back
// to an inline script. The page, which is also shown in a sandboxed frame of an opaque origin, starts an inline script:
// its content policy allows just that. Neither needs eval, nor anything from the network.
//
// esbuild bundles, and terser goes over what it has made: it sees which values never change, and gives names that deflate
// better; a twenty-fifth less. It moves no function into another: one that is made anew at each call would be slow.
//
// The deflater is a locked package: zlib's output differs between builds of node. Zopfli looks longest for the
// shortest: a fourteenth less than fflate at its best, for three seconds of building.
import { Buffer } from "node:buffer";
import zopfli from "@gfx/zopfli";
import { transform } from "esbuild";
import { minify } from "terser";

/** 85 of the 94 letters that are seen: without " & ' < > \\ ` $ and one more. */
const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#%()*+,-./:;=?@[]^_{|}";

/** Five letters are four bytes, the first of them the highest; a last group is filled up with zeros. */
function asText(bytes) {
  const whole = Buffer.alloc(4 * Math.ceil(bytes.length / 4));
  whole.set(bytes);
  let text = "";
  for (let at = 0; at < whole.length; at += 4) {
    const word = whole.readUInt32BE(at);
    for (let power = 85 ** 4; power >= 1; power /= 85) text += LETTERS[Math.floor(word / power) % 85];
  }
  return text;
}

/** Gives the code in so many bytes as text; what is filled up would be refused as junk. */
const UNPACK = `(data, length) => {
  const words = new DataView(new ArrayBuffer(length + 3));
  for (let at = 0, word = 0; data[at]; ) {
    word = 85 * word + ${JSON.stringify(LETTERS)}.indexOf(data[at]);
    if (++at % 5) continue;
    words.setUint32(at / 5 * 4 - 4, word);
    word = 0;
  }
  return new Response(
    new Blob([new Uint8Array(words.buffer, 0, length)]).stream().pipeThrough(new DecompressionStream("deflate-raw")),
  ).text();
}`;

/** What the code is called in the browser's tools and stack traces. */
const NAME = "\n//# sourceURL=nbspy/";

/** An inline script that runs at once; it leaves what it gives on its own element. */
const START = `(code) => {
  const script = document.createElement("script");
  script.textContent = code;
  document.head.append(script);
  script.remove();
  return script.nbspy;
}`;

/** Loaders by entry. The code of the widget is a script that defines `nbspy`, its exports; it is told to itself, so that
 * a view can be saved as a page. */
const LOADERS = {
  widget: (data) => `
    const code = await (${UNPACK})(${data});
    const start = ${START};
    const url = URL.createObjectURL(new Blob([code + ";export default nbspy.default" + ${JSON.stringify(`${NAME}widget.js`)}],
      { type: "text/javascript" }));
    const loaded = await import(url).then((module) => module.default,
      () => start("document.currentScript.nbspy=(()=>{" + code + ";return nbspy.default})()" + ${JSON.stringify(`${NAME}widget.js`)}));
    URL.revokeObjectURL(url);
    if (!loaded) throw new Error("nbspy: this page's content policy lets no script start: it would have to allow blob: or inline scripts");
    loaded.script = code;
    export default loaded;`,
  page: (data) => `(async () => {
    const place = document.getElementById("nbspy-root");
    try {
      (${START})(await (${UNPACK})(${data}) + ${JSON.stringify(`${NAME}page.js`)});
    } catch (err) {
      if (place) place.textContent = "This page needs a browser of 2023 or newer (" + err + ")";
    }
  })();`,
};

const SMALL = { ecma: 2020, compress: { passes: 2, inline: false, reduce_funcs: false, keep_fargs: true }, format: { ascii_only: false } };

/** Gives the file to commit for the minified code of an entry. */
export async function pack(entry, code) {
  const { code: small } = await minify(code, SMALL);
  const bytes = await zopfli.deflateAsync(Buffer.from(small, "utf8"), { numiterations: 15 });
  const data = `${JSON.stringify(asText(bytes))}, ${bytes.length}`;
  const { code: loader } = await transform(LOADERS[entry](data), {
    minify: true, format: entry === "page" ? "iife" : "esm", target: "es2022", charset: "utf8",
  });
  return Buffer.from(loader, "utf8");
}
