// Which property names the bundles may shorten: those that only this code uses.
//
// A name stays as it is where anything outside could know it: it stands in the type library of the language or
// the browser, in a string of our own (so `record[name]` and `data["light"]` stay right), or below in OUTSIDE.
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** Names of the seams: anywidget's model and entry points, the kernel's messages, the page's handle for tests. */
const OUTSIDE = [
  "initialize", "render", "model", "el", "save_changes", "type", "offset", "total", "ended", "nbspyExplorer", "source",
  "explorer", "profile", "state", "chart", "script", "page",
  // A view's settings, in the notebook's model and in a page; what widgets and pages say to each other.
  "tab", "by", "mode", "threads", "time", "machinery", "idlers", "recursion", "rules", "color", "flipped", "query", "subject", "zoom",
  "do", "what", "name", "file", "line", "by_view", "nbspy", "stream", "view",
  // speedscope's format.
  "shared", "frames", "profiles", "unit", "startValue", "endValue", "samples", "weights", "exporter", "activeProfileIndex",
];

async function sources(folder) {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.name.endsWith(".ts")).map((entry) => join(entry.parentPath, entry.name)).sort();
}

/** Names in the type libraries of the locked TypeScript: more than any browser has. */
async function libraryNames() {
  const folder = dirname(fileURLToPath(import.meta.resolve("typescript")));
  const names = new Set();
  for (const file of (await readdir(folder)).sort()) {
    if (!/^lib\..*\.d\.ts$/.test(file)) continue;
    for (const [name] of (await readFile(join(folder, file), "utf8")).matchAll(/[A-Za-z_$][\w$]*/g)) names.add(name);
  }
  return names;
}

/** Gives the names to shorten, as the regular expression that esbuild asks for. */
export async function ownProperties(folder) {
  const own = new Set();
  const kept = await libraryNames();
  for (const name of OUTSIDE) kept.add(name);
  const visit = (node) => {
    if (ts.isStringLiteralLike(node)) kept.add(node.text);
    const named = ts.isPropertySignature(node) || ts.isPropertyDeclaration(node) || ts.isMethodDeclaration(node)
      || ts.isMethodSignature(node) || ts.isAccessor(node) || ts.isParameterPropertyDeclaration(node, node.parent);
    if (named && ts.isIdentifier(node.name)) own.add(node.name.text);
    ts.forEachChild(node, visit);
  };
  for (const file of await sources(folder)) {
    visit(ts.createSourceFile(file, await readFile(file, "utf8"), ts.ScriptTarget.ES2022, true));
  }
  const names = [...own].filter((name) => !kept.has(name)).sort();
  return new RegExp(`^(${names.join("|").replaceAll("$", "\\$")})$`);
}
