/** How numbers, times and names are written on the page. */

/**
 * Three significant digits or whole milliseconds: `0.42 ms`, `12.3 ms`, `840 ms`, `2.41 s`.
 * @param {number} ms
 */
export function formatMs(ms) {
  if (!Number.isFinite(ms)) return "–";
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms >= 100) return `${Math.round(ms)} ms`;
  if (ms >= 10) return `${ms.toFixed(1)} ms`;
  return `${ms.toFixed(2)} ms`;
}

/**
 * A long span in its two largest units: `4 s`, `3 min 20 s`, `2 h 5 min`, `9 d 4 h`.
 * @param {number} seconds
 */
export function formatSpan(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const units = /** @type {const} */ ([
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ]);
  const first = units.findIndex(([, size]) => whole >= size);
  if (first === -1) return "0 s";
  let rest = whole;
  const words = [];
  for (const [name, size] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) words.push(`${count} ${name}`);
  }
  return words.join(" ");
}

/**
 * How long ago an ISO 8601 time was.
 * @param {string} iso
 * @param {number} nowMs wall milliseconds
 */
export function formatAge(iso, nowMs) {
  const thenMs = Date.parse(iso);
  return Number.isNaN(thenMs) ? "–" : formatSpan((nowMs - thenMs) / 1000);
}

/**
 * @param {number} wallMs
 * @returns {string} the local time of day, to the second
 */
export function formatTime(wallMs) {
  return new Date(wallMs).toLocaleTimeString("en-GB");
}

/** @param {number} value */
export function formatCount(value) {
  return value.toLocaleString("en-US");
}

/**
 * A raw score of any scale, in at most four significant digits.
 * @param {number} score
 */
export function formatScore(score) {
  if (!Number.isFinite(score)) return "–";
  return Math.abs(score) >= 100 ? score.toFixed(1) : Math.abs(score) >= 10 ? score.toFixed(2) : score.toFixed(3);
}

/**
 * `1 document`, `2 documents`.
 * @param {number} count
 * @param {string} noun
 */
export function formatMany(count, noun) {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * A wire name as words: `half_open` -> `half open`.
 * @param {string} name
 */
export function formatName(name) {
  return name.replaceAll("_", " ");
}

/**
 * Any value of an attribute or a detail on one line.
 * @param {unknown} value
 * @returns {string}
 */
export function formatValue(value) {
  if (typeof value === "string") return value;
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  if (Array.isArray(value)) return value.map(formatValue).join(", ");
  return JSON.stringify(value) ?? "–";
}

/**
 * A document's address if a browser may follow it. `javascript:` and its like are shown as text only.
 * @param {string} url
 * @returns {string | null}
 */
export function safeLink(url) {
  try {
    const parsed = new URL(url);
    return parsed.protocol === "http:" || parsed.protocol === "https:" ? parsed.href : null;
  } catch {
    return null;
  }
}
