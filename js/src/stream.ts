/**
 * Decodes the stream: the mirror of `nbspy/wire.py`, whose docstring is the specification.
 *
 * `Assembler` puts pieces addressed by byte offset in order, `RecordSplitter` cuts bytes into record bodies,
 * `decodeRecord` reads one body. Columns are typed arrays (copied, so that they are aligned).
 * Numbers above 2^53 (the two clocks of Hello) lose their last digits; nothing here needs them.
 */
import type { Scratch } from "./fields";
import { Fields, StreamError } from "./fields";
import type { Texts } from "./texts";
import { MessagePackError, readMessagePack } from "./msgpack";

export { StreamError } from "./fields";

export const MAGIC = Uint8Array.of(0x89, 0x6e, 0x62, 0x73, 0x70, 0x79, 0x0d, 0x0a);
export const FORMAT_MAJOR = 1;
const MAX_RECORD_BYTES = 64 << 20;
const MAX_PENDING_BYTES = 64 << 20;

/** State bits of a thread at a sample; 0 is idle. */
export const State = { ACTIVE: 1, GIL: 2, GIL_WAIT: 4, GC: 8, EXCEPTION: 16, FINALIZING: 32 } as const;

export interface Hello {
  kind: "hello";
  nbspyVersion: string;
  pid: number;
  commandLine: string;
  pythonVersion: string;
  freeThreaded: boolean;
  intervalNs: number;
  /** The sampler's clock at the stream's origin, and the time of day then: digits beyond 2^53 are lost. */
  clockOriginNs: number;
  startedUnixNs: number;
  blocking: boolean;
}
export interface Strings {
  kind: "strings";
  firstId: number;
  texts: Texts;
}
export interface Frames {
  kind: "frames";
  firstId: number;
  name: Uint32Array;
  qualname: Uint32Array;
  file: Uint32Array;
  shortFile: Uint32Array;
  module: Uint32Array;
  line: Int32Array;
  firstLine: Int32Array;
  flags: Uint8Array;
}
export interface Nodes {
  kind: "nodes";
  firstId: number;
  parent: Uint32Array;
  frame: Uint32Array;
}
export interface ThreadRow {
  id: number;
  process: number;
  osThreadId: number | null;
  threadId: number;
  name: string;
}
export interface Threads {
  kind: "threads";
  rows: ThreadRow[];
}
export interface ProcessRow {
  id: number;
  pid: number;
  parentPid: number;
  commandLine: string;
}
export interface Processes {
  kind: "processes";
  rows: ProcessRow[];
}
export interface Samples {
  kind: "samples";
  baseTimeUs: number;
  startUs: Uint32Array;
  thread: Uint32Array;
  node: Uint32Array;
  state: Uint8Array;
  count: Uint32Array;
  weightUs: Uint32Array;
}
export interface Status {
  kind: "status";
  timeNs: number;
  samples: number;
  threadSamples: number;
  late: number;
  retried: number;
  discarded: number;
  cpuNs: number;
  attachNs: number;
  stopCount: number;
  stopTotalNs: number;
  stopMedianNs: number;
  stopP99Ns: number;
}
export interface End {
  kind: "end";
  timeNs: number;
  reason: string;
  errorKind: string;
  /** How the target ended, where its parent said so: negative for the signal that killed it. */
  exitStatus: number | null;
  message: string;
  help: string;
}
export interface Labels {
  kind: "labels";
  rows: [string, string][];
}
export interface Notice {
  kind: "notice";
  timeNs: number;
  text: string;
}
/** A stretch of a source file: its lines from `firstLine` on. */
export interface SourceRow {
  file: string;
  firstLine: number;
  text: string;
}
export interface Sources {
  kind: "sources";
  rows: SourceRow[];
}
export type StreamRecord =
  | Hello | Strings | Frames | Nodes | Threads | Processes | Samples | Status | End | Labels | Notice | Sources;

function equalLengths<T extends object>(record: T): T {
  let length = -1;
  for (const value of Object.values(record)) {
    if (!ArrayBuffer.isView(value)) continue;
    const own = (value as Uint8Array).length;
    if (length >= 0 && own !== length) throw new StreamError("the columns of a record differ in length");
    length = own;
  }
  return record;
}

