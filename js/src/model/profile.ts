/**
 * The profile as columns, folded from stream records as they arrive. Ids are the stream's own. There are two call
 * trees: by function (lines of one function merged), and by line, which is made once it is asked for.
 */
import type { End, Frames, Hello, Nodes, Notice, ProcessRow, Samples, SourceRow, Status, StreamRecord, ThreadRow } from "../stream";
import { StreamError } from "../stream";
import type { Texts } from "../texts";
import { Strings } from "../texts";
import { Activity } from "./activity";
import type { Column } from "./column";
import { i32, u32, u8 } from "./column";
import { Haystack } from "./haystack";
import { Identities } from "./identities";
import { NodeTimes } from "./node-times";
import { Runs } from "./runs";
import { CallTree } from "./tree";

export type Granularity = "function" | "line";

/** Bytes of a run in the stream, at least; and how much of it is worth making room for. */
const RUN_BYTES = 21;
const MUCH_BYTES = 1 << 22;
/** Runs whose times are taken when there are so many, whether or not somebody looks. */
const MANY_RUNS = 1 << 22;
/** Frames or nodes whose places are found before others may have their turn. */
const MUCH = 1 << 14;

export class Profile {
  hello: Hello | null = null;
  status: Status | null = null;
  end: End | null = null;
  readonly notices: Notice[] = [];
  readonly strings = new Strings();
  /** The same texts, to be searched. */
  readonly haystack = new Haystack(this.strings);
  readonly threads: ThreadRow[] = [];
  readonly processes: ProcessRow[] = [];
  /** File name -> what to show instead of it. */
  readonly labels = new Map<string, string>();
  /** File name -> its lines as far as the session has sent them, by number. */
  readonly sources = new Map<string, Map<number, string>>();

  readonly frames = {
    name: u32(), qualname: u32(), file: u32(), shortFile: u32(), module: u32(), line: i32(), firstLine: i32(), flags: u8(),
  };
  /** Frames of one function, and of one line of it: the same rules as nbspy/model/transforms.py. */
  private readonly functions = new Identities(identity(this.frames));
  private readonly lines = new Identities([...identity(this.frames), this.frames.line]);
  /** The stream's nodes: parent, and frame. */
  private readonly nodeParent = u32();
  private readonly nodeFrame = u32();
  private readonly byFunction = new Grown();
  private readonly byLine = new Grown();

  readonly runs = new Runs();
  readonly activity = new Activity();
  private readonly times = new NodeTimes();
  /** How many runs of each thread are in these, and of all. */
  private timed: number[] = [];
  private timedRuns = 0;

  /** Samples received: the sum of `count` over all runs. */
  threadSamples = 0;
  /** End of the last run. */
  endUs = 0;
  /** The first status, and those of the last seconds: the achieved rate lies between two of them. */
  private firstStatus: Status | null = null;
  private readonly recentStatuses: Status[] = [];

  constructor() {
    this.nodeParent.push(0);
    this.nodeFrame.push(0);
  }

  /** Says how much of the stream is to come: what is known to be large is given room at once. */
  expect(bytes: number): void {
    if (bytes > MUCH_BYTES && this.runs.length) this.runs.expect(Math.floor(bytes / RUN_BYTES));
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
    return this.grown(granularity).tree;
  }

  /** The same, as far as it is known: `grow` makes the rest. */
  treeSoFar(granularity: Granularity): CallTree {
    return (granularity === "line" ? this.byLine : this.byFunction).tree;
  }

  /** Makes what a tree lacks, a little at each step. */
  *grow(granularity: Granularity): Generator<void> {
    const identities = granularity === "line" ? this.lines : this.functions;
    const grown = granularity === "line" ? this.byLine : this.byFunction;
    for (; identities.of.length < this.frames.name.length; yield) identities.update(this.frames.name.length, MUCH);
    for (; grown.nodeOf.length < this.nodeParent.length; yield) this.grown(granularity, MUCH);
  }

  get functionTree(): CallTree {
    return this.tree("function");
  }

  get lineTree(): CallTree {
    return this.tree("line");
  }

  /** The frame through which a tree's key is shown. */
  frameOfKey(granularity: Granularity, key: number): number {
    return this.identities(granularity).frameOf.data[key]!;
  }

  /** The same for all keys. */
  framesOfKeys(granularity: Granularity): Uint32Array {
    return this.identities(granularity).frameOf.data;
  }

  /** The node of the tree that a node of the stream belongs to. */
  nodeOf(granularity: Granularity): Uint32Array {
    return this.grown(granularity).nodeOf.data;
  }

  /** The number of a tree's keys. */
  keyCount(granularity: Granularity): number {
    return this.identities(granularity).frameOf.length;
  }

  /** The number of the stream's nodes, the root among them. */
  get nodeCount(): number {
    return this.nodeParent.length;
  }

  /** Whether each of the stream's nodes so far is a node of the tree of its own, of the same number. */
  sameNodes(granularity: Granularity): boolean {
    return this.grown(granularity).same;
  }

