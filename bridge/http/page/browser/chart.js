/**
 * Lines over time, drawn by uPlot, which is fetched when the first chart is shown. A chart is decoration for those who see
 * it; its figures stand beside it as text.
 */

/** @typedef {import("uplot").AlignedData} AlignedData */

/**
 * @typedef {object} Line
 * @property {string} label
 * @property {string} color name of a custom property of page.css
 * @property {(value: number) => string} format
 */

const HEIGHT_PX = 200;
/** A young chart is not stretched: it shows at least this much time. */
const MIN_SPAN_S = 60;

/**
 * @param {HTMLElement} place
 * @param {Line[]} lines
 * @returns {Promise<{ update(columns: (number | null)[][]): void, recolor(): void }>}
 */
export async function createChart(place, lines) {
  const { uPlot } = await import("./uplot.js");
  /** @type {(number | null)[][]} */
  let columns = [[], ...lines.map(() => [])];
  let plot = build();

  function build() {
    const color = (/** @type {string} */ name) => resolveColor(place, name);
    const axis = {
      stroke: color("--ink-soft"),
      grid: { stroke: color("--line"), width: 1 },
      ticks: { show: false },
      font: `12px ${getComputedStyle(place).fontFamily}`,
    };
    return new uPlot(
      {
        width: Math.max(place.clientWidth, 200),
        height: HEIGHT_PX,
        cursor: { sync: { key: "kennel" }, y: false, drag: { x: false, y: false } },
        legend: { live: true },
        scales: {
          x: { range: (_, min, max) => [Math.min(min, max - MIN_SPAN_S), max] },
          y: { range: (/** @type {unknown} */ _, /** @type {number} */ __, /** @type {number} */ max) => [0, max > 0 ? max * 1.15 : 1] },
        },
        axes: [
          { ...axis, size: 32, space: 70, values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks.map(timeOfDay) },
          {
            ...axis,
            size: 64,
            values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) =>
              ticks.map((tick) => (tick === 0 ? "0" : (lines[0]?.format(tick) ?? ""))),
          },
        ],
        series: [
          {
            label: "Time",
            value: (/** @type {unknown} */ _, /** @type {number | null} */ seconds) => (seconds === null ? "–" : timeOfDay(seconds)),
          },
          ...lines.map((line) => ({
            label: line.label,
            stroke: color(line.color),
            width: 1.75,
            points: { size: 4 },
            value: (/** @type {unknown} */ _, /** @type {number | null} */ value) =>
              value === null || value === undefined ? "–" : line.format(value),
          })),
        ],
      },
      /** @type {AlignedData} */ (columns),
      place,
    );
  }

  new ResizeObserver(() => {
    if (place.clientWidth > 0) plot.setSize({ width: place.clientWidth, height: plot.height });
  }).observe(place);

  return {
    update(next) {
      columns = next;
      plot.setData(/** @type {AlignedData} */ (next));
    },
    recolor() {
      plot.destroy();
      plot = build();
    },
  };
}

/**
 * A colour as a canvas takes it: page.css writes colours for both themes, the browser knows which one holds.
 * @param {HTMLElement} place
 * @param {string} property
 */
function resolveColor(place, property) {
  const probe = document.createElement("span");
  probe.style.color = `var(${property})`;
  place.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** @param {number} seconds */
function timeOfDay(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}
