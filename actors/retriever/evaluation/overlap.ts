/** How alike two rankings are, where nobody has judged either. */

/** Share of the first `depth` ids that both have, of the longer list's, 0..1; two empty lists are alike. */
export function overlap(left: readonly string[], right: readonly string[], depth: number): number {
  const [a, b] = [left.slice(0, depth), new Set(right.slice(0, depth))];
  const longer = Math.max(a.length, b.size);
  return longer === 0 ? 1 : a.filter((id) => b.has(id)).length / longer;
}

/**
 * Rank-biased overlap of the first `depth` ids, extrapolated from them, 0..1: agreement at each depth, weighted by a
 * reader who goes on to the next rank with probability `persistence`. RBO_ext, equation 23 of Webber, Moffat and Zobel, A
 * similarity measure for indefinite rankings, TOIS 2010. Two empty lists are alike.
 * @param left ids, each once @param right ids, each once
 * @param persistence above 0 and below 1; with 0.9 the first ten ranks have 86 % of the weight
 */
export function rankBiasedOverlap(left: readonly string[], right: readonly string[], depth: number, persistence = 0.9): number {
  const ranks = Math.min(depth, Math.max(left.length, right.length));
  if (ranks === 0) return 1;
  const [seenLeft, seenRight] = [new Set<string>(), new Set<string>()];
  let shared = 0;
  let sum = 0;
  for (let rank = 1; rank <= ranks; rank++) {
    const [a, b] = [left[rank - 1], right[rank - 1]];
    if (a !== undefined) seenLeft.add(a);
    if (b !== undefined) seenRight.add(b);
    if (a !== undefined && seenRight.has(a)) shared++;
    if (b !== undefined && b !== a && seenLeft.has(b)) shared++;
    sum += (shared / rank) * persistence ** rank;
  }
  return (shared / ranks) * persistence ** ranks + ((1 - persistence) / persistence) * sum;
}
