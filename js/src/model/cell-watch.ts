/** Whether a profile has code of a notebook's cells: then there is machinery that runs them, which can be hidden. */
import type { Names } from "./names";
import type { Profile } from "./profile";

export class CellWatch {
  found = false;
  private keysSeen = 0;
  private labelsSeen = 0;

  /** Looks at what is new; true where cells were found, or more files are known to be some. */
  look(profile: Profile, names: Names, keys: number): boolean {
    let more = profile.labels.size !== this.labelsSeen;
    for (let key = Math.min(this.keysSeen, keys); key < keys && !this.found && !more; key++) more = names.isCell(key);
    this.keysSeen = keys;
    this.labelsSeen = profile.labels.size;
    this.found ||= more;
    return more;
  }
}
