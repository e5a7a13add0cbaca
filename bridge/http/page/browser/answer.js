/**
 * How an answer came about: its mode, what was missing, where the time went.
 * @import { Degradation, TimedAnswer } from "../wire.ts"
 */
import { bar, element, icon } from "./element.js";
import { formatMany, formatMs, formatName, formatSpan } from "./format.js";

/** @type {Record<string, string>} */
export const MODE_MEANINGS = {
  full: "Everything the collection is configured with is up",
  no_rewrite: "The language model is down: questions are not rewritten",
  no_rerank: "The reranker is down: passages keep their fused order",
  basic: "The lexical index is down: vector search only",
  lexical: "Embedding is down: BM25 only",
  stale: "The store is down: answers come from the cache, with their age",
  down: "Nothing is left to answer with",
};

/** @type {Record<string, string>} */
const CACHE_MEANINGS = {
  hit: "served from the result cache",
  miss: "worked out anew",
  coalesced: "shared with the same question asked at the same time",
  off: "result cache not used",
};

/** In the order a query takes; phases the page does not know come after these. */
const PHASES = ["queue", "rewrite", "embed", "vector", "bm25", "fuse", "parents", "rerank", "fetch"];

/**
 * Phases in their order with their share of the total; branches run side by side, so shares may add up to more than one.
 * @param {Readonly<Record<string, number>>} timingsMs
 * @returns {{ name: string, ms: number, share: number }[]}
 */
export function phaseRows(timingsMs) {
  const names = Object.keys(timingsMs).filter((name) => name !== "total");
  const place = (/** @type {string} */ name) => (PHASES.includes(name) ? PHASES.indexOf(name) : PHASES.length);
  names.sort((a, b) => place(a) - place(b));
  const longestMs = Math.max(timingsMs.total ?? 0, ...names.map((name) => timingsMs[name] ?? 0));
  return names.map((name) => {
    const ms = timingsMs[name] ?? 0;
    return { name, ms, share: longestMs > 0 ? ms / longestMs : 0 };
  });
}

/**
 * @param {TimedAnswer} timed
 * @returns {HTMLElement}
 */
export function answerLine({ answer }) {
  const totalMs = answer.timings_ms.total;
  return element(
    "p",
    { class: "answer-line" },
    element("strong", {}, formatMany(answer.data.length, "passage")),
    totalMs === undefined ? null : ` in ${formatMs(totalMs)}`,
  );
}

/**
 * @param {TimedAnswer} timed
 * @returns {HTMLElement}
 */
export function answerDetails({ answer, roundTripMs, requestId }) {
  const { mode, cache, freshness } = answer;
  return element(
    "div",
    { class: "provenance" },
    element(
      "dl",
      { class: "facts" },
      ...fact("Mode", formatName(mode), MODE_MEANINGS[mode]),
      ...fact("Cache", cache, CACHE_MEANINGS[cache]),
      ...fact(
        "Index",
        `version ${answer.index_version}`,
        freshness.age_ms > 0 ? `${freshness.index}, ${formatSpan(freshness.age_ms / 1000)} old` : freshness.index,
      ),
    ),
    element("h3", {}, "Where the time went"),
    element(
      "dl",
      { class: "phases" },
      ...phaseRows(answer.timings_ms).map(({ name, ms, share }) =>
        element(
          "div",
          { class: "phase" },
          element("dt", {}, name),
          element("dd", {}, bar(share, "phase-bar"), element("span", {}, formatMs(ms))),
        ),
      ),
      ...total("in the server", answer.timings_ms.total),
      ...total("with the way here", roundTripMs),
    ),
    requestId === null ? null : element("p", { class: "request-id" }, "Request ", element("code", {}, requestId)),
  );
}

/**
 * @param {string} term
 * @param {string} value
 * @param {string | undefined} meaning
 */
function fact(term, value, meaning) {
  return [
    element("dt", {}, term),
    element("dd", {}, element("strong", {}, value), meaning === undefined ? null : element("span", {}, meaning)),
  ];
}

/**
 * @param {string} name
 * @param {number | undefined} ms
 */
function total(name, ms) {
  return ms === undefined ? [] : [element("div", { class: "phase-total" }, element("dt", {}, name), element("dd", {}, formatMs(ms)))];
}

/**
 * Tells in words what an answer had to do without; null when nothing is missing.
 * @param {readonly Degradation[]} degradations
 * @returns {HTMLElement | null}
 */
export function degradationNotice(degradations) {
  if (degradations.length === 0) return null;
  return element(
    "div",
    { class: "notice warn" },
    icon("suspended"),
    element(
      "div",
      {},
      element("h3", {}, "This answer had to do without a part"),
      element(
        "ul",
        {},
        ...degradations.map(({ stage, reason, service, breaker }) =>
          element(
            "li",
            {},
            element("strong", {}, formatName(stage)),
            ` was left out: ${formatName(reason)} (${service}, breaker ${formatName(breaker)})`,
          ),
        ),
      ),
    ),
  );
}
