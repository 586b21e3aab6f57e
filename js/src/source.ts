/** From stream bytes to the profile, and word to whoever shows it. One per session, shared by its views. */
import { Scratch } from "./fields";
import { Profile } from "./model/profile";
import { Assembler, decodeRecord, RecordSplitter, StreamError } from "./stream";

/**
 * A day of a busy program is a gigabyte, of which the profile keeps what it shows. The kernel and the recording on its disk
 * have it all, and the page that stays in the notebook what the kernel made of it, which is less.
 */
export const MAX_KEPT_BYTES = 128 << 20;

export type SourceState = "starting" | "live" | "ended" | "error";

export class Source {
  readonly profile = new Profile();
  /** Why decoding stopped, or null. What came before it stays shown. */
  failure: string | null = null;
  /** When the page was saved that this is in; "" where it is in none. */
  saved = "";
  /** The data is the page's own: nobody sends it. */
  local = false;
  /** Who sends it is gone: the kernel was stopped, or started anew. */
  lost = false;
  /** The sender has said that there is no more. */
  finished = false;
  /** The stream as it came, in order: what a recording is. Null from where it is more than `MAX_KEPT_BYTES`. */
  pieces: Uint8Array<ArrayBuffer>[] | null = [];
  private kept = 0;
  private readonly assembler = new Assembler();
  private readonly splitter = new RecordSplitter();
  private readonly scratch = new Scratch();
  private readonly listeners = new Set<() => void>();
  private announced = 0;

  constructor(private readonly maxKept = MAX_KEPT_BYTES) {}

  get state(): SourceState {
    if (this.failure !== null || this.profile.end?.reason === "error") return "error";
    if (this.profile.end || (this.finished && !this.waiting)) return "ended";
    return this.profile.threadSamples > 0 ? "live" : "starting";
  }

  /** First byte that is missing. */
  get next(): number {
    return this.assembler.next;
  }

  /** True while bytes are known to exist that have not arrived, or not in order. */
  get waiting(): boolean {
    return this.failure === null && (this.assembler.gap || this.announced > this.assembler.next);
  }

  /** Text that is the same for the same stream wherever it is shown, and for no other; "" before it has begun. */
  get identity(): string {
    const { hello } = this.profile;
    return hello ? [hello.pid, hello.clockOriginNs, hello.startedUnixNs].join(" ") : "";
  }

  /** Takes the piece of the stream at `offset`; `total` is its length as the sender knows it, `next` where it goes on. */
  receive(offset: number, bytes: Uint8Array, total: number, ended: boolean, next = 0): void {
    this.announced = Math.max(this.announced, total);
    this.lost = false;
    this.finished ||= ended;
    if (total > this.assembler.next) this.profile.expect(total - this.assembler.next);
    for (const piece of this.assembler.add(offset, bytes)) this.decode(piece);
    if (this.assembler.next === offset + bytes.length) this.assembler.next = Math.max(this.assembler.next, next);
    this.tell();
  }

  /** Says that no more bytes will come. */
  finish(): void {
    this.finished = true;
    this.announced = this.assembler.next;
    this.tell();
  }

  lose(): void {
    this.lost = true;
    this.tell();
  }

  fail(message: string): void {
    this.failure = message;
    this.tell();
  }

  /** Calls `listener` after each change; gives a function that ends this. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private decode(piece: Uint8Array): void {
    // What fills most of its memory is kept as it is: nobody writes to what a message brought.
    const own = piece.buffer instanceof ArrayBuffer && 2 * piece.length > piece.buffer.byteLength;
    this.kept += piece.length;
    if (this.kept > this.maxKept) this.pieces = null;
    this.pieces?.push(own ? piece as Uint8Array<ArrayBuffer> : piece.slice());
    if (this.failure !== null) return;
    try {
      for (const body of this.splitter.feed(piece)) {
        const record = decodeRecord(body, this.scratch);
        if (record) this.profile.apply(record);
      }
    } catch (err) {
      if (!(err instanceof StreamError)) throw err;
      this.failure = err.message;
    }
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}
