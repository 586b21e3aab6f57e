/** What a double click takes back: the clicks that it begins with show something that was not meant. */
import type { Settings } from "../model/settings";
import type { Cleanup } from "./dom";

/** Systems take two clicks for a double click within less. */
const APART_MS = 500;

export class Clicks {
  /** What was set before the last click, or before the first of several. */
  before: Settings | undefined;
  private at = -Infinity;

  constructor(element: HTMLElement, settings: () => Settings, cleanup: Cleanup) {
    cleanup.listen(element, "pointerdown", ({ timeStamp }) => {
      if (timeStamp - this.at > APART_MS) this.before = settings();
      this.at = timeStamp;
    });
    cleanup.listen(element, "dblclick", () => (this.at = -Infinity));
  }
}
