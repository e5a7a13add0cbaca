import type { GrafanaChart } from "../grafana_json.ts";
import { colorOf } from "./colors.ts";
import { escapeXml, textWidth } from "./drawing.ts";
import type { Samples } from "./samples.ts";
import { inUnit } from "./units.ts";

const LINE_PX = 20;
const MARK_PX = 30;
/** Grafana scrolls a legend that would take more of its panel. */
const MAX_SHARE = 0.35;

export interface DrawnLegend {
  readonly html: string;
  readonly heightPx: number;
}

/** The legend below a plot, with its height, which the plot has to leave. */
export function legendOf(panel: GrafanaChart, series: readonly Samples[], widthPx: number, panelHeightPx: number): DrawnLegend {
  if (panel.options.legend === undefined) return { html: "", heightPx: 0 };
  const isTable = panel.options.legend.displayMode === "table";
  const lines = isTable ? series.length + 1 : linesOf(series, widthPx);
  const heightPx = Math.min(lines * LINE_PX, Math.floor((panelHeightPx * MAX_SHARE) / LINE_PX) * LINE_PX);
  const inner = isTable ? table(panel, series) : list(panel, series);
  return { html: `<div class="legend" style="height:${heightPx}px">${inner}</div>`, heightPx };
}

function linesOf(series: readonly Samples[], widthPx: number): number {
  let lines = 1;
  let usedPx = 0;
  for (const { legend } of series) {
    const neededPx = textWidth(legend) + MARK_PX;
    if (usedPx > 0 && usedPx + neededPx > widthPx) {
      lines += 1;
      usedPx = 0;
    }
    usedPx += neededPx;
  }
  return lines;
}

function mark(panel: GrafanaChart, { legend }: Samples, place: number): string {
  return `<i style="background:${colorOf(panel, legend, place)}"></i>${escapeXml(legend)}`;
}

function list(panel: GrafanaChart, series: readonly Samples[]): string {
  return series.map((samples, place) => `<span>${mark(panel, samples, place)}</span>`).join("");
}

function table(panel: GrafanaChart, series: readonly Samples[]): string {
  const { unit } = panel.fieldConfig.defaults;
  const rows = series.map((samples, place) => {
    const values = samples.values.filter((value) => value !== null);
    const max = Math.max(...values);
    const cells = [values.at(-1) ?? 0, max].map((value) => `<td>${inUnit(value, unit)}</td>`).join("");
    return { max, html: `<tr><td>${mark(panel, samples, place)}</td>${cells}</tr>` };
  });
  const sorted = rows.toSorted((one, other) => other.max - one.max).map(({ html }) => html);
  return `<table><tr><th>Name</th><th>Last *</th><th>Max</th></tr>${sorted.join("")}</table>`;
}
