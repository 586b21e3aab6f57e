/** Whether a profile has code of a notebook's cells: then there is machinery that runs them, which can be hidden. */
import type { Names } from "./names";
import { isCellFile } from "./origin";
import type { Profile } from "./profile";

export class CellWatch {
  found = false;
  private keysSeen = 0;
  private labelsSeen = 0;
  private lastFile = -1;

  /** Looks at what is new; true where cells were found, or more files are known to be some. */
  look(profile: Profile, names: Names, keys: number): boolean {
    let more = profile.labels.size !== this.labelsSeen;
    const { frames: { file }, labels, strings } = profile;
    const frameOf = profile.framesOfKeys(names.granularity);
    // Of a file as many functions as there are: its name is looked at once.
    for (let key = Math.min(this.keysSeen, keys); key < keys && !this.found && !more; key++) {
      const own = file.data[frameOf[key]!]!;
      if (own === this.lastFile) continue;
      this.lastFile = own;
      more = isCellFile(strings.get(own), labels.has(strings.get(own)));
    }
    this.keysSeen = keys;
    this.labelsSeen = profile.labels.size;
    this.found ||= more;
    return more;
  }
}
