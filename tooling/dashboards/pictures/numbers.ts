import type { GrafanaChart } from "../grafana_json.ts";
import { thresholdColor, wordFor } from "./colors.ts";
import { escapeXml, type Size } from "./drawing.ts";
import type { Samples } from "./samples.ts";
import { inUnit } from "./units.ts";

const SPARK_SHARE = 0.35;

/** A stat panel: the last value of each series in large, its past as an area under it. */
export function numbersOf(panel: GrafanaChart, series: readonly Samples[], size: Size): string {
  const width = size.width / series.length;
  return series
    .map((samples) => {
      const value = samples.values.findLast((each) => each !== null) ?? 0;
      const word = wordFor(panel, value);
      const said = word?.text ?? inUnit(value, panel.fieldConfig.defaults.unit);
      const color = word?.color ?? thresholdColor(panel, value);
      const name = panel.options.textMode === "value_and_name" ? `<div class="name">${escapeXml(samples.legend)}</div>` : "";
      const fontPx = Math.min(44, Math.floor((width - 16) / (said.length * 0.6)));
      const number = `<div class="number" style="color:${color};font-size:${fontPx}px">${escapeXml(said)}</div>`;
      const spark = sparkline(samples, { width, height: size.height * SPARK_SHARE }, color);
      return `<div class="stat series" data-legend="${escapeXml(samples.legend)}">${name}${number}${spark}</div>`;
    })
    .join("");
}

function sparkline({ values }: Samples, { width, height }: Size, color: string): string {
  const top = Math.max(...values.map((value) => value ?? 0)) || 1;
  const points = values.flatMap((value, step) =>
    value === null
      ? []
      : [`${((width * step) / Math.max(1, values.length - 1)).toFixed(1)},${(height - (height * value * 0.9) / top).toFixed(1)}`],
  );
  const [first = "0,0", last = "0,0"] = [points[0], points.at(-1)];
  const area = [`${first.split(",")[0]},${height}`, ...points, `${last.split(",")[0]},${height}`].join(" ");
  return `<svg class="spark" width="${width}" height="${height}"><polygon points="${area}" fill="${color}" fill-opacity="0.2"/><polyline points="${points.join(" ")}" fill="none" stroke="${color}"/></svg>`;
}
