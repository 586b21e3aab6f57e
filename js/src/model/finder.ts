/** The search: what the query means, which functions match it, and where they are in what is shown. */
import type { Names } from "./names";
import type { Scene, TreeScene } from "./scene";
import { nothing } from "./scene";
import { heaviestFirst, Matches, parseQuery } from "./search";
import { Slices } from "./slices";

export class Finder {
  /** What is wrong with the query; "" for nothing. */
  error = "";
  /** What is shown as matching: that of before until all of the new is known. */
  matches: Matches | null = null;
  readonly slices = new Slices();
  private next: Matches | null = null;
  private test: ((text: string) => boolean) | null = null;
  /** Matches among the names of both profiles that are compared. */
  private ofBoth: Matches | null = null;

  /** `later` is called when what was looked for is found, where that was not at once. */
  constructor(private readonly later: () => void) {}

  /** Looks for another query, or for the same among other names. */
  set(query: string, names: Names): void {
    const parsed = parseQuery(query);
    this.error = parsed && "error" in parsed ? parsed.error : "";
    this.test = parsed && "test" in parsed ? parsed.test : null;
    this.next = parsed && "test" in parsed ? new Matches(parsed, names) : null;
    if (!this.next || this.matches?.names !== names) this.matches = this.next;
    this.ofBoth = null;
  }

  /** The matches among a scene's keys; `changes` is the scene that has names of its own. */
  in(scene: Scene, changes: TreeScene): Matches | null {
    if (scene !== changes || !this.test) return this.matches;
    // One by one: the profile's own strings, which a plain text is looked for in, are not those of both.
    if (this.ofBoth?.names !== scene.names) this.ofBoth = new Matches({ test: this.test }, scene.names);
    return this.ofBoth;
  }

  /** Finds what matches in a scene whose names have `keys`. */
  search(scene: Scene, changes: TreeScene, keys: number): void {
    const matches = scene === changes ? this.in(scene, changes) : this.next;
    if (!matches) {
      this.slices.stop();
      scene.found = nothing;
      return;
    }
    this.slices.run(this.steps(matches, scene, keys), this.later);
  }

  private *steps(matches: Matches, scene: Scene, keys: number): Generator<void> {
    yield* matches.steps(keys);
    const { tree, weights: { total }, zoom } = scene;
    const { nodes, weight } = yield* matches.inTree(tree, total, zoom);
    scene.found = { nodes: yield* heaviestFirst(nodes, total), share: total[zoom]! > 0 ? weight / total[zoom]! : 0 };
    this.matches = this.next;
  }
}
