/** Whether a profile has code of a notebook's cells, or of what threads begin with: then there is machinery, which can be hidden. */
import type { Names } from "./names";
import { isCellFile, startsThread } from "./origin";
import type { Profile } from "./profile";

export class CellWatch {
  cells = false;
  private threads = false;
  private keysSeen = 0;
  private labelsSeen = 0;
  private lastFile = -1;
  private threading = false;

  get found(): boolean {
    return this.cells || this.threads;
  }

  /** Looks at what is new; true where machinery was found, or more files are known to be cells. */
  look(profile: Profile, names: Names, keys: number): boolean {
    let cells = profile.labels.size !== this.labelsSeen;
    let threads = this.threads;
    const { frames: { file, name }, labels, strings } = profile;
    const frameOf = profile.framesOfKeys(names.granularity);
    // Of a file as many functions as there are: its name is looked at once.
    for (let key = Math.min(this.keysSeen, keys); key < keys && !this.cells && !cells; key++) {
      const frame = frameOf[key]!;
      const own = file.data[frame]!;
      if (own !== this.lastFile) {
        this.lastFile = own;
        const text = strings.get(own);
        this.threading = startsThread(text, "run");
        cells = isCellFile(text, labels.has(text));
      }
      threads ||= this.threading && startsThread(strings.get(own), strings.get(name.data[frame]!));
    }
    const more = cells || threads !== this.threads;
    this.keysSeen = keys;
    this.labelsSeen = profile.labels.size;
    this.cells ||= cells;
    this.threads = threads;
    return more;
  }
}
