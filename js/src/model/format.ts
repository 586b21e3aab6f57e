/** Numbers as texts: fixed widths where they change while one looks, units always. */

const THIN = "\u202f";

export function percent(share: number): string {
  const value = 100 * share;
  if (value > 0 && value < 0.1) return `<0.1${THIN}%`;
  return `${value < 9.95 && value > 0 ? value.toFixed(1) : Math.round(value)}${THIN}%`;
}

/** Whole percent, for labels in the chart. */
export function roughPercent(share: number): string {
  return share > 0 && share < 0.005 ? `<1${THIN}%` : `${Math.round(100 * share)}${THIN}%`;
}

/** A change of a share, in points of a hundred, with its sign. */
export function points(change: number): string {
  const value = 100 * change;
  const text = Math.abs(value) < 9.95 ? Math.abs(value).toFixed(1) : String(Math.round(Math.abs(value)));
  return `${Number(text) === 0 ? "±" : value > 0 ? "+" : "−"}${text}${THIN}%`;
}

export function duration(us: number): string {
  if (us === 0) return `0${THIN}s`;
  if (us < 1000) return `${Math.round(us)}${THIN}µs`;
  if (us < 1e6) return `${(us / 1e3).toFixed(us < 1e4 ? 1 : 0)}${THIN}ms`;
  const seconds = us / 1e6;
  if (seconds < 100) return `${seconds.toFixed(seconds < 10 ? 2 : 1)}${THIN}s`;
  const whole = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${two(whole % 60)}${THIN}min`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}${THIN}h`;
}

/** Elapsed time, one digit after the point: it runs while one looks. */
export function elapsed(us: number): string {
  return us < 100e6 ? `${(us / 1e6).toFixed(1)}${THIN}s` : duration(us);
}

let words: Intl.DateTimeFormat | undefined;
/** The last moment that was asked for, and its words: they are asked for in every frame, and a language's rules take a tenth of a millisecond. */
let [last, lastWords]: [number | string, string] = ["", ""];

/** A moment, in the reader's own words and time zone; "" where it is none. */
export function moment(when: number | string): string {
  if (when === last) return lastWords;
  const date = new Date(when);
  words ??= new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  [last, lastWords] = [when, Number.isNaN(date.getTime()) ? "" : words.format(date)];
  return lastWords;
}

const SIGNALS = ["", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "", "SIGFPE", "SIGKILL", "", "SIGSEGV", "", "SIGPIPE", "SIGALRM", "SIGTERM"];

/** How a process ended: its exit status, or the signal that killed it. */
export function exitWords(status: number): string {
  return status < 0 ? SIGNALS[-status] || `signal ${-status}` : `exit status ${status}`;
}

export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${Math.round(value) === 1 ? one : many}`;
}

/** The program in a command line: `python -X dev /srv/train.py --fast` -> `train.py`. */
export function programName(commandLine: string): string {
  const words = commandLine.trim().split(/\s+/);
  const base = (word: string): string => word.split("/").at(-1) || word;
  if (!/^python[\d.]*t?$/.test(base(words[0] ?? ""))) return base(words[0] ?? "");
  for (let i = 1; i < words.length; i++) {
    const word = words[i]!;
    if (word === "-m" && words[i + 1]) return `python -m ${words[i + 1]!}`;
    if (word === "-c") return "python -c";
    if (word === "-X" || word === "-W") i++;
    else if (!word.startsWith("-")) return base(word);
  }
  return base(words[0]!);
}

/** What is read: a process that only starts others, as a shell does, runs no Python itself. */
export const pidAndVersion = (pid: number, version: string): string => `pid ${pid}${version && ` · Python ${version}`}`;
