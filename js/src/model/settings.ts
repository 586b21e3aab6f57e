/** What a view is set to, as plain values: kept in the notebook's model, set from Python, undone and redone. */
import type { FunctionRef } from "./function-ref";
import type { Granularity } from "./profile";
import type { Mode } from "./selection";
import type { Rule } from "./shape";

export const TABS = ["merged", "time", "callers", "functions", "sandwich", "source", "compare"] as const;
export type Tab = (typeof TABS)[number];
export const COLORINGS = ["package", "file", "function", "state", "thread", "self"] as const;
export type Coloring = (typeof COLORINGS)[number];
const MODES: readonly Mode[] = ["all", "active", "gil", "gil-wait", "gc", "idle"];

export interface Settings {
  readonly tab: Tab;
  readonly by: Granularity;
  readonly mode: Mode;
  /** Thread ids; none means all. */
  readonly threads: readonly number[];
  /** Half-open range in us; null means all. */
  readonly time: readonly [number, number] | null;
  /** What runs a notebook's cell is hidden. */
  readonly machinery: boolean;
  /** Threads that were idle nearly all of the time are left out. */
  readonly idlers: boolean;
  /** Recursion is folded. */
  readonly recursion: boolean;
  readonly rules: readonly Rule[];
  readonly color: Coloring;
  /** A flame chart: the root at the bottom. */
  readonly flipped: boolean;
  readonly query: string;
  /** The function that the sandwich and the source show. */
  readonly subject: FunctionRef | null;
  /** Frames from below the root to the one that fills the chart, as `Names.ident` gives them. */
  readonly zoom: readonly string[];
}

export const DEFAULTS: Settings = {
  tab: "merged", by: "function", mode: "all", threads: [], time: null, machinery: true, idlers: true, recursion: false, rules: [],
  color: "package", flipped: false, query: "", subject: null, zoom: [],
};

const MAX_ITEMS = 20_000;
const MAX_TEXT = 10_000;

type Loose = Record<string, unknown>;

const isText = (value: unknown): value is string => typeof value === "string" && value.length <= MAX_TEXT;
const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

function refFrom(value: unknown): FunctionRef | null {
  const { name, file, line } = (value ?? {}) as Loose;
  return isText(name) ? { name, file: isText(file) ? file : "", line: isNumber(line) ? line : 0 } : null;
}

function ruleFrom(value: unknown): Rule[] {
  const { do: what, what: of } = (value ?? {}) as Loose;
  if (what === "package") return isText(of) ? [{ do: what, what: of }] : [];
  const ref = refFrom(of);
  return ref && (what === "focus" || what === "hide" || what === "drop" || what === "collapse") ? [{ do: what, what: ref }] : [];
}

const listOf = <T>(value: unknown, read: (one: unknown) => T[]): T[] => (Array.isArray(value) ? value.slice(0, MAX_ITEMS).flatMap(read) : []);

/** Gives the settings in a value from outside: a notebook's file, Python. What is missing or wrong is as by default. */
export function settingsFrom(value: unknown): Settings {
  const loose = (typeof value === "object" && value !== null ? value : {}) as Loose;
  const one = <T>(name: keyof Settings, of: readonly T[]): T => (of.includes(loose[name] as T) ? (loose[name] as T) : (DEFAULTS[name] as T));
  const flag = (name: keyof Settings): boolean => (typeof loose[name] === "boolean" ? loose[name] : (DEFAULTS[name] as boolean));
  const time = listOf(loose["time"], (us) => (isNumber(us) ? [us] : []));
  return {
    tab: one("tab", TABS), by: one("by", ["function", "line"]), mode: one("mode", MODES), color: one("color", COLORINGS),
    threads: listOf(loose["threads"], (id) => (isNumber(id) ? [id] : [])),
    time: time.length === 2 && time[0]! < time[1]! ? [time[0]!, time[1]!] : null,
    machinery: flag("machinery"), idlers: flag("idlers"), recursion: flag("recursion"), flipped: flag("flipped"),
    rules: listOf(loose["rules"], ruleFrom),
    query: isText(loose["query"]) ? loose["query"] : "",
    subject: refFrom(loose["subject"]),
    zoom: listOf(loose["zoom"], (ident) => (isText(ident) ? [ident] : [])),
  };
}

/** Whether two settings are the same, by value. */
export const sameSettings = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Text that tells one selection and shape of the tree from another; `hides` the notebook's machinery or not. */
export function selectionKey({ by, idlers, mode, recursion, rules, threads, time }: Settings, hides: boolean): string {
  return JSON.stringify([by, idlers, mode, recursion, rules, threads, time, hides]);
}

/** Settings before and after each change: what undo and redo step along. */
export class History {
  private readonly past: Settings[] = [];
  private future: Settings[] = [];
  private group = "";

  /** Keeps `before`; changes of the same `group` one after the other (letters typed into a field) are one step. */
  push(before: Settings, group = ""): void {
    this.future = [];
    const joined = group !== "" && group === this.group;
    this.group = group;
    if (joined) return;
    this.past.push(before);
    if (this.past.length > 200) this.past.shift();
  }

  /** Gives the settings before the last change; `now` can be redone. */
  undo(now: Settings): Settings | null {
    return this.step(this.past, this.future, now);
  }

  redo(now: Settings): Settings | null {
    return this.step(this.future, this.past, now);
  }

  get canUndo(): boolean {
    return this.past.length > 0;
  }

  get canRedo(): boolean {
    return this.future.length > 0;
  }

  private step(from: Settings[], to: Settings[], now: Settings): Settings | null {
    const settings = from.pop() ?? null;
    if (settings) to.push(now);
    this.group = "";
    return settings;
  }
}
