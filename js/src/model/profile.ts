/**
 * The profile as columns, folded from stream records as they arrive. Ids are the stream's own. Two call trees
 * are kept beside each other: by line (the stream's nodes) and by function (lines of one function merged).
 */
import type { End, Frames, Hello, Nodes, Notice, ProcessRow, Samples, SourceRow, Status, StreamRecord, ThreadRow } from "../stream";
import { StreamError } from "../stream";
import { Activity } from "./activity";
import type { Column } from "./column";
import { f64, i32, u32, u8 } from "./column";
import { CallTree } from "./tree";

export type Granularity = "function" | "line";

export class Profile {
  hello: Hello | null = null;
  status: Status | null = null;
  end: End | null = null;
  readonly notices: Notice[] = [];
  readonly strings: string[] = [""];
  readonly threads: ThreadRow[] = [];
  readonly processes: ProcessRow[] = [];
  /** File name -> what to show instead of it. */
  readonly labels = new Map<string, string>();
  /** File name -> its lines as far as the session has sent them, by number. */
  readonly sources = new Map<string, Map<number, string>>();

  readonly frames = {
    name: u32(), qualname: u32(), file: u32(), shortFile: u32(), module: u32(), line: i32(), firstLine: i32(), flags: u8(),
  };
  /** Frame -> function, and frame -> line of a function: the same rules as nbspy/model/transforms.py. */
  readonly functionOf = u32();
  readonly lineOf = u32();
  /** Function -> the first of its frames that was seen, through which it is shown; and the same for lines. */
  readonly frameOfFunction = u32();
  readonly frameOfLine = u32();

  readonly lineTree = new CallTree();
  readonly functionTree = new CallTree();
  /** The stream's node -> node of the function tree, and of the line tree. */
  readonly functionNodeOf = u32();
  readonly lineNodeOf = u32();

  /** One row per run of equal samples of one thread, as in the stream; times in us since the stream's origin. */
  readonly runs = { start: f64(), thread: u32(), node: u32(), state: u8(), count: u32(), weight: f64() };
  readonly activity = new Activity();

  /** Samples received: the sum of `count` over all runs. */
  threadSamples = 0;
  /** End of the last run. */
  endUs = 0;
  /** The first status, and those of the last seconds: the achieved rate lies between two of them. */
  private firstStatus: Status | null = null;
  private readonly recentStatuses: Status[] = [];
  private readonly functionIds = new Map<string, number>();
  private readonly lineIds = new Map<string, number>();

  constructor() {
    this.functionNodeOf.push(0);
    this.lineNodeOf.push(0);
  }

  apply(record: StreamRecord): void {
    switch (record.kind) {
      case "hello": this.hello = record; break;
      case "strings": this.addStrings(record.firstId, record.texts); break;
      case "frames": this.addFrames(record); break;
      case "nodes": this.addNodes(record); break;
      case "threads": for (const row of record.rows) setRow(this.threads, row); break;
      case "processes": for (const row of record.rows) setRow(this.processes, row); break;
      case "samples": this.addSamples(record); break;
      case "status": this.setStatus(record); break;
      case "end": this.end = record; break;
      case "labels": for (const [file, label] of record.rows) this.labels.set(file, label); break;
      case "sources": for (const row of record.rows) this.addSource(row); break;
      case "notice": this.notices.push(record); break;
    }
  }

  /** Samples a second that were reached: lately while live, over all when ended; null before two statuses. */
  get achievedRateHz(): number | null {
    const first = this.end ? this.firstStatus : this.recentStatuses[0];
    const last = this.status;
    if (!last || !first || last.timeNs <= first.timeNs) return null;
    return ((last.samples - first.samples) * 1e9) / (last.timeNs - first.timeNs);
  }

  tree(granularity: Granularity): CallTree {
    return granularity === "line" ? this.lineTree : this.functionTree;
  }

  /** The frame through which a tree's key is shown. */
  frameOfKey(granularity: Granularity, key: number): number {
    return (granularity === "line" ? this.frameOfLine : this.frameOfFunction).data[key]!;
  }

  /** The node of the tree that a node of the stream belongs to. */
  nodeOf(granularity: Granularity): Uint32Array {
    return (granularity === "line" ? this.lineNodeOf : this.functionNodeOf).data;
  }

