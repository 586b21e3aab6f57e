/**
 * The texts of a profile in lower case, joined: a plain search over a million names is a few passes over long texts
 * instead of a million calls. Made piece by piece, when there is time or when it is searched.
 */
import type { Strings } from "../texts";
import { MAX_TEXT, tame } from "./names";

interface Bale {
  readonly text: string;
  /** Where each text ends; a line feed follows, which no tamed text has inside. */
  readonly ends: Uint32Array;
}

const BALE = 10_000;
/** Bales that are searched in one step. */
const MARKED = 2;
const SLICE_MS = 8;
/** What `tame` would change, but for line feeds. */
const ODD = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/;

export class Haystack {
  private readonly bales: Bale[] = [];
  private preparing = false;

  constructor(private readonly texts: Strings) {}

  /** Makes what is missing, as far as can be by the time `untilMs`; true where nothing is. */
  prepare(untilMs = Infinity): boolean {
    for (let at = this.bales.length * BALE; at + BALE <= this.texts.length; at += BALE) {
      this.bales.push(bale(Array.from({ length: BALE }, (_, i) => this.texts.get(at + i))));
      if (performance.now() >= untilMs) return false;
    }
    return true;
  }

  /** Makes what is missing little by little, while nothing else is done. */
  prepareSoon(): void {
    if (this.preparing || this.prepare(performance.now() + SLICE_MS)) return;
    this.preparing = true;
    setTimeout(() => {
      this.preparing = false;
      this.prepareSoon();
    }, 2 * SLICE_MS);
  }

  /** Sets `hits` to 1 for each text from `from` on that has `wanted`, which is in lower case; a little at each step. */
  *find(wanted: string, from: number, hits: Uint8Array): Generator<void> {
    while (!this.prepare(0)) yield;
    const whole = this.bales.length * BALE;
    for (let at = Math.floor(from / BALE); at < this.bales.length; at++) {
      mark(this.bales[at]!, wanted, hits, at * BALE);
      if (at % MARKED === MARKED - 1) yield;
    }
    for (let id = Math.max(from, whole); id < this.texts.length; id++) if (lower(this.texts.get(id)).includes(wanted)) hits[id] = 1;
  }
}

const lower = (text: string): string => tame(text).toLowerCase();

function bale(texts: string[]): Bale {
  const joined = texts.join("\n");
  const text = joined.toLowerCase();
  const ends = endsOf(texts);
  let plain = text.length === joined.length && !ODD.test(joined);
  for (let i = 0, from = 0; i < texts.length && plain; from = ends[i++]! + 1) {
    const end = joined.indexOf("\n", from);
    plain = texts[i]!.length <= MAX_TEXT && (end < 0 ? joined.length : end) === ends[i];
  }
  if (plain) return { text, ends };
  const tamed = texts.map(lower);
  return { text: tamed.join("\n"), ends: endsOf(tamed) };
}

function endsOf(texts: readonly string[]): Uint32Array {
  const ends = new Uint32Array(texts.length);
  let at = 0;
  for (let i = 0; i < texts.length; i++) {
    ends[i] = at + texts[i]!.length;
    at = ends[i]! + 1;
  }
  return ends;
}

function mark({ text, ends }: Bale, wanted: string, hits: Uint8Array, first: number): void {
  let id = 0;
  for (let at = text.indexOf(wanted); at >= 0 && id < ends.length; at = text.indexOf(wanted, ends[id++]!)) {
    while (ends[id]! < at) id++;
    hits[first + id] = 1;
  }
}
