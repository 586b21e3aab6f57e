/** Whose code a frame is, and which package it belongs to: told by its file and module. */

/** The person's own code, an installed package, or the standard library. */
export type Origin = "own" | "installed" | "stdlib";

// ipykernel compiles a cell as DIR/ipykernel_PID/HASH.py; IPython in a terminal as <ipython-input-N-HASH>.
// The same rule as `is_cell_file` of nbspy/model/transforms.py.
const CELL_FILE = /[/\\]ipykernel_\d+[/\\]\d+\.py$|^<ipython-input-/;

/** Whether `file` is the code of a notebook's cell: labelled so, or named as kernels name cells. */
export const isCellFile = (file: string, labelled: boolean): boolean => labelled || CELL_FILE.test(file);

/**
 * Whether a function of the threading module is what every thread begins with, before the function that it is for: from
 * 2.7 on named so. The same rule as `starts_thread` of nbspy/model/transforms.py.
 */
export const startsThread = (file: string, name: string): boolean => (
  /(^|[/\\])threading\.py$/.test(file) && /^(__?bootstrap(_inner)?|run)$/.test(name)
);

/** Whose code lies in a file. */
export function originOf(file: string, labelled: boolean): Origin {
  if (labelled) return "own";
  if (/[\\/](site|dist)-packages[\\/]/.test(file)) return "installed";
  if (file.startsWith("<frozen ") || /[\\/](lib|lib64|Lib)[\\/](python\d[\d.]*t?[\\/]|[\w.]+\.py$)/.test(file)) return "stdlib";
  return "own";
}

/** The package a frame belongs to: its module's first component; a file without package or a cell is its own. */
export function packageOf(module: string, file: string, origin: Origin): string {
  if (origin === "stdlib") return "stdlib";
  return module.split(".")[0] || file;
}
