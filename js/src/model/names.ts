/** What a frame is called: the texts shown for a key of a call tree. */
import { isCellFile, originOf, packageOf, startsThread } from "./origin";
import type { Granularity, Profile } from "./profile";

/** Longer texts are cut. */
export const MAX_TEXT = 300;
/** Keys from here on stand for whole packages; the tree of a profile has none of them. */
export const PACKAGE_KEYS = 0x4000_0000;

/** Texts come from the target: control and direction characters would disturb the lines they are shown in. */
export function tame(text: string): string {
  const clipped = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return clipped.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g, "\u00b7");
}

/** The same for texts of several lines: help of an error, notices. */
export const tameLines = (text: string): string => text.split("\n").slice(0, 20).map(tame).join("\n");

export class Names {
  private readonly names: string[] = [];
  private readonly packages: string[] = [];
  private readonly packageNames: string[] = [];
  private labelsSeen = 0;

  constructor(readonly profile: Profile, readonly granularity: Granularity) {}

  /** The key that stands for all of a package's frames. */
  packageKey(name: string): number {
    const known = this.packages.indexOf(name);
    return PACKAGE_KEYS + (known < 0 ? this.packages.push(name) - 1 : known);
  }

  /** The package a frame belongs to. */
  package(key: number): string {
    if (key >= PACKAGE_KEYS) return this.packages[key - PACKAGE_KEYS]!;
    // A label makes a file a cell, whatever it was taken for before.
    if (this.labelsSeen !== this.profile.labels.size) {
      this.labelsSeen = this.profile.labels.size;
      this.packageNames.length = 0;
    }
    return (this.packageNames[key] ??= packageOf(this.module(key), this.shownFile(key), originOf(this.file(key), this.isLabelled(key))));
  }

  private frame(key: number): number {
    return this.profile.frameOfKey(this.granularity, key);
  }

  private text(column: "name" | "qualname" | "file" | "shortFile" | "module", key: number): string {
    if (key >= PACKAGE_KEYS) return column === "module" || column.endsWith("name") ? this.packages[key - PACKAGE_KEYS]! : "";
    return this.profile.strings.get(this.profile.frames[column].data[this.frame(key)]!);
  }

  /** The function's plain name. */
  name(key: number): string {
    if (key >= PACKAGE_KEYS) return `${tame(this.package(key))} (package)`;
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

  /** Whether the frame is code of a notebook's cell. */
  isCell(key: number): boolean {
    return isCellFile(this.file(key), this.isLabelled(key));
  }

  /** Whether the frame is one that every thread begins with. */
  startsThread(key: number): boolean {
    return startsThread(this.file(key), this.name(key));
  }

  /** The function's first line; 0 where it is unknown, and for a package. */
  firstLine(key: number): number {
    return key >= PACKAGE_KEYS ? 0 : this.profile.frames.firstLine.data[this.frame(key)]!;
  }

  /** The line that the frame stands for, where lines are told apart; else the function's first. */
  line(key: number): number {
    if (key >= PACKAGE_KEYS) return 0;
    const { line, firstLine } = this.profile.frames;
    const frame = this.frame(key);
    return this.granularity === "line" ? line.data[frame]! : firstLine.data[frame]! || line.data[frame]!;
  }

  /** Text that tells a frame from every other of its kind, in this session and in another; a line's begins as its function's. */
  ident(key: number): string {
    const parts = [this.qualname(key), this.file(key), this.firstLine(key)];
    return (this.granularity === "line" ? [...parts, this.line(key)] : parts).join("\n");
  }

  /** What a frame of the chart says: the name, and the line where lines are told apart. */
  label(key: number): string {
    const line = this.line(key);
    return this.granularity === "line" && line > 0 ? `${this.name(key)}:${line}` : this.name(key);
  }

  /** `short_file:line`; the function's first line where lines are merged; "" for synthetic frames. */
  place(key: number): string {
    const file = this.shownFile(key);
    if (!file) return "";
    const shown = this.line(key);
    return shown > 0 ? `${file}:${shown}` : file;
  }

  /** What stands beside the label: the place, but a line that the label has is not said twice. */
  beside(key: number): string {
    return this.granularity === "line" ? this.shownFile(key) : this.place(key);
  }

  /** The place with the whole file name. */
  fullPlace(key: number): string {
    const place = this.place(key);
    return place.replace(/^.*?(?=(:\d+)?$)/, () => tame(this.file(key)));
  }
}
