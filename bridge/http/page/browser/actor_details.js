/**
 * The whole story of one actor: state and since when, restarts, breaker, mailbox, latencies, last error, its own words.
 * @import { StatusNode } from "../wire.ts"
 */
import { element, fill } from "./element.js";
import { formatAge, formatCount, formatMs, formatName, formatSpan, formatValue } from "./format.js";
import { STATE_MEANINGS, stateBadge } from "./tree.js";

/** @type {Record<string, string>} */
const COUNT_NAMES = { ok: "Answered", failed: "Failed", rejected: "Rejected", expired: "Expired", cancelled: "Cancelled", slow: "Slow" };

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
 * What is known of an actor, as terms and values; what does not apply to it is left out.
 * @param {StatusNode} node
 * @param {number} nowMs wall milliseconds
 * @returns {[string, string][]}
 */
export function facts({ kind, incarnation, restarts, breaker, mailbox, in_flight: inFlight, latency_ms: latency, ...rest }, nowMs) {
  /** @type {[string, string][]} */
  const found = [
    ["Kind", formatName(kind)],
    ["Incarnation", formatCount(incarnation)],
  ];
  if (restarts.max > 0) found.push(["Restarts", `${restarts.count} of ${restarts.max} allowed in ${formatSpan(restarts.window_s)}`]);
  found.push(["Breaker", formatName(breaker)]);
  if (rest.next_probe_at !== null) found.push(["Next probe", untilProbe(rest.next_probe_at, nowMs)]);
  if (mailbox.capacity > 0) {
    found.push(["Mailbox", `${formatCount(mailbox.depth)} of ${formatCount(mailbox.capacity)}`]);
    if (mailbox.depth > 0) found.push(["Oldest waits", formatMs(mailbox.oldest_ms)]);
    found.push(["In flight", formatCount(inFlight)]);
  }
  if (rest.pool !== undefined) {
    const { in_use: inUse, idle, waiting, max } = rest.pool;
    found.push(["Connections", `${formatCount(inUse)} in use, ${formatCount(idle)} idle, at most ${formatCount(max)}`]);
    if (waiting > 0) found.push(["Wait for one", formatCount(waiting)]);
  }
  for (const [name, ms] of Object.entries(latency)) if (ms > 0) found.push([name, formatMs(ms)]);
  for (const [name, count] of Object.entries(rest.counts ?? {})) if (count > 0) found.push([COUNT_NAMES[name] ?? name, formatCount(count)]);
  return found;
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
