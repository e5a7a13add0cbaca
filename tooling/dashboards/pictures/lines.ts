import type { GrafanaChart } from "../grafana_json.ts";
import { colorOf, isDashed, named } from "./colors.ts";
import { clockTicks, escapeXml, type Frame, type Size, text, textWidth } from "./drawing.ts";
import type { Samples } from "./samples.ts";
import { inUnit, ticksUpTo } from "./units.ts";

const LINE_PX = 1.5;
/** A sample without neighbours has no line. */
const POINT_PX = 2;

interface Line extends Samples {
  /** What lies under it, where lines are stacked; else 0. */
  readonly floor: readonly number[];
  readonly color: string;
  readonly dashed: boolean;
}

/** A time series panel: a line a series over the common time, with the thresholds that the scale reaches. */
export function drawLines(panel: GrafanaChart, series: readonly Samples[], frame: Frame, size: Size): string {
  const { defaults } = panel.fieldConfig;
  const lines = stack(panel, series);
  const heights = lines.flatMap(({ values, floor }) => values.map((value, step) => (value ?? 0) + (floor[step] ?? 0)));
  const ticks = ticksUpTo(defaults.max ?? Math.max(0, ...heights.filter(Number.isFinite)), defaults.unit);
  const top = ticks.at(-1) as number;
  const labels = ticks.map((tick) => inUnit(tick, defaults.unit));
  const left = Math.max(...labels.map(textWidth)) + 10;
  const plot = { left, right: size.width - 8, top: 8, bottom: size.height - 20 };
  const x = (step: number) => plot.left + ((plot.right - plot.left) * step) / Math.max(1, frame.steps - 1);
  const y = (value: number) => plot.bottom - ((plot.bottom - plot.top) * Math.min(value, top)) / top;
  const grid = ticks.map((tick, place) => {
    const line = `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${round(y(tick))}" y2="${round(y(tick))}"/>`;
    return line + text(plot.left - 6, y(tick) + 4, labels[place] as string, "end");
  });
  const clock = clockTicks(frame, plot.right - plot.left).map(
    ({ step, label }) =>
      `<line class="grid" x1="${round(x(step))}" x2="${round(x(step))}" y1="${plot.top}" y2="${plot.bottom}"/>${text(x(step), size.height - 5, label, "middle")}`,
  );
  const limits = defaults.custom.thresholdsStyle === undefined ? [] : defaults.thresholds.steps;
  const thresholds = limits.flatMap(({ value, color }) =>
    value === null || value > top
      ? []
      : [
          `<line x1="${plot.left}" x2="${plot.right}" y1="${round(y(value))}" y2="${round(y(value))}" stroke="${named(color)}" stroke-dasharray="6 4"/>`,
        ],
  );
  const filled = (defaults.custom.fillOpacity ?? 0) / 100;
  const drawn = lines.map((line) => draw(line, filled, x, y));
  return [...grid, ...clock, ...drawn, ...thresholds].join("");
}

function stack(panel: GrafanaChart, series: readonly Samples[]): readonly Line[] {
  const isStacked = panel.fieldConfig.defaults.custom.stacking !== undefined;
  const sums: number[] = [];
  return series.map((samples, place) => {
    const floor = samples.values.map((_, step) => (isStacked ? (sums[step] ?? 0) : 0));
    samples.values.forEach((value, step) => {
      sums[step] = (sums[step] ?? 0) + (value ?? 0);
    });
    return { ...samples, floor, color: colorOf(panel, samples.legend, place), dashed: isDashed(panel, samples.legend) };
  });
}

function draw(line: Line, filled: number, x: (step: number) => number, y: (value: number) => number): string {
  const { values, floor, color, dashed } = line;
  const marks = runsOf(values).map((steps) => {
    const above = steps.map((step) => `${round(x(step))},${round(y((values[step] as number) + (floor[step] as number)))}`);
    if (above.length === 1) {
      const [cx, cy] = (above[0] as string).split(",");
      return `<circle cx="${cx}" cy="${cy}" r="${POINT_PX}" fill="${color}"/>`;
    }
    const stroke = `<polyline fill="none" stroke="${color}" stroke-width="${LINE_PX}" ${dashed ? 'stroke-dasharray="6 4"' : ""} points="${above.join(" ")}"/>`;
    const below = steps.toReversed().map((step) => `${round(x(step))},${round(y(floor[step] as number))}`);
    const area = `<polygon fill="${color}" fill-opacity="${filled}" points="${[...above, ...below].join(" ")}"/>`;
    return dashed ? stroke : area + stroke;
  });
  return `<g class="series" data-legend="${escapeXml(line.legend)}">${marks.join("")}</g>`;
}

/** Steps that follow one another and have a value each. */
function runsOf(values: readonly (number | null)[]): readonly (readonly number[])[] {
  const runs: number[][] = [];
  values.forEach((value, step) => {
    if (value === null) return;
    if (step > 0 && values[step - 1] !== null) runs.at(-1)?.push(step);
    else runs.push([step]);
  });
  return runs;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