function readHello(f: Fields): Hello {
  const format = f.list();
  if (format[0] !== FORMAT_MAJOR) {
    throw new StreamError(`this stream has format ${String(format[0])}; this viewer reads format ${FORMAT_MAJOR}`);
  }
  const hello = {
    kind: "hello" as const, nbspyVersion: f.text(), pid: f.number(), commandLine: f.text(), pythonVersion: f.text(),
    freeThreaded: f.flag(), intervalNs: f.number(), clockOriginNs: f.number(), startedUnixNs: f.number(), blocking: f.flag(),
  };
  return hello;
}

/** One reader per kind, in the order of the kinds. */
const READERS: ((f: Fields) => StreamRecord)[] = [
  readHello,
  (f) => ({ kind: "strings", firstId: f.number(), texts: f.texts() }),
  (f) => equalLengths({
    kind: "frames", firstId: f.number(), name: f.u32(), qualname: f.u32(), file: f.u32(), shortFile: f.u32(),
    module: f.u32(), line: f.i32(), firstLine: f.i32(), flags: f.bytes(),
  }),
  (f) => equalLengths({ kind: "nodes", firstId: f.number(), parent: f.u32(), frame: f.u32() }),
  (f) => ({
    kind: "threads",
    rows: f.rows((row) => ({
      id: row.number(), process: row.number(), osThreadId: row.optionalNumber(), threadId: row.number(), name: row.text(),
    })),
  }),
  (f) => ({
    kind: "processes",
    rows: f.rows((row) => ({
      id: row.number(), pid: row.number(), parentPid: row.number(), commandLine: row.text(),
    })),
  }),
  (f) => equalLengths({
    kind: "samples", baseTimeUs: f.number() / 1000, startUs: f.u32(), thread: f.u32(), node: f.u32(), state: f.bytes(),
    count: f.u32(), weightUs: f.u32(),
  }),
  (f) => ({
    kind: "status", timeNs: f.number(), samples: f.number(), threadSamples: f.number(), late: f.number(),
    retried: f.number(), discarded: f.number(), cpuNs: f.number(), attachNs: f.number(), stopCount: f.number(),
    stopTotalNs: f.number(), stopMedianNs: f.number(), stopP99Ns: f.number(),
  }),
  (f) => ({
    kind: "end", timeNs: f.number(), reason: f.text(), errorKind: f.text(), message: f.text(), help: f.text(),
    exitStatus: f.laterNumber(),
  }),
  (f) => ({ kind: "labels", rows: f.rows((row): [string, string] => [row.text(), row.text()]) }),
  (f) => ({ kind: "notice", timeNs: f.number(), text: f.text() }),
  (f) => ({ kind: "sources", rows: f.rows((row) => ({ file: row.text(), firstLine: row.number(), text: row.text() })) }),
];

/**
 * Gives the record in `body` (without its length), or null for a kind this viewer does not know. Its columns are of its
 * own, or lie in `scratch` until the next record is read.
 */
export function decodeRecord(body: Uint8Array, scratch: Scratch | null = null): StreamRecord | null {
  let values: unknown;
  try {
    values = readMessagePack(body);
  } catch (err) {
    if (!(err instanceof MessagePackError)) throw err;
    throw new StreamError(`not an nbspy record: ${err.message}`);
  }
  if (!Array.isArray(values) || values.length < 2) throw new StreamError("not an nbspy record");
  const reader = READERS[values[0] as number];
  return reader ? reader(new Fields(values as unknown[], scratch)) : null;
}

/**
 * Cuts a byte stream, arriving in pieces of any size, into record bodies. What lies whole in a piece is read where it
 * is; only a record that lies across pieces is put together, and nothing is moved twice.
 */
export class RecordSplitter {
  /** The beginning of a record whose end has not come: its length and as much of its body as there is. */
  private held = new Uint8Array(1 << 12);
  private heldLength = 0;
  private magicSeen = 0;

