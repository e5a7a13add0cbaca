import type { Dashboard, Panel, Row } from "./panel.ts";

const SOURCE = { type: "prometheus", uid: "$datasource" } as const;
const WIDTH = 24;
const HEIGHT = 8;

/** The dashboard as Grafana (9 and later) imports it. */
export function toGrafana(dashboard: Dashboard): object {
  return {
    uid: dashboard.uid,
    title: dashboard.title,
    tags: ["kennel"],
    timezone: "browser",
    schemaVersion: 38,
    version: 1,
    editable: true,
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    templating: {
      list: [
        { name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus" },
        {
          name: "node",
          label: "Node",
          type: "query",
          datasource: SOURCE,
          query: { query: "label_values(kennel_build_info, instance)", refId: "node" },
          refresh: 2,
          multi: true,
          includeAll: true,
          allValue: ".*",
          current: { text: "All", value: "$__all" },
        },
      ],
    },
    panels: layOut(dashboard.rows),
  };
}

/** Rows of up to four panels side by side, in the order of the specification. */
function layOut(rows: readonly Row[]): readonly object[] {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    panels.push({
      id: panels.length + 1,
      type: "row",
      title: row.title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: WIDTH, h: 1 },
    });
    y += 1;
    const perLine = row.panels.length > 4 ? Math.ceil(row.panels.length / 2) : row.panels.length;
    const w = Math.floor(WIDTH / perLine);
    for (const [place, panel] of row.panels.entries()) {
      const gridPos = { x: (place % perLine) * w, y: y + Math.floor(place / perLine) * HEIGHT, w, h: HEIGHT };
      panels.push({ id: panels.length + 1, ...toPanel(panel), gridPos });
    }
    y += Math.ceil(row.panels.length / perLine) * HEIGHT;
  }
  return panels;
}

function toPanel({ title, description, unit, queries, isStacked = false }: Panel): object {
  const stacking = isStacked ? { stacking: { mode: "normal", group: "A" }, fillOpacity: 30 } : { fillOpacity: 5 };
  return {
    type: "timeseries",
    title,
    description,
    datasource: SOURCE,
    fieldConfig: { defaults: { unit, min: 0, custom: { lineWidth: 1, showPoints: "never", ...stacking } }, overrides: [] },
    options: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } },
    targets: queries.map(([expr, legendFormat], place) => ({
      refId: String.fromCharCode(65 + place),
      datasource: SOURCE,
      expr,
      legendFormat,
    })),
  };
}
