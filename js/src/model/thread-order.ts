/** The order of the threads: the busiest first, and steady - a row passes another only by a clear margin. */

/** A thread passes another when its share is this much greater. */
export const MARGIN = 0.03;

/** Gives `previous` with newcomers, re-ordered where a share exceeds an earlier one's by more than `margin`. */
export function steadyOrder(
  previous: readonly number[], all: readonly number[], share: (thread: number) => number, margin: number,
): number[] {
  const known = new Set(previous);
  const newcomers = all.filter((thread) => !known.has(thread)).sort((a, b) => share(b) - share(a) || a - b);
  const order: number[] = [];
  for (const thread of [...previous, ...newcomers]) {
    let at = order.length;
    while (at > 0 && share(thread) > share(order[at - 1]!) + margin) at--;
    order.splice(at, 0, thread);
  }
  return order;
}
