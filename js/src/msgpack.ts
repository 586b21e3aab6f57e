/**
 * Reads one MessagePack value: the part of the format that `nbspy/wire.py` writes (no maps, no extensions).
 * Bin fields are views into the input. Lengths are checked against what is there before they are used.
 */
import { JoinedTexts } from "./texts";

export class MessagePackError extends Error {}

export type Value = null | boolean | number | string | Uint8Array | JoinedTexts | Value[];

const MAX_DEPTH = 8;
/** Texts in a list from which on they are decoded together. */
const MANY = 64;
const utf8 = new TextDecoder();

class Reader {
  private at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get rest(): number {
    return this.bytes.length - this.at;
  }

  value(depth: number): Value {
    const head = this.unsigned(1);
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head >= 0xa0 && head < 0xc0) return this.text(head & 0x1f);
    if (head >= 0x90 && head < 0xa0) return this.list(head & 0x0f, depth);
    switch (head) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return this.take(this.unsigned(1 << (head - 0xc4)));
      case 0xca: return this.view.getFloat32(this.skip(4));
      case 0xcb: return this.view.getFloat64(this.skip(8));
      case 0xcc: case 0xcd: case 0xce: case 0xcf: return this.unsigned(1 << (head - 0xcc));
      case 0xd0: return this.view.getInt8(this.skip(1));
      case 0xd1: return this.view.getInt16(this.skip(2));
      case 0xd2: return this.view.getInt32(this.skip(4));
      case 0xd3: return Number(this.view.getBigInt64(this.skip(8)));
      case 0xd9: case 0xda: case 0xdb: return this.text(this.unsigned(1 << (head - 0xd9)));
      case 0xdc: case 0xdd: return this.list(this.unsigned(2 << (head - 0xdc)), depth);
      default: throw new MessagePackError(`type ${head} is not used in this format`);
    }
  }

  private skip(size: number): number {
    if (size > this.rest) throw new MessagePackError("it ends early");
    const at = this.at;
    this.at += size;
    return at;
  }

  /** A big-endian unsigned number of 1, 2, 4 or 8 bytes. */
  private unsigned(size: number): number {
    let value = 0;
    const from = this.skip(size);
    for (let i = from; i < from + size; i++) value = value * 256 + this.bytes[i]!;
    return value;
  }

  private take(size: number): Uint8Array {
    const from = this.skip(size);
    return this.bytes.subarray(from, from + size);
  }

  private text(size: number): string {
    return utf8.decode(this.take(size));
  }

  private list(length: number, depth: number): Value {
    if (depth >= MAX_DEPTH) throw new MessagePackError("it is nested too deep");
    if (length > this.rest) throw new MessagePackError("it ends early");
    const texts = length >= MANY ? this.asciiTexts(length) : null;
    if (texts?.length === length) return texts;
    const values: Value[] = Array.from({ length: texts?.length ?? 0 }, (_, i) => texts!.at(i));
    while (values.length < length) values.push(this.value(depth + 1));
    return values;
  }

  /**
   * Gives the texts that follow each other and are plain ASCII, up to `length` of them: they are decoded in one go, and cut when
   * somebody asks for them. What comes then is left to `value`.
   */
  private asciiTexts(length: number): JoinedTexts {
    const { bytes } = this;
    const plain = new Uint8Array(this.rest);
    const ends: number[] = [];
    let end = 0;
    while (ends.length < length) {
      const begun = this.at;
      const size = this.textSize();
      let from = this.at;
      const to = size < 0 ? -1 : from + size;
      const before = end;
      if (to <= bytes.length) while (from < to && bytes[from]! < 0x80) plain[end++] = bytes[from++]!;
      if (from !== to) {
        this.at = begun;
        end = before;
        break;
      }
      this.at = to;
      ends.push(end);
    }
    return new JoinedTexts(utf8.decode(plain.subarray(0, end)), ends);
  }

  /** Length of the text whose head is next, which is taken; -1 where what is next is none, or ends early. */
  private textSize(): number {
    const head = this.rest ? this.bytes[this.at]! : 0;
    const bytes = head >= 0xd9 && head <= 0xdb ? 1 << (head - 0xd9) : 0;
    if ((!bytes && (head < 0xa0 || head >= 0xc0)) || bytes >= this.rest) return -1;
    this.at++;
    return bytes ? this.unsigned(bytes) : head & 0x1f;
  }
}

/** Gives the value in `bytes`, which hold nothing else. Throws `MessagePackError` where they do not. */
export function readMessagePack(bytes: Uint8Array): Value {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.rest) throw new MessagePackError("something follows it");
  return value;
}
