import { describe, expect, test } from "vitest";
import { readMessagePack } from "../src/msgpack";
import { Source } from "../src/source";
import { Assembler, decodeRecord, MAGIC, RecordSplitter, StreamError } from "../src/stream";
import { cut, decodeAll, goldenStream, numbers } from "./golden";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const joined = (pieces: Uint8Array[]): Uint8Array => bytes(...pieces.flatMap((piece) => Array.from(piece)));

describe("records", () => {
  test("GIVEN the golden stream THEN every record is read, in order", () => {
    const records = decodeAll([goldenStream()]);
    expect(records[0]).toMatchObject({ kind: "hello", pid: 4242, pythonVersion: "3.13.0", blocking: true, intervalNs: 10_000_000 });
    expect(records.at(-1)).toMatchObject({ kind: "end", reason: "stopped", timeNs: 1.2e9 });
    const samples = records.filter((record) => record.kind === "samples");
    const status = records.filter((record) => record.kind === "status").at(-1)!;
    const counted = samples.reduce((sum, record) => sum + record.count.reduce((a, b) => a + b, 0), 0);
    expect(counted).toBe(status.threadSamples);
    expect(counted).toBe(4 * 120);
  });

  test.each([1, 2, 3, 5, 8])("GIVEN the stream in random pieces (seed %i) THEN the records are the same", (seed) => {
    const stream = goldenStream();
    expect(decodeAll(cut(stream, numbers(seed), 60))).toEqual(decodeAll([stream]));
  });

  test("GIVEN a stream cut anywhere THEN the whole records before the cut are read", () => {
    const stream = goldenStream();
    const whole = decodeAll([stream]);
    for (let length = 0; length < stream.length; length += 97) {
      const records = decodeAll([stream.slice(0, length)]);
      expect(records).toEqual(whole.slice(0, records.length));
    }
  });

  test("GIVEN bytes that are no stream THEN they are refused", () => {
    expect(() => [...new RecordSplitter().feed(bytes(0x89, 0x6e, 0x00))]).toThrow(StreamError);
    expect(() => [...new RecordSplitter().feed(joined([MAGIC, bytes(0xff, 0xff, 0xff, 0xff)]))]).toThrow(/is announced/);
  });

  test("GIVEN a kind of later versions THEN it is passed over", () => {
    expect(decodeRecord(bytes(0x93, 0x7f, 0x01, 0xc0))).toBeNull();
  });

  test.each([
    ["no array", bytes(0x01)],
    ["an early end", bytes(0x92, 0x0a)],
    ["a missing field", bytes(0x92, 0x0a, 0x01)],
    ["a text for a number", bytes(0x94, 0x0a, 0x01, 0xa1, 0x61, 0xa1, 0x61)],
    ["columns of different lengths", bytes(0x95, 0x03, 0x01, 0x01, 0xc4, 0x04, 0, 0, 0, 0, 0xc4, 0x00)],
    ["a column of odd length", bytes(0x95, 0x03, 0x01, 0x01, 0xc4, 0x03, 0, 0, 0, 0xc4, 0x03, 0, 0, 0)],
    ["another major format", bytes(0x94, 0x00, 0x01, 0x92, 0x02, 0x00, 0xa0)],
  ])("GIVEN %s THEN the record is refused", (_, body) => {
    expect(() => decodeRecord(body)).toThrow(StreamError);
  });

  test("GIVEN random changes to a record THEN it is read or refused, and nothing else happens", () => {
    const next = numbers(11);
    const bodies = [...new RecordSplitter().feed(goldenStream())].map((body) => body.slice());
    for (let round = 0; round < 3000; round++) {
      const body = bodies[Math.floor(next() * bodies.length)]!.slice();
      for (let change = 0; change < 3; change++) body[Math.floor(next() * Math.min(40, body.length))] = Math.floor(next() * 256);
      try {
        decodeRecord(body);
      } catch (err) {
        expect(err).toBeInstanceOf(StreamError);
      }
    }
  });
});

describe("MessagePack", () => {
  test.each<[string, number[], unknown]>([
    ["fixint", [0x7f], 127],
    ["negative fixint", [0xe0], -32],
    ["uint 8", [0xcc, 0xff], 255],
    ["uint 16", [0xcd, 0x01, 0x00], 256],
    ["uint 32", [0xce, 0xff, 0xff, 0xff, 0xff], 4294967295],
    ["uint 64", [0xcf, 0, 0, 1, 0, 0, 0, 0, 0], 2 ** 40],
    ["int 8", [0xd0, 0x80], -128],
    ["int 16", [0xd1, 0xff, 0x00], -256],
    ["int 32", [0xd2, 0x80, 0, 0, 0], -(2 ** 31)],
    ["int 64", [0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe], -2],
    ["float 32", [0xca, 0x3f, 0xc0, 0, 0], 1.5],
    ["float 64", [0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], 1.5],
    ["text 8", [0xd9, 0x02, 0xc3, 0xa9], "é"],
    ["text 16", [0xda, 0x00, 0x01, 0x61], "a"],
    ["list 16", [0xdc, 0x00, 0x02, 0xc2, 0xc3], [false, true]],
    ["nil", [0xc0], null],
  ])("GIVEN %s THEN its value is read", (_, input, value) => {
    expect(readMessagePack(bytes(...input))).toEqual(value);
  });

  test("GIVEN a list that announces more than there is THEN it is refused before memory is taken", () => {
    expect(() => readMessagePack(bytes(0xdd, 0xff, 0xff, 0xff, 0xff))).toThrow(/ends early/);
    expect(() => readMessagePack(Uint8Array.from({ length: 64 }, () => 0x91))).toThrow(/too deep/);
    expect(() => readMessagePack(bytes(0xc0, 0xc0))).toThrow(/follows/);
  });
});

