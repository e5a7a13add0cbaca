/**
 * Searches over time: figures, two charts and the modes they ran in.
 * @import { Failure } from "../wire.ts"
 * @import { SearchReading } from "./latency.js"
 */
import { createChart } from "./chart.js";
import { byId, setText } from "./element.js";
import { formatMs } from "./format.js";
import { createLatencyHistory, createModeHistory, UNREACHABLE } from "./history.js";
import { readSearches, searchInterval, showFigures, showModes } from "./latency.js";

/** A quarter of an hour of intervals. */
const INTERVALS_KEPT = 450;
const MODE_SPANS_KEPT = 100;
const NOTHING_YET = "No search has been measured yet. Ask something, and the lines begin.";

export function createLatencyView() {
  const latencies = createLatencyHistory(INTERVALS_KEPT);
  const modes = createModeHistory(MODE_SPANS_KEPT);
  const figures = byId("figures", HTMLElement);
  const note = byId("latency-note", HTMLElement);
  const modePlace = byId("modes", HTMLElement);
  let isVisible = false;
  /** @type {{ reading: SearchReading, monotonicMs: number } | null} */
  let before = null;
  /** @type {ReturnType<typeof openCharts> | null} */
  let charts = null;

  async function draw() {
    if (!isVisible) return;
    charts ??= openCharts();
    showFigures(figures, latencies.last());
    showModes(modePlace, modes.spans());
    const [times = [], p50 = [], p95 = [], p99 = [], rate = [], failed = []] = latencies.columns();
    const { latency, load } = await charts;
    latency.update([times, p50, p95, p99]);
    load.update([times, rate, failed]);
  }

  return {
    /**
     * @param {string} text
     * @param {number} monotonicMs
     * @param {number} wallMs
     */
    addMetrics(text, monotonicMs, wallMs) {
      const reading = readSearches(text);
      if (before !== null) {
        latencies.push(searchInterval(before.reading, reading, monotonicMs - before.monotonicMs, wallMs));
        setText(
          note,
          reading.answered.count === 0 ? NOTHING_YET : "All searches this node answered, every two seconds since this page was opened.",
        );
      }
      before = { reading, monotonicMs };
      void draw();
    },
    /** What happened while no reading could be taken is not drawn as one interval. */
    breakLine() {
      before = null;
    },
    /**
     * @param {string} mode
     * @param {number} wallMs
     */
    addMode(mode, wallMs) {
      modes.push(mode, wallMs);
      if (isVisible) showModes(modePlace, modes.spans());
    },
    /**
     * @param {Failure} failure
     * @param {number} wallMs
     */
    addFailure(failure, wallMs) {
      if (failure.status === 0) this.addMode(UNREACHABLE, wallMs);
    },
    /** @param {boolean} visible */
    setVisible(visible) {
      isVisible = visible;
      void draw();
    },
    async recolor() {
      if (charts === null) return;
      const { latency, load } = await charts;
      latency.recolor();
      load.recolor();
    },
  };
}

async function openCharts() {
  const perSecond = (/** @type {number} */ value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} / s`;
  const [latency, load] = await Promise.all([
    createChart(byId("latency-chart", HTMLElement), [
      { label: "p50", color: "--line-1", format: formatMs },
      { label: "p95", color: "--line-2", format: formatMs },
      { label: "p99", color: "--line-3", format: formatMs },
    ]),
    createChart(byId("load-chart", HTMLElement), [
      { label: "Searches", color: "--line-1", format: perSecond },
      { label: "Failed", color: "--line-3", format: perSecond },
    ]),
  ]);
  return { latency, load };
}
