// Decodes a pprof file with npm's pprof-format, and prints it as JSON with its strings looked up.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { Profile } from "pprof-format";

const profile = Profile.decode(gunzipSync(readFileSync(process.argv[2])));
const text = (index) => profile.stringTable.strings[Number(index)];
const functions = new Map(profile.function.map((one) => [String(one.id), one]));
const locations = new Map(profile.location.map((one) => [String(one.id), one]));
const frame = (line) => {
  const of = functions.get(String(line.functionId));
  return [text(of.name), text(of.filename), Number(line.line), Number(of.startLine)];
};
process.stdout.write(JSON.stringify({
  types: profile.sampleType.map((type) => [text(type.type), text(type.unit)]),
  period: Number(profile.period),
  time: String(profile.timeNanos),
  duration: Number(profile.durationNanos),
  samples: profile.sample.map((sample) => ({
    values: sample.value.map(Number),
    labels: Object.fromEntries(sample.label.map((one) => [text(one.key), Number(one.str) ? text(one.str) : Number(one.num)])),
    stack: sample.locationId.map((id) => frame(locations.get(String(id)).line[0])),
  })),
}));
