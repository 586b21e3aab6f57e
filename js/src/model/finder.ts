/** The search: what the query means, which functions match it, and where they are in what is shown. */
import type { Names } from "./names";
import type { Scene, TreeScene } from "./scene";
import { nothing } from "./scene";
import { heaviestFirst, Matches, parseQuery } from "./search";

export class Finder {
  /** What is wrong with the query; "" for nothing. */
  error = "";
  matches: Matches | null = null;
  private test: ((text: string) => boolean) | null = null;
  /** Matches among the names of both profiles that are compared. */
  private ofBoth: Matches | null = null;

  /** Looks for another query, or for the same among other names. */
  set(query: string, names: Names): void {
    const parsed = parseQuery(query);
    this.error = parsed && "error" in parsed ? parsed.error : "";
    this.test = parsed && "test" in parsed ? parsed.test : null;
    this.matches = parsed && "test" in parsed ? new Matches(parsed, names) : null;
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
    const matches = this.in(scene, changes);
    if (!matches) {
      scene.found = nothing;
      return;
    }
    matches.update(keys);
    const { total } = scene.weights;
    const { nodes, weight } = matches.inTree(scene.tree, total, scene.zoom);
    scene.found = { nodes: heaviestFirst(nodes, total), share: total[scene.zoom]! > 0 ? weight / total[scene.zoom]! : 0 };
  }
}