describe("assembler", () => {
  test("GIVEN pieces in order THEN they come out as they are", () => {
    const assembler = new Assembler();
    expect(joined(assembler.add(0, bytes(1, 2, 3)))).toEqual(bytes(1, 2, 3));
    expect(joined(assembler.add(3, bytes(4)))).toEqual(bytes(4));
    expect(assembler.next).toBe(4);
  });

  test("GIVEN a lost piece THEN what follows waits, and comes out when the piece is sent again", () => {
    const assembler = new Assembler();
    assembler.add(0, bytes(1, 2));
    expect(assembler.add(4, bytes(5, 6))).toEqual([]);
    expect(assembler.gap).toBe(true);
    expect(assembler.next).toBe(2);
    expect(joined(assembler.add(1, bytes(2, 3, 4, 5)))).toEqual(bytes(3, 4, 5, 6));
    expect(assembler.gap).toBe(false);
  });

  test.each([1, 2, 3, 4, 5, 6])("GIVEN pieces shuffled, repeated, overlapping and once all lost (seed %i) THEN the bytes are whole", (seed) => {
    const next = numbers(seed);
    const whole = Uint8Array.from({ length: 700 }, (_, i) => (i * 31) & 255);
    const pieces: { offset: number; bytes: Uint8Array }[] = [];
    for (let offset = 0; offset < whole.length; offset += 13) {
      const length = 13 + Math.floor(next() * 40);
      if (next() < 0.8) pieces.push({ offset, bytes: whole.slice(offset, offset + length) });
      if (next() < 0.3) pieces.push({ offset, bytes: whole.slice(offset, offset + length) });
    }
    pieces.sort(() => next() - 0.5);
    const assembler = new Assembler();
    const out: number[] = [];
    for (const piece of pieces) for (const ready of assembler.add(piece.offset, piece.bytes)) out.push(...ready);
    for (const ready of assembler.add(0, whole)) out.push(...ready);
    expect(out).toEqual(Array.from(whole));
    expect(assembler.gap).toBe(false);
  });
});

describe("source", () => {
  test("GIVEN a stream of more bytes than may be kept THEN the profile goes on and the bytes are let go", () => {
    const stream = goldenStream();
    const [kept, short] = [new Source(stream.length), new Source(stream.length - 1)];
    for (const source of [kept, short]) {
      let at = 0;
      for (const piece of cut(stream, numbers(1), 60)) {
        source.receive(at, piece, stream.length, false);
        at += piece.length;
      }
      expect(source.profile.threadSamples).toBe(4 * 120);
    }
    expect(joined(kept.pieces!)).toEqual(stream);
    expect(short.pieces).toBeNull();
  });

  test("GIVEN a gap THEN it is said, the picture stays, and filling it heals all", () => {
    const stream = goldenStream();
    const source = new Source();
    const [lost, found] = [0.7, 0.8].map((part) => Math.floor(stream.length * part)) as [number, number];
    source.receive(0, stream.slice(0, lost), lost, false);
    const before = source.profile.threadSamples;
    source.receive(found, stream.slice(found), stream.length, true);
    expect(source.waiting).toBe(true);
    expect(source.next).toBe(lost);
    expect(source.profile.threadSamples).toBe(before);
    expect(source.state).toBe("live");
    source.receive(lost, stream.slice(lost, found), stream.length, true);
    expect(source.waiting).toBe(false);
    expect(source.state).toBe("ended");
    expect(source.profile.threadSamples).toBe(480);
  });

  test("GIVEN the last piece lost THEN the total that was announced shows it", () => {
    const source = new Source();
    source.receive(0, goldenStream().slice(0, 100), 500, false);
    expect(source.waiting).toBe(true);
  });

  test("GIVEN a damaged stream THEN what came before it stays, and the reason is told", () => {
    const stream = goldenStream().slice();
    stream.fill(0xff, stream.length - 200);
    const source = new Source();
    source.receive(0, stream, stream.length, true);
    expect(source.state).toBe("error");
    expect(source.failure).toMatch(/record/);
    expect(source.profile.threadSamples).toBeGreaterThan(0);
  });

  test("GIVEN a listener that has gone THEN it is not called again", () => {
    const source = new Source();
    let calls = 0;
    const leave = source.onChange(() => calls++);
    source.receive(0, goldenStream().slice(0, 50), 50, false);
    leave();
    source.receive(50, goldenStream().slice(50, 60), 60, false);
    expect(calls).toBe(1);
  });
});