  /** The number of a tree's keys. */
  keyCount(granularity: Granularity): number {
    return (granularity === "line" ? this.frameOfLine : this.frameOfFunction).length;
  }

  private addSource({ file, firstLine, text }: SourceRow): void {
    let lines = this.sources.get(file);
    if (!lines) this.sources.set(file, (lines = new Map()));
    text.split("\n").forEach((line, i) => lines.set(firstLine + i, line));
  }

  private addStrings(firstId: number, texts: string[]): void {
    const { strings } = this;
    // String 0 is "" whether or not the stream sends it.
    if (firstId === 0 && strings.length === 1) strings.length = 0;
    denseIds("string", firstId, strings.length);
    for (const text of texts) strings.push(text);
  }

  private addFrames(record: Frames): void {
    const { frames, strings } = this;
    denseIds("frame", record.firstId, frames.name.length);
    for (const column of ["name", "qualname", "file", "shortFile", "module"] as const) {
      below("string", record[column], strings.length);
      frames[column].append(record[column]);
    }
    frames.line.append(record.line);
    frames.firstLine.append(record.firstLine);
    frames.flags.append(record.flags);
    for (let i = 0; i < record.line.length; i++) {
      const frame = record.firstId + i;
      const key = [record.name[i], record.qualname[i], record.file[i], record.firstLine[i], record.flags[i]].join();
      this.functionOf.push(idOf(this.functionIds, key, frame, this.frameOfFunction));
      this.lineOf.push(idOf(this.lineIds, `${key},${record.line[i]}`, frame, this.frameOfLine));
    }
  }

  private addNodes(record: Nodes): void {
    const { functionNodeOf, lineNodeOf } = this;
    denseIds("node", record.firstId, lineNodeOf.length);
    below("frame", record.frame, this.functionOf.length);
    for (let i = 0; i < record.parent.length; i++) {
      const parent = record.parent[i]!;
      if (parent >= lineNodeOf.length) throw new StreamError(`node ${parent} is used before it is defined`);
      const frame = record.frame[i]!;
      lineNodeOf.push(this.lineTree.child(lineNodeOf.data[parent]!, this.lineOf.data[frame]!));
      functionNodeOf.push(this.functionTree.child(functionNodeOf.data[parent]!, this.functionOf.data[frame]!));
    }
  }

  private addSamples(record: Samples): void {
    const { runs } = this;
    below("thread", record.thread, this.threads.length);
    below("node", record.node, this.lineNodeOf.length);
    for (let i = 0; i < record.node.length; i++) {
      const start = record.baseTimeUs + record.startUs[i]!;
      const weight = record.weightUs[i]!;
      const thread = record.thread[i]!;
      this.activity.add(thread, runs.start.length, start, weight, record.state[i]!);
      runs.start.push(start);
      runs.weight.push(weight);
      this.threadSamples += record.count[i]!;
      this.endUs = Math.max(this.endUs, start + weight);
    }
    runs.thread.append(record.thread);
    runs.node.append(record.node);
    runs.state.append(record.state);
    runs.count.append(record.count);
  }

  private setStatus(record: Status): void {
    this.status = record;
    this.firstStatus ??= record;
    const { recentStatuses } = this;
    recentStatuses.push(record);
    while (recentStatuses.length > 2 && record.timeNs - recentStatuses[0]!.timeNs > 5e9) recentStatuses.shift();
  }
}

/** Gives the id of `key`; a new key gets the next id and is shown through `frame`. */
function idOf(ids: Map<string, number>, key: string, frame: number, shownThrough: Column<Uint32Array>): number {
  const known = ids.get(key);
  if (known !== undefined) return known;
  ids.set(key, ids.size);
  shownThrough.push(frame);
  return ids.size - 1;
}

function setRow<T extends { id: number }>(rows: T[], row: T): void {
  if (row.id > rows.length) throw new StreamError(`row ${row.id} follows row ${rows.length - 1}`);
  rows[row.id] = row;
}

function denseIds(what: string, firstId: number, expected: number): void {
  if (firstId !== expected) throw new StreamError(`${what} ${firstId} follows ${what} ${expected - 1}`);
}

/** Refuses a column in which an id is used that is not defined yet. */
function below(what: string, ids: Uint32Array, bound: number): void {
  for (const id of ids) if (id >= bound) throw new StreamError(`${what} ${id} is used before it is defined`);
}

