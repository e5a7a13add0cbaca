/** The q-quantile (0..1) by nearest rank; NaN for nothing. Sorts a copy. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Slope of the least-squares line through (place, value): growth per sample. */
export function slope(values: readonly number[]): number {
  const meanPlace = (values.length - 1) / 2;
  const meanValue = values.reduce((sum, value) => sum + value, 0) / values.length;
  let above = 0;
  let below = 0;
  for (const [place, value] of values.entries()) {
    above += (place - meanPlace) * (value - meanValue);
    below += (place - meanPlace) ** 2;
  }
  return below === 0 ? 0 : above / below;
}
