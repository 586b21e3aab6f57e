/** The golden stream, and little helpers to build streams and profiles by hand. */
import { readFileSync } from "node:fs";
import type { StreamRecord } from "../src/stream";
import { decodeRecord, RecordSplitter } from "../src/stream";
import { Profile } from "../src/model/profile";

const data = (name: string): string => new URL(`../../tests/data/${name}`, import.meta.url).pathname;

export const stream = (name: string): Uint8Array => new Uint8Array(readFileSync(decodeURIComponent(data(name))));
export const goldenStream = (): Uint8Array => stream("js-training.nbspy");

/** Sections of a golden file: name -> lines. */
export function goldenSections(name = "js-training.folded"): Map<string, string[]> {
  const sections = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of readFileSync(decodeURIComponent(data(name)), "utf8").trim().split("\n")) {
    const head = /^\[([^;]*)\]$/.exec(line);
    if (head) sections.set(head[1]!, (lines = []));
    else lines.push(line);
  }
  return sections;
}

/** A generator of numbers in [0, 1) that is the same in every run (mulberry32). */
export function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Cuts bytes into pieces of random lengths. */
export function cut(bytes: Uint8Array, next: () => number, longest: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + Math.floor(next() * longest);
    pieces.push(bytes.slice(at, at + length));
    at += length;
  }
  return pieces;
}

export function decodeAll(pieces: Uint8Array[]): StreamRecord[] {
  const splitter = new RecordSplitter();
  const records: StreamRecord[] = [];
  for (const piece of pieces) {
    for (const body of splitter.feed(piece)) {
      const record = decodeRecord(body);
      if (record) records.push(record);
    }
  }
  return records;
}

export function goldenProfile(): Profile {
  const profile = new Profile();
  for (const record of decodeAll([goldenStream()])) profile.apply(record);
  return profile;
}

/** A run of one thread: stack (root first, names), state bits, start and weight in us. */
export interface Run {
  readonly stack: string[];
  readonly state?: number;
  readonly thread?: number;
  readonly start: number;
  readonly weight: number;
}

/** Builds a profile by hand: every name is a function `name` in `/srv/app/name.py`. */
export class ProfileMaker {
  readonly profile = new Profile();
  private readonly frameIds = new Map<string, number>();
  private readonly nodeIds = new Map<string, number>();

  constructor(threads = 1) {
    const rows = Array.from({ length: threads }, (_, id) => ({ id, process: 0, osThreadId: 100 + id, threadId: id, name: `thread-${id}` }));
    this.profile.apply({ kind: "threads", rows });
  }

  add(...runs: Run[]): this {
    for (const run of runs) {
      this.profile.apply({
        kind: "samples", baseTimeUs: run.start, startUs: Uint32Array.of(0), thread: Uint32Array.of(run.thread ?? 0),
        node: Uint32Array.of(this.node(run.stack)), state: Uint8Array.of(run.state ?? 3), count: Uint32Array.of(1),
        weightUs: Uint32Array.of(run.weight),
      });
    }
    return this;
  }

  node(stack: string[]): number {
    let node = 0;
    for (const name of stack) {
      const key = `${node} ${name}`;
      let child = this.nodeIds.get(key);
      if (child === undefined) {
        child = this.nodeIds.size + 1;
        const frame = this.frame(name);
        this.profile.apply({ kind: "nodes", firstId: child, parent: Uint32Array.of(node), frame: Uint32Array.of(frame) });
        this.nodeIds.set(key, child);
      }
      node = child;
    }
    return node;
  }

  private frame(name: string): number {
    const known = this.frameIds.get(name);
    if (known !== undefined) return known;
    const { profile } = this;
    const text = profile.strings.length;
    profile.apply({ kind: "strings", firstId: text, texts: [name, `/srv/app/${name}.py`, `${name}.py`] });
    const one = (value: number): Uint32Array => Uint32Array.of(value);
    profile.apply({
      kind: "frames", firstId: this.frameIds.size, name: one(text), qualname: one(text), file: one(text + 1), shortFile: one(text + 2),
      module: one(0), line: Int32Array.of(7), firstLine: Int32Array.of(5), flags: Uint8Array.of(0),
    });
    this.frameIds.set(name, this.frameIds.size);
    return this.frameIds.size - 1;
  }
}
