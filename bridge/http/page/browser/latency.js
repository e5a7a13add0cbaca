/**
 * Searches over time: how long they took, how many there were, which mode they ran in. The figures come from the
 * difference between two readings of /metrics, so they hold for every caller of this node.
 * @import { HistogramReading } from "./metrics_text.js"
 * @import { Interval, ModeSpan } from "./history.js"
 */
import { MODE_MEANINGS } from "./answer.js";
import { element, fill, setText } from "./element.js";
import { formatMs, formatName, formatSpan, formatTime } from "./format.js";
import { between, quantile, readHistogram, readSamples } from "./metrics_text.js";

/** How long every answered search took, in seconds; its label `phase` is `total` for the whole. */
const DURATIONS = "kennel_search_phase_duration_seconds";
const FAILURES = "kennel_search_failures_total";

/**
 * @typedef {object} SearchReading
 * @property {HistogramReading} answered
 * @property {number} failed
 */

/**
 * @param {string} metricsText
 * @returns {SearchReading} zero where nothing was measured yet
 */
export function readSearches(metricsText) {
  return {
    answered: readHistogram(metricsText, DURATIONS, ({ phase }) => phase === "total"),
    failed: readSamples(metricsText, FAILURES).reduce((sum, { value }) => sum + value, 0),
  };
}

/**
 * @param {SearchReading} before
 * @param {SearchReading} after
 * @param {number} elapsedMs
 * @param {number} wallMs
 * @returns {Interval}
 */
export function searchInterval(before, after, elapsedMs, wallMs) {
  const observed = between(before.answered, after.answered);
  const failed = after.failed < before.failed ? after.failed : after.failed - before.failed;
  const toMs = (/** @type {number | null} */ seconds) => (seconds === null ? null : seconds * 1000);
  const seconds = Math.max(elapsedMs, 1) / 1000;
  return {
    wallMs,
    p50Ms: toMs(quantile(observed, 0.5)),
    p95Ms: toMs(quantile(observed, 0.95)),
    p99Ms: toMs(quantile(observed, 0.99)),
    perSecond: observed.count / seconds,
    failedPerSecond: failed / seconds,
  };
}

/**
 * @param {HTMLElement} place
 * @param {Interval | null} interval
 */
export function showFigures(place, interval) {
  const ms = (/** @type {number | null | undefined} */ value) => (value === null || value === undefined ? "–" : formatMs(value));
  const rate = (/** @type {number | null | undefined} */ value) =>
    value === null || value === undefined ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} / s`;
  const figures = [
    ["p50", ms(interval?.p50Ms)],
    ["p95", ms(interval?.p95Ms)],
    ["p99", ms(interval?.p99Ms)],
    ["Searches", rate(interval?.perSecond)],
    ["Failed", rate(interval?.failedPerSecond)],
  ];
  if (place.childElementCount === 0) {
    fill(place, ...figures.map(([term = ""]) => element("div", { class: "figure" }, element("dt", {}, term), element("dd", {}))));
  }
  for (const [index, cell] of [...place.querySelectorAll("dd")].entries()) setText(cell, figures[index]?.[1] ?? "–");
}

/**
 * @param {HTMLElement} place
 * @param {readonly ModeSpan[]} spans
 */
export function showModes(place, spans) {
  const totalMs = spans.reduce((sum, span) => sum + (span.toMs - span.fromMs), 0);
  const strip = element("div", { class: "mode-strip", "aria-hidden": "true" });
  for (const span of spans) {
    const piece = element("span", { class: `mode-piece mode-${span.mode}` });
    piece.style.setProperty("flex-grow", String(totalMs === 0 ? 1 : (span.toMs - span.fromMs) / totalMs));
    strip.append(piece);
  }
  const list = element("ol", { class: "mode-list", reversed: true });
  for (const span of spans.slice(-8).reverse()) {
    list.append(
      element(
        "li",
        {},
        element("span", { class: `mode-dot mode-${span.mode}`, "aria-hidden": "true" }),
        element("strong", {}, formatName(span.mode)),
        element("span", { class: "fine-print" }, `from ${formatTime(span.fromMs)}, ${formatSpan((span.toMs - span.fromMs) / 1000)}`),
        element("span", { class: "fine-print" }, MODE_MEANINGS[span.mode] ?? "The server gave this page no answer"),
      ),
    );
  }
  fill(place, strip, list);
}
