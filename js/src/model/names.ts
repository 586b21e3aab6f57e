/** What a frame is called: the texts shown for a key of a call tree. */
import type { Granularity, Profile } from "./profile";

const MAX_TEXT = 300;

/** Texts come from the target: control and direction characters would disturb the lines they are shown in. */
export function tame(text: string): string {
  const clipped = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return clipped.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g, "\u00b7");
}

/** The same for texts of several lines: help of an error, notices. */
export const tameLines = (text: string): string => text.split("\n").slice(0, 20).map(tame).join("\n");

export class Names {
  private readonly names: string[] = [];

  constructor(private readonly profile: Profile, private readonly granularity: Granularity) {}

  private frame(key: number): number {
    return this.profile.frameOfKey(this.granularity, key);
  }

  private text(column: "name" | "qualname" | "file" | "shortFile" | "module", key: number): string {
    return this.profile.strings[this.profile.frames[column].data[this.frame(key)]!]!;
  }

  /** The function's plain name. */
  name(key: number): string {
    return (this.names[key] ??= tame(this.text("name", key)) || "?");
  }

  qualname(key: number): string {
    return tame(this.text("qualname", key)) || this.name(key);
  }

  file(key: number): string {
    return this.text("file", key);
  }

  module(key: number): string {
    return this.text("module", key);
  }

  /** The file as shown: its label (`In[3]`) where it has one, else the short file name. */
  shownFile(key: number): string {
    const file = this.file(key);
    return tame(this.profile.labels.get(file) ?? (this.text("shortFile", key) || file));
  }

  isLabelled(key: number): boolean {
    return this.profile.labels.has(this.file(key));
  }

  /** What a frame of the chart says: the name, and the line where lines are told apart. */
  label(key: number): string {
    const line = this.profile.frames.line.data[this.frame(key)]!;
    return this.granularity === "line" && line > 0 ? `${this.name(key)}:${line}` : this.name(key);
  }

  /** `short_file:line`; the function's first line where lines are merged; "" for synthetic frames. */
  place(key: number): string {
    const file = this.shownFile(key);
    if (!file) return "";
    const { line, firstLine } = this.profile.frames;
    const frame = this.frame(key);
    const shown = this.granularity === "line" ? line.data[frame]! : firstLine.data[frame]! || line.data[frame]!;
    return shown > 0 ? `${file}:${shown}` : file;
  }

  /** The place with the whole file name. */
  fullPlace(key: number): string {
    const place = this.place(key);
    return place.replace(/^.*?(?=(:\d+)?$)/, () => tame(this.file(key)));
  }
}