  /** The times of the stream's nodes, over all threads and all of the time. */
  timesOfNodes(): NodeTimes {
    const { runs, timed, times } = this;
    times.reserve(this.nodeParent.length);
    if (this.timedRuns === runs.length) return times;
    const spans = runs.lanes.flatMap((lane) => (lane ? [{ lane, from: timed[lane.thread] ?? 0, to: lane.length }] : []));
    times.add(spans);
    this.areTimed();
    return times;
  }

  private areTimed(): void {
    this.timed = this.runs.lengths;
    this.timedRuns = this.runs.length;
  }

  private identities(granularity: Granularity): Identities {
    const identities = granularity === "line" ? this.lines : this.functions;
    identities.update(this.frames.name.length);
    return identities;
  }

  private grown(granularity: Granularity, most = Infinity): Grown {
    const grown = granularity === "line" ? this.byLine : this.byFunction;
    const { length } = this.nodeParent;
    if (grown.nodeOf.length < length) {
      grown.tree.reserve(length);
      grown.grow(this.nodeParent.data, this.nodeFrame.data, Math.min(length, grown.nodeOf.length + most), this.identities(granularity).of.data);
    }
    return grown;
  }

  private addSource({ file, firstLine, text }: SourceRow): void {
    let lines = this.sources.get(file);
    if (!lines) this.sources.set(file, (lines = new Map()));
    text.split("\n").forEach((line, i) => lines.set(firstLine + i, line));
  }

  private addStrings(firstId: number, texts: Texts): void {
    const { strings } = this;
    // String 0 is "" whether or not the stream sends it.
    if (firstId === 0 && strings.length === 1) strings.clear();
    denseIds("string", firstId, strings.length);
    strings.append(texts);
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
  }

  private addNodes(record: Nodes): void {
    const { nodeFrame, nodeParent } = this;
    const { firstId, frame, parent } = record;
    denseIds("node", firstId, nodeParent.length);
    below("frame", frame, this.frames.name.length);
    parentsFirst(parent, firstId);
    nodeParent.append(parent);
    nodeFrame.append(frame);
  }

  private addSamples(record: Samples): void {
    below("thread", record.thread, this.threads.length);
    below("node", record.node, this.nodeParent.length);
    this.runs.append(record, this.threads.length, (lane, from, to) => {
      this.endUs = Math.max(this.endUs, this.activity.add(lane, from, to));
    });
    this.threadSamples += sum(record.count);
    // Many together take less time than few, but should not be waited for either.
    if (this.runs.length - this.timedRuns >= MANY_RUNS || this.runs.full) this.timesOfNodes();
    if (this.runs.coarsen(this.nodeParent)) this.areTimed();
  }

  private setStatus(record: Status): void {
    this.status = record;
    this.firstStatus ??= record;
    const { recentStatuses } = this;
    recentStatuses.push(record);
    while (recentStatuses.length > 2 && record.timeNs - recentStatuses[0]!.timeNs > 5e9) recentStatuses.shift();
  }
}

/** What tells functions apart. */
function identity(frames: Profile["frames"]): Column<Uint32Array | Int32Array | Uint8Array>[] {
  return [frames.name, frames.qualname, frames.file, frames.firstLine, frames.flags];
}

/** A call tree that follows the stream's nodes when it is looked at. */
class Grown {
  readonly tree = new CallTree();
  /** The stream's node -> node of the tree. */
  readonly nodeOf = u32();
  /** Each of the stream's nodes is one of the tree, of the same number. */
  same = true;

  constructor() {
    this.nodeOf.push(0);
  }

  grow(parent: Uint32Array, frame: Uint32Array, count: number, keyOf: Uint32Array): void {
    const { nodeOf, tree } = this;
    const from = nodeOf.length;
    nodeOf.extendTo(count);
    const { data } = nodeOf;
    for (let node = from; node < count; node++) data[node] = tree.child(data[parent[node]!]!, keyOf[frame[node]!]!);
    this.same = tree.size === count;
  }
}

function setRow<T extends { id: number }>(rows: T[], row: T): void {
  if (row.id > rows.length) throw new StreamError(`row ${row.id} follows row ${rows.length - 1}`);
  rows[row.id] = row;
}

function denseIds(what: string, firstId: number, expected: number): void {
  if (firstId !== expected) throw new StreamError(`${what} ${firstId} follows ${what} ${expected - 1}`);
}

function parentsFirst(parent: Uint32Array, firstId: number): void {
  for (let i = 0; i < parent.length; i++) {
    if (parent[i]! >= firstId + i) throw new StreamError(`node ${parent[i]} is used before it is defined`);
  }
}

/** Apart from what calls it: a loop over a column stays fast when what surrounds it is compiled anew. */
function sum(counts: Uint32Array): number {
  let whole = 0;
  for (let i = 0; i < counts.length; i++) whole += counts[i]!;
  return whole;
}

/** Refuses a column in which an id is used that is not defined yet. */
function below(what: string, ids: Uint32Array, bound: number): void {
  for (let i = 0; i < ids.length; i++) if (ids[i]! >= bound) throw new StreamError(`${what} ${ids[i]} is used before it is defined`);
}

