/** Reads a stream from standard input into the explorer's model, without a view; tells what is held, one JSON line an hour. */
import { Source } from "../../js/src/source";

const HOUR_US = 3600e6;
const MIB = 1 << 20;
const source = new Source();
const { profile } = source;
let [peak, hour, slowest, halvings, generation] = [0, 0, 0, 0, 0];

const held = (): number => {
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return (arrayBuffers + heapUsed) / MIB;
};
const tell = (): void => {
  (globalThis as { gc?: () => void }).gc?.();
  const { length } = profile.runs;
  const weights = profile.threads.map(({ id }) => profile.runs.of(id)?.weight.data.subarray(0, profile.runs.of(id)?.length).reduce((sum, us) => sum + us, 0) ?? 0);
  const { maxRSS } = process.resourceUsage();
  process.stdout.write(`${JSON.stringify({
    hour, halvings, held: held(), peak, resident: maxRSS / 1024, rows: length, samples: profile.threadSamples, slowest,
    nodes: profile.nodeCount - 1, bytes: source.next, failure: source.failure, weights,
  })}\n`);
};

for await (const chunk of process.stdin) {
  const bytes = new Uint8Array(chunk as Uint8Array);
  const begun = process.cpuUsage();
  source.receive(source.next, bytes, source.next + bytes.length, false);
  const { user } = process.cpuUsage(begun);
  slowest = Math.max(slowest, user / 1000);
  peak = Math.max(peak, held());
  if (profile.runs.generation !== generation) {
    generation = profile.runs.generation;
    halvings++;
  }
  if (profile.endUs >= (hour + 1) * HOUR_US) {
    hour++;
    tell();
  }
}
tell();
