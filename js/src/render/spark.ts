/** The sparkline of a thread: its activity as the outline of an area, in the words of an SVG path. */

export const SPARK_WIDTH = 56;
export const SPARK_HEIGHT = 16;

/** A bar for each share, without gaps between. An idle thread has a line of one pixel. */
export function sparkPath(shares: Float32Array): string {
  const step = SPARK_WIDTH / shares.length;
  let path = `M0 ${SPARK_HEIGHT}`;
  shares.forEach((share, i) => {
    const y = (SPARK_HEIGHT - 1 - share * (SPARK_HEIGHT - 1)).toFixed(1);
    path += `V${y}H${((i + 1) * step).toFixed(1)}`;
  });
  return `${path}V${SPARK_HEIGHT}Z`;
}
