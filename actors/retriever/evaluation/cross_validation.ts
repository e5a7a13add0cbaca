/**
 * What a choice among candidates is worth on queries that it was not made on: k-fold cross-validation (Stone, JRSS B 1974).
 * Query q falls into fold q mod `folds`; for each fold the candidate with the greatest mean on the other folds (the first
 * of equal ones) is scored on it.
 * @param scores one row a candidate, one column a query, rows of one length
 * @param folds >= 2
 * @returns the mean over all queries; null with fewer queries than folds or without candidates
 */
export function crossValidate(scores: readonly (readonly number[])[], folds: number): number | null {
  const queries = scores[0]?.length ?? 0;
  if (queries < folds) return null;
  let sum = 0;
  for (let fold = 0; fold < folds; fold++) {
    const isHeldOut = (query: number) => query % folds === fold;
    const totals = scores.map((row) => sumWhere(row, (query) => !isHeldOut(query)));
    const chosen = totals.indexOf(Math.max(...totals));
    sum += sumWhere(scores[chosen] ?? [], isHeldOut);
  }
  return sum / queries;
}

function sumWhere(row: readonly number[], counts: (query: number) => boolean): number {
  return row.reduce((sum, score, query) => (counts(query) ? sum + score : sum), 0);
}
