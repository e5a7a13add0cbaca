/**
 * Reads what the page draws out of Prometheus' text format, and turns two readings of a histogram into what happened between.
 */

/**
 * @typedef {object} HistogramReading cumulative, over all label sets that were asked for
 * @property {readonly { readonly le: number, readonly count: number }[]} buckets by rising bound, the last one infinite
 * @property {number} count
 */

const SAMPLE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/**
 * @param {string} text
 * @param {string} family
 * @returns {{ name: string, labels: Record<string, string>, value: number }[]} samples whose name begins with `family`
 */
export function readSamples(text, family) {
  const samples = [];
  for (const line of text.split("\n")) {
    if (!line.startsWith(family)) continue;
    const match = SAMPLE.exec(line);
    if (match === null) continue;
    const [, name = "", labelText = "", value = ""] = match;
    /** @type {Record<string, string>} */
    const labels = {};
    for (const [, key = "", escaped = ""] of labelText.matchAll(LABEL))
      labels[key] = escaped.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
    samples.push({ name, labels, value: value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value) });
  }
  return samples;
}

/**
 * Adds up a histogram over its label sets.
 * @param {string} text
 * @param {string} family
 * @param {(labels: Readonly<Record<string, string>>) => boolean} isWanted
 * @returns {HistogramReading} empty where the text does not have it
 */
export function readHistogram(text, family, isWanted) {
  /** @type {Map<number, number>} */
  const byBound = new Map();
  let count = 0;
  for (const { name, labels, value } of readSamples(text, family)) {
    if (!isWanted(labels)) continue;
    if (name === `${family}_count`) count += value;
    if (name !== `${family}_bucket` || labels.le === undefined) continue;
    const le = labels.le === "+Inf" ? Number.POSITIVE_INFINITY : Number(labels.le);
    byBound.set(le, (byBound.get(le) ?? 0) + value);
  }
  const buckets = [...byBound].sort(([a], [b]) => a - b).map(([le, inBucket]) => ({ le, count: inBucket }));
  return { buckets, count };
}

/**
 * What was observed between two readings. After a restart of the server its counters begin anew; then the later reading is
 * all there is.
 * @param {HistogramReading} before
 * @param {HistogramReading} after
 * @returns {HistogramReading}
 */
export function between(before, after) {
  if (after.count < before.count) return after;
  const earlier = new Map(before.buckets.map(({ le, count }) => [le, count]));
  return {
    buckets: after.buckets.map(({ le, count }) => ({ le, count: Math.max(0, count - (earlier.get(le) ?? 0)) })),
    count: after.count - before.count,
  };
}

/**
 * A quantile by linear interpolation inside its bucket, as Prometheus' `histogram_quantile` does; what lies beyond the
 * last finite bound counts as that bound.
 * @param {HistogramReading} reading
 * @param {number} share 0..1
 * @returns {number | null} in the histogram's unit; null when nothing was observed
 */
export function quantile({ buckets, count }, share) {
  if (count <= 0) return null;
  const wanted = share * count;
  let lowerBound = 0;
  let below = 0;
  for (const { le, count: upTo } of buckets) {
    if (upTo >= wanted && upTo > below) {
      return le === Number.POSITIVE_INFINITY ? lowerBound : lowerBound + (le - lowerBound) * ((wanted - below) / (upTo - below));
    }
    if (le !== Number.POSITIVE_INFINITY) lowerBound = le;
    below = upTo;
  }
  return lowerBound;
}
