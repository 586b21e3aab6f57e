/** The lines of one function with their self and total time, and their text where the session has sent it. */
import { functionRows } from "./functions";
import type { FunctionRef } from "./function-ref";
import { fits } from "./function-ref";
import { Names } from "./names";
import type { SelectedTree } from "./selection";
import { isPackageKey } from "./shape";
import { Slices } from "./slices";
import type { ViewState } from "./view-state";

export interface SourceLine {
  readonly line: number;
  /** null where the text is not known. */
  readonly text: string | null;
  self: number;
  total: number;
}

export interface FunctionSource {
  /** The file as the target names it, and as it is shown. */
  readonly file: string;
  readonly shownFile: string;
  readonly lines: SourceLine[];
  readonly hasText: boolean;
  /** Time of the selection, of which shares are. */
  readonly whole: number;
}

const MAX_LINES = 5000;
/** Lines without text that are shown around those with time. */
const AROUND = 1;

/** The times of lines, folded in slices: of a large profile they take longer than a frame. What was folded goes on as samples arrive. */
export class LineTimes {
  private readonly slices = new Slices();
  private selected: SelectedTree | null = null;
  private key = "";

  /** `done` is called when all is folded, where that was not at once. */
  constructor(private readonly state: ViewState, private readonly done: () => void) {}

  get working(): boolean {
    return this.slices.working;
  }

  /** Takes what arrived, or another selection; true where all is folded at once. */
  update(): boolean {
    const key = this.state.linesKey;
    if (key !== this.key || !this.selected) [this.key, this.selected] = [key, this.state.makeLines()];
    return this.slices.run(this.selected.updating(), this.done);
  }

  /** Gives the lines of a function; null where it has no samples. */
  of(subject: FunctionRef): FunctionSource | null {
    return this.selected && functionSource(this.selected, subject);
  }

  /** Lets go of the tree: nobody looks at it. */
  forget(): void {
    this.slices.stop();
    this.selected = null;
  }
}

function functionSource({ profile, tree, weights }: SelectedTree, subject: FunctionRef): FunctionSource | null {
  const names = new Names(profile, "line");
  const rows = functionRows(tree, weights).filter((row) => !isPackageKey(row.key) && fits(subject, names, row.key));
  const first = rows[0];
  if (!first) return null;
  const file = names.file(first.key);
  const texts = profile.sources.get(file) ?? null;
  const times = new Map<number, SourceLine>();
  for (const row of rows) {
    const line = names.line(row.key);
    times.set(line, { line, text: texts?.get(line) ?? null, self: row.self, total: row.total });
  }
  const seen = [...times.keys()];
  const from = Math.min(names.firstLine(first.key) || Infinity, ...seen);
  const to = endOf(texts, from, Math.max(...seen));
  const lines: SourceLine[] = [];
  for (let line = from; line <= Math.min(to, from + MAX_LINES); line++) {
    const near = texts?.has(line) || seen.some((other) => Math.abs(other - line) <= AROUND);
    if (near) lines.push(times.get(line) ?? { line, text: texts?.get(line) ?? null, self: 0, total: 0 });
  }
  return { file, shownFile: names.shownFile(first.key), lines, hasText: lines.some((line) => line.text !== null), whole: weights.total[0]! };
}

export const withoutTabs = (text: string): string => text.replaceAll("\t", "    ");

/** How many columns are blank in all lines: how far in a method stands tells nothing of it. */
export function blankColumns(lines: readonly SourceLine[]): number {
  const indents = lines.flatMap(({ text }) => (text?.trim() ? [withoutTabs(text).search(/\S/)] : []));
  return indents.length ? indents.reduce((least, one) => Math.min(least, one)) : 0;
}

const indentOf = (text: string): number => /^[ \t]*/.exec(text)![0].length;

/** The last line of the function that begins at `from`: where a line stands no further in than its first. */
function endOf(texts: ReadonlyMap<number, string> | null, from: number, lastSeen: number): number {
  const head = texts?.get(from);
  if (!texts || head === undefined) return lastSeen;
  // Decorators stand before; a module or a cell goes on to its end.
  const whole = !/^\s*(@|def |async |class |lambda)/.test(head);
  let last = lastSeen;
  let inBody = false;
  for (let line = from + 1; texts.has(line); line++) {
    const text = texts.get(line)!;
    if (!text.trim()) continue;
    const deeper = indentOf(text) > indentOf(head);
    inBody ||= deeper;
    if (!whole && inBody && !deeper && line > lastSeen && !/^\s*[)\]}]/.test(text)) break;
    if (deeper || whole) last = Math.max(last, line);
  }
  return last;
}
