/**
 * Means with their intervals side by side: a dot for each, a line from the low to the high end. Decoration for those who see
 * it; the figures stand in a table.
 * @import { Interval } from "../wire.ts"
 */

const SVG = "http://www.w3.org/2000/svg";
const ROW = 34;
const LABEL = 146;
const RIGHT = 78;
const AXIS = 26;

/**
 * @param {readonly { readonly label: string, readonly interval: Interval }[]} rows
 * @param {number} width in pixels, as wide as it will be shown: letters stay as large as the page's
 * @returns {SVGElement}
 */
export function intervalPlot(rows, width) {
  const height = rows.length * ROW + AXIS;
  const svg = node("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    class: "interval-plot",
    "aria-hidden": "true",
    focusable: "false",
  });
  const [low, high] = spanOf(rows.map(({ interval }) => interval));
  const x = (/** @type {number} */ value) => LABEL + ((value - low) / (high - low)) * (width - LABEL - RIGHT);
  const ticks = width < 480 ? 2 : 4;
  for (let tick = 0; tick <= ticks; tick++) {
    const value = low + ((high - low) * tick) / ticks;
    svg.append(node("line", { x1: x(value), x2: x(value), y1: 0, y2: rows.length * ROW, class: "grid" }));
    svg.append(text(value.toFixed(2), { x: x(value), y: height - 8, class: "tick", "text-anchor": "middle" }));
  }
  const best = Math.max(...rows.map(({ interval }) => interval.mean));
  for (const [at, { label, interval }] of rows.entries()) {
    const y = at * ROW + ROW / 2;
    const kind = interval.mean === best ? "best" : "other";
    svg.append(text(label, { x: LABEL - 14, y: y + 5, class: "label", "text-anchor": "end" }));
    svg.append(node("line", { x1: x(interval.low), x2: x(interval.high), y1: y, y2: y, class: `range ${kind}` }));
    svg.append(node("circle", { cx: x(interval.mean), cy: y, r: 6, class: `mean ${kind}` }));
    svg.append(text(interval.mean.toFixed(3), { x: width - 4, y: y + 5, class: `value ${kind}`, "text-anchor": "end" }));
  }
  return svg;
}

/**
 * Round ends that hold every interval, within 0 to 1.
 * @param {readonly Interval[]} intervals
 * @returns {[number, number]}
 */
export function spanOf(intervals) {
  const low = Math.max(0, Math.floor(Math.min(...intervals.map((each) => each.low)) * 10) / 10);
  const high = Math.min(1, Math.ceil(Math.max(...intervals.map((each) => each.high)) * 10) / 10);
  return high - low >= 0.1 ? [low, high] : [Math.max(0, high - 0.1), Math.max(0.1, high)];
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 */
function node(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}

/**
 * @param {string} words
 * @param {Record<string, string | number>} attributes
 */
function text(words, attributes) {
  const made = node("text", attributes);
  made.textContent = words;
  return made;
}
