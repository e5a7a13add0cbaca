/** What the page has seen so far, bounded: searches by interval, and the modes one after another. */

/**
 * @typedef {object} Interval searches between two readings
 * @property {number} wallMs its end
 * @property {number | null} p50Ms null: there was no search
 * @property {number | null} p95Ms
 * @property {number | null} p99Ms
 * @property {number | null} perSecond
 * @property {number | null} failedPerSecond
 */

/** Readings further apart than this are not joined by a line. */
const GAP_MS = 15_000;

/**
 * @param {number} capacity intervals kept
 * @returns {{ push(interval: Interval): void, columns(): (number | null)[][], last(): Interval | null }}
 */
export function createLatencyHistory(capacity) {
  /** @type {Interval[]} */
  const kept = [];
  /** @param {Interval} interval */
  function add(interval) {
    kept.push(interval);
    if (kept.length > capacity) kept.shift();
  }
  return {
    push(interval) {
      const last = kept.at(-1);
      if (last !== undefined && interval.wallMs - last.wallMs > GAP_MS) {
        add({ wallMs: last.wallMs + 1, p50Ms: null, p95Ms: null, p99Ms: null, perSecond: null, failedPerSecond: null });
      }
      add(interval);
    },
    /** One array of seconds, then one array a line, as uPlot takes them. */
    columns: () => [
      kept.map((interval) => interval.wallMs / 1000),
      kept.map((interval) => interval.p50Ms),
      kept.map((interval) => interval.p95Ms),
      kept.map((interval) => interval.p99Ms),
      kept.map((interval) => interval.perSecond),
      kept.map((interval) => interval.failedPerSecond),
    ],
    last: () => kept.at(-1) ?? null,
  };
}

/** The name of a span in which the server gave no answer. */
export const UNREACHABLE = "unreachable";

/** @typedef {{ mode: string, fromMs: number, toMs: number }} ModeSpan */

/**
 * @param {number} capacity spans kept
 * @returns {{ push(mode: string, wallMs: number): void, spans(): readonly ModeSpan[] }} spans oldest first, each beginning where the one before ends
 */
export function createModeHistory(capacity) {
  /** @type {ModeSpan[]} */
  const spans = [];
  return {
    push(mode, wallMs) {
      const last = spans.at(-1);
      if (last !== undefined) last.toMs = Math.max(last.toMs, wallMs);
      if (last?.mode === mode) return;
      spans.push({ mode, fromMs: last?.toMs ?? wallMs, toMs: last?.toMs ?? wallMs });
      if (spans.length > capacity) spans.shift();
    },
    spans: () => spans,
  };
}
