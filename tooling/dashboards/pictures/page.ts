import type { GrafanaChart, GrafanaDashboard, GridPosition } from "../grafana_json.ts";
import { escapeXml, type Frame, type Size } from "./drawing.ts";
import { legendOf } from "./legend.ts";
import { drawLines } from "./lines.ts";
import { numbersOf } from "./numbers.ts";
import type { SampledPanels, Samples } from "./samples.ts";
import { drawStates } from "./states.ts";

/** Grafana's grid, in pixels, on a page that is wide enough for eight numbers side by side. */
export const PAGE_PX = 1_320;
const MARGIN_PX = 8;
const GAP_PX = 8;
const CELL_PX = 30;
const COLUMNS = 24;
const COLUMN_PX = (PAGE_PX - 2 * MARGIN_PX - (COLUMNS - 1) * GAP_PX) / COLUMNS;
const HEAD_PX = 32;
const PADDING_PX = 8;
const FRAME_PX = 2;

const STYLE = `
* { box-sizing: border-box; }
body { margin: 0; width: ${PAGE_PX}px; background: #f4f5f5; color: #24292e; font: 12px/20px Inter, "Liberation Sans", "DejaVu Sans", sans-serif; }
h1 { margin: 0; padding: 10px ${MARGIN_PX + 4}px; font-size: 18px; font-weight: 500; background: #fff; border-bottom: 1px solid #e4e5e6; }
main { display: grid; grid-template-columns: repeat(${COLUMNS}, minmax(0, 1fr)); grid-auto-rows: ${CELL_PX}px; gap: ${GAP_PX}px; padding: ${MARGIN_PX}px; }
h2 { margin: 0; font-size: 15px; font-weight: 500; line-height: ${CELL_PX}px; }
section { display: flex; flex-direction: column; overflow: hidden; padding: 0 ${PADDING_PX}px ${PADDING_PX}px; background: #fff; border: 1px solid #e4e5e6; border-radius: 2px; }
h3 { flex: none; margin: 0; height: ${HEAD_PX}px; line-height: ${HEAD_PX}px; font-size: 14px; font-weight: 500; white-space: nowrap; overflow: hidden; }
svg { display: block; flex: none; }
text { font-size: 12px; fill: #52575c; }
.grid { stroke: #e9eaeb; }
.legend { flex: none; overflow: hidden; }
.legend span { display: inline-block; margin-right: 12px; white-space: nowrap; }
.legend i { display: inline-block; width: 14px; height: 4px; margin: 0 5px 3px 0; border-radius: 2px; }
table { width: 100%; border-collapse: collapse; }
td, th { padding: 0 0 0 12px; text-align: right; font-weight: 400; white-space: nowrap; }
th { color: #1f62e0; }
td:first-child, th:first-child { padding: 0; width: 100%; max-width: 0; overflow: hidden; text-align: left; text-overflow: ellipsis; }
.stats { display: flex; flex: 1; min-height: 0; }
.stat { position: relative; flex: 1; text-align: center; }
.number { font-weight: 500; line-height: 1.2; white-space: nowrap; }
.spark { position: absolute; left: 0; bottom: 0; }
.none { flex: 1; display: flex; align-items: center; justify-content: center; font-size: 18px; color: #6e7378; }
`;

/** One dashboard as a page of its own, in Grafana's layout and light colours, without scripts. */
export function dashboardPage(dashboard: GrafanaDashboard, sampled: SampledPanels, frame: Frame): string {
  const panels = dashboard.panels.map((panel) =>
    panel.type === "row"
      ? `<h2 style="${place(panel.gridPos)}">⌄ ${escapeXml(panel.title)}</h2>`
      : chart(panel, sampled.get(panel.id) ?? [], frame),
  );
  const head = `<meta charset="utf-8"><title>${escapeXml(dashboard.title)}</title><style>${STYLE}</style>`;
  return `<!doctype html><html lang="en"><head>${head}</head><body><h1>${escapeXml(dashboard.title)}</h1><main>${panels.join("\n")}</main></body></html>\n`;
}

function chart(panel: GrafanaChart, found: readonly Samples[], frame: Frame): string {
  const series = found.filter(({ values }) => values.some((value) => value !== null));
  const head = `<h3 title="${escapeXml(panel.description)}">${escapeXml(panel.title)}</h3>`;
  return `<section data-panel="${escapeXml(panel.title)}" style="${place(panel.gridPos)}">${head}${body(panel, series, frame)}</section>`;
}

function body(panel: GrafanaChart, series: readonly Samples[], frame: Frame): string {
  if (series.length === 0) return `<div class="none">${escapeXml(panel.fieldConfig.defaults.noValue ?? "No data")}</div>`;
  const inside = insideOf(panel.gridPos);
  if (panel.type === "stat") return `<div class="stats">${numbersOf(panel, series, inside)}</div>`;
  const legend = legendOf(panel, series, inside.width, inside.height + HEAD_PX);
  const size = { width: inside.width, height: inside.height - legend.heightPx };
  const drawn = panel.type === "timeseries" ? drawLines(panel, series, frame, size) : drawStates(panel, series, frame, size);
  return `<svg width="${size.width}" height="${size.height}" role="img" aria-label="${escapeXml(panel.title)}">${drawn}</svg>${legend.html}`;
}

function place({ x, y, w, h }: GridPosition): string {
  return `grid-area:${y + 1}/${x + 1}/span ${h}/span ${w}`;
}

/** What head, padding and frame leave of a panel. */
function insideOf({ w, h }: GridPosition): Size {
  return {
    width: Math.floor(w * COLUMN_PX + (w - 1) * GAP_PX - 2 * PADDING_PX - FRAME_PX),
    height: h * CELL_PX + (h - 1) * GAP_PX - HEAD_PX - PADDING_PX - FRAME_PX,
  };
}
