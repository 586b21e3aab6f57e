// Builds the two bundles into ../nbspy/static; with --check compares them with what is there. The output depends
// on the sources and the locked tools alone: the same checkout gives the same bytes on every machine.
//
// They are packed (pack.mjs says why and how). `npm run build -- --plain` writes them readable instead, names whole and
// nothing deflated, into ../build/plain: for reading, and to put in place of the packed ones while hunting a fault.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { ownProperties } from "./mangle.mjs";
import { pack } from "./pack.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Gives a .css file as one minified string, so that the view can carry its own style. */
const styleAsText = {
  name: "style-as-text",
  setup(builder) {
    builder.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

const MAX_BYTES = 80 * 1024;

async function bundle(entry, options) {
  const { outputFiles } = await build({
    entryPoints: [here(`src/${entry}.ts`)],
    bundle: true,
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    plugins: [styleAsText],
    write: false,
    ...options,
  });
  return outputFiles[0].contents;
}

async function writePlain() {
  await mkdir(here("../build/plain"), { recursive: true });
  for (const [entry, format] of [["widget", "esm"], ["page", "iife"]]) {
    await writeFile(here(`../build/plain/${entry}.js`), await bundle(entry, { format }));
    process.stdout.write(`build/plain/${entry}.js\n`);
  }
}

async function writePacked(check) {
  const mangleProps = await ownProperties(here("src"));
  for (const entry of ["widget", "page"]) {
    const code = await bundle(entry, {
      format: "iife", minify: true, mangleProps, ...(entry === "widget" && { globalName: "nbspy" }),
    });
    const bytes = await pack(entry, new TextDecoder().decode(code).trim());
    if (bytes.length > MAX_BYTES) throw new Error(`${entry}.js has ${bytes.length} bytes; the bound is ${MAX_BYTES}`);
    const target = here(`../nbspy/static/${entry}.js`);
    if (!check) await writeFile(target, bytes);
    else if (!(await readFile(target)).equals(bytes)) {
      throw new Error(`nbspy/static/${entry}.js is not what the sources give: run "npm run build" in js/`);
    }
    process.stdout.write(`${entry}.js ${bytes.length} bytes, ${code.length} unpacked\n`);
  }
}

if (process.argv.includes("--plain")) await writePlain();
else await writePacked(process.argv.includes("--check"));