  /** Gives each record body that `data` completes: a view that is valid until the next call. */
  *feed(data: Uint8Array): Generator<Uint8Array, void> {
    let at = this.skipMagic(data);
    while (at < data.length) {
      if (this.heldLength) {
        at = this.hold(data, at, 4);
        if (this.heldLength < 4) return;
        const end = 4 + announced(this.held, 0);
        at = this.hold(data, at, end);
        if (this.heldLength < end) return;
        this.heldLength = 0;
        yield this.held.subarray(4, end);
        continue;
      }
      const body = at + 4;
      const end = body <= data.length ? body + announced(data, at) : Infinity;
      if (end > data.length) {
        this.hold(data, at, data.length - at);
        // A piece that ends inside a length is looked at again with the next.
        return;
      }
      at = end;
      yield data.subarray(body, end);
    }
  }

  private skipMagic(data: Uint8Array): number {
    let at = 0;
    while (this.magicSeen < MAGIC.length && at < data.length) {
      if (data[at++] !== MAGIC[this.magicSeen++]) throw new StreamError("not an nbspy recording: the signature is missing");
    }
    return at;
  }

  /** Takes from `data` what is missing until `length` bytes are held; gives where it goes on. */
  private hold(data: Uint8Array, at: number, length: number): number {
    const more = Math.min(Math.max(0, length - this.heldLength), data.length - at);
    const needed = this.heldLength + more;
    if (needed > this.held.length) {
      // The whole of the record, once its length is known: it grows in steps only while that has not come.
      const whole = this.heldLength >= 4 ? 4 + announced(this.held, 0) : more >= 4 ? 4 + announced(data, at) : 0;
      const wider = new Uint8Array(Math.max(needed, Math.min(whole, 2 * needed + (1 << 20))));
      wider.set(this.held.subarray(0, this.heldLength));
      this.held = wider;
    }
    this.held.set(data.subarray(at, at + more), this.heldLength);
    this.heldLength = needed;
    return at + more;
  }
}

/** The length of the record that begins at `at`. */
function announced(bytes: Uint8Array, at: number): number {
  const length = (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  if (length > MAX_RECORD_BYTES) throw new StreamError(`a record of ${length} bytes is announced`);
  return length;
}

/**
 * Puts pieces of the stream in order. Pieces may be lost, repeated, overlapping or out of order; what lies
 * beyond a gap waits (bounded) until the gap is filled.
 */
export class Assembler {
  /** First byte not yet given out. */
  next = 0;
  /** Length of the stream as far as the sender has told. */
  total = 0;
  private pending: { offset: number; bytes: Uint8Array }[] = [];
  private pendingBytes = 0;

  /** True while bytes beyond a missing one have arrived or are known to exist. */
  get gap(): boolean {
    return this.pending.length > 0;
  }

  /** Takes the piece at `offset` and gives the bytes that now follow what was given out before. */
  add(offset: number, bytes: Uint8Array): Uint8Array[] {
    this.total = Math.max(this.total, offset + bytes.length);
    if (offset > this.next) {
      this.hold(offset, bytes);
      return [];
    }
    const ready: Uint8Array[] = [];
    this.take(offset, bytes, ready);
    while (this.pending.length && this.pending[0]!.offset <= this.next) {
      const piece = this.pending.shift()!;
      this.pendingBytes -= piece.bytes.length;
      this.take(piece.offset, piece.bytes, ready);
    }
    return ready;
  }

  private take(offset: number, bytes: Uint8Array, ready: Uint8Array[]): void {
    const fresh = bytes.subarray(this.next - offset);
    if (!fresh.length) return;
    ready.push(fresh);
    this.next += fresh.length;
  }

  private hold(offset: number, bytes: Uint8Array): void {
    const { pending } = this;
    let at = pending.length;
    while (at > 0 && pending[at - 1]!.offset > offset) at--;
    const before = pending[at - 1];
    if (before && before.offset + before.bytes.length >= offset + bytes.length) return;
    pending.splice(at, 0, { offset, bytes: bytes.slice() });
    this.pendingBytes += bytes.length;
    // What is farthest from the gap goes first: the sender has it still.
    while (this.pendingBytes > MAX_PENDING_BYTES) this.pendingBytes -= pending.pop()!.bytes.length;
  }
}
