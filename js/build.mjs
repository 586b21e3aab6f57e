// Builds the two bundles into ../nbspy/static; with --check compares them with what is there. The output depends
// on the sources and the locked tools alone: the same checkout gives the same bytes on every machine.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { ownProperties } from "./mangle.mjs";

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
const mangleProps = await ownProperties(here("src"));

for (const [entry, format] of [["widget", "esm"], ["page", "iife"]]) {
  const { outputFiles } = await build({
    entryPoints: [here(`src/${entry}.ts`)],
    bundle: true,
    minify: true,
    format,
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    mangleProps,
    plugins: [styleAsText],
    write: false,
  });
  const bytes = outputFiles[0].contents;
  if (bytes.length > MAX_BYTES) throw new Error(`${entry}.js has ${bytes.length} bytes; the bound is ${MAX_BYTES}`);
  const target = here(`../nbspy/static/${entry}.js`);
  if (!process.argv.includes("--check")) {
    await writeFile(target, bytes);
  } else if (!(await readFile(target)).equals(bytes)) {
    throw new Error(`nbspy/static/${entry}.js is not what the sources give: run "npm run build" in js/`);
  }
  process.stdout.write(`${entry}.js ${bytes.length} bytes\n`);
}
