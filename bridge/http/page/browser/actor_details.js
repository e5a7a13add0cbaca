/**
 * The whole story of one actor: state and since when, restarts, breaker, mailbox, latencies, last error, its own words.
 * @import { StatusNode } from "../wire.ts"
 */
import { element, fill } from "./element.js";
import { formatAge, formatCount, formatMs, formatName, formatSpan, formatValue } from "./format.js";
import { STATE_MEANINGS, stateBadge } from "./tree.js";

/**
 * @param {HTMLElement} place
 * @param {StatusNode} node
 * @param {number} nowMs wall milliseconds
 */
export function showActor(place, node, nowMs) {
  fill(
    place,
    element("h3", { class: "actor-path" }, node.path),
    element("p", { class: "state-line" }, stateBadge(node.state).badge, element("span", {}, `for ${formatAge(node.since, nowMs)}`)),
    element("p", { class: "fine-print" }, `${STATE_MEANINGS[node.state] ?? ""}.`),
    node.last_error === null ? null : element("p", { class: "last-error" }, element("strong", {}, "Last error: "), node.last_error),
    element(
      "dl",
      { class: "facts" },
      ...facts(node, nowMs).flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]),
    ),
    ownWords(node.details ?? {}),
  );
}

/**
 * @param {StatusNode} node
 * @param {number} nowMs
 * @returns {[string, string][]}
 */
export function facts(node, nowMs) {
  const { restarts, mailbox, latency_ms: latency } = node;
  return [
    ["Kind", formatName(node.kind)],
    ["Incarnation", formatCount(node.incarnation)],
    ["Restarts", `${restarts.count} of ${restarts.max} allowed in ${formatSpan(restarts.window_s)}`],
    ["Breaker", formatName(node.breaker)],
    ...(node.next_probe_at === null ? [] : [/** @type {[string, string]} */ (["Next probe", untilProbe(node.next_probe_at, nowMs)])]),
    ["Mailbox", `${formatCount(mailbox.depth)} of ${formatCount(mailbox.capacity)}`],
    ...(mailbox.depth === 0 ? [] : [/** @type {[string, string]} */ (["Oldest waits", formatMs(mailbox.oldest_ms)])]),
    ["In flight", formatCount(node.in_flight)],
    ["p50 / p95 / p99", [latency.p50, latency.p95, latency.p99].map((ms) => (ms > 0 ? formatMs(ms) : "–")).join(" / ")],
  ];
}

/**
 * @param {string} iso
 * @param {number} nowMs
 */
function untilProbe(iso, nowMs) {
  const seconds = Math.ceil((Date.parse(iso) - nowMs) / 1000);
  return seconds > 0 ? `in ${formatSpan(seconds)}` : "now";
}

/** @param {Readonly<Record<string, unknown>>} details */
function ownWords(details) {
  const entries = Object.entries(details);
  if (entries.length === 0) return null;
  return element(
    "dl",
    { class: "facts own-words" },
    ...entries.flatMap(([key, value]) => [element("dt", {}, formatName(key)), element("dd", {}, formatValue(value))]),
  );
}
