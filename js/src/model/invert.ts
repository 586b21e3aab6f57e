/**
 * Call trees upside down: the root's children are where time was spent, theirs are the callers. A whole inverted tree
 * has a node for every frame of every stack, so it is grown on demand: what is wide enough to be seen, and below a
 * zoomed node what is wide enough then.
 */
import { Weights } from "./weights";
import { CallTree } from "./tree";

/** Where stacks are read from, upwards: nodes, and the weight that each brings along. */
export interface Seeds {
  readonly nodes: readonly number[];
  readonly weight: ArrayLike<number>;
  readonly samples: ArrayLike<number>;
}

/** Nodes below this share of the one that fills the chart are narrower than half a pixel on any screen. */
export const LEAST_SHARE = 1 / 8192;
const MAX_NODES = 400_000;

export class InvertedTree {
  readonly tree = new CallTree();
  readonly weights = new Weights(this.tree);
  /** For nodes not yet grown: pairs of a seed and the node on its way to the root where this one stands. */
  private readonly pending = new Map<number, number[]>();

  constructor(private readonly base: CallTree, private readonly seeds: Seeds) {
    const members: number[] = [];
    seeds.nodes.forEach((node, seed) => {
      if (node !== 0) members.push(seed, node);
      this.addTo(0, seed);
      if (node === 0) this.endAt(0, seed);
    });
    this.group(0, members);
  }

  /** Grows what is at or below `node` and has at least `share` of its weight; true where there was something new. */
  grow(node: number, share = LEAST_SHARE): boolean {
    const before = this.tree.size;
    const least = this.weights.total[node]! * share;
    const waiting = [node];
    const { firstChild, nextSibling } = this.tree;
    while (waiting.length && this.tree.size < MAX_NODES) {
      const at = waiting.pop()!;
      const members = this.pending.get(at);
      if (members) {
        this.pending.delete(at);
        this.step(at, members);
      }
      for (let child = firstChild.data[at]!; child >= 0; child = nextSibling.data[child]!) {
        if (this.weights.total[child]! >= least) waiting.push(child);
      }
    }
    return this.tree.size > before;
  }

  /** Moves each member to its caller, and groups them by it. */
  private step(node: number, members: readonly number[]): void {
    const { parent } = this.base;
    const next: number[] = [];
    for (let i = 0; i < members.length; i += 2) {
      const above = parent.data[members[i + 1]!]!;
      if (above === 0) this.endAt(node, members[i]!);
      else next.push(members[i]!, above);
    }
    this.group(node, next);
  }

  private group(node: number, members: readonly number[]): void {
    const { key } = this.base;
    for (let i = 0; i < members.length; i += 2) {
      const child = this.tree.child(node, key.data[members[i + 1]!]!);
      this.weights.reserve();
      this.addTo(child, members[i]!);
      let own = this.pending.get(child);
      if (!own) this.pending.set(child, (own = []));
      own.push(members[i]!, members[i + 1]!);
    }
  }

  private addTo(node: number, seed: number): void {
    this.weights.total[node]! += this.seeds.weight[seed]!;
    this.weights.samples[node]! += this.seeds.samples[seed]!;
  }

  /** A stack begins here: nobody called it. */
  private endAt(node: number, seed: number): void {
    this.weights.addSelf(node, this.seeds.weight[seed]!, this.seeds.samples[seed]!);
  }
}

/** Seeds of the whole tree: every node with time of its own. */
export function ownTimes(tree: CallTree, weights: Weights): Seeds {
  const nodes: number[] = [];
  const weight: number[] = [];
  const samples: number[] = [];
  for (let node = 0; node < tree.size; node++) {
    if (!(weights.self[node]! > 0)) continue;
    nodes.push(node);
    weight.push(weights.self[node]!);
    samples.push(weights.selfSamples[node]!);
  }
  return { nodes, weight, samples };
}
