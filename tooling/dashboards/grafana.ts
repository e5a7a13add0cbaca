import type { FieldDefaults, FieldOverride, GrafanaChart, GrafanaDashboard, GrafanaRow } from "./grafana_json.ts";
import type { Dashboard, Panel, Row } from "./panel.ts";

const SOURCE = { type: "prometheus", uid: "$datasource" } as const;
const WIDTH = 24;
const HEIGHT = 8;
/** Of a line that only numbers are on. */
const NUMBER_HEIGHT = 4;
const PER_LINE = 4;
const DASHED = { thresholdsStyle: { mode: "dashed" } } as const;
const STACKED = { stacking: { mode: "normal", group: "A" }, fillOpacity: 30 } as const;

/** The dashboard as Grafana (9 and later) imports it. */
export function toGrafana(dashboard: Dashboard): GrafanaDashboard {
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

/** Rows of panels side by side, in the order of the specification, each line as wide as the page. */
function layOut(rows: readonly Row[]): readonly (GrafanaRow | GrafanaChart)[] {
  const panels: (GrafanaRow | GrafanaChart)[] = [];
  let y = 0;
  for (const row of rows) {
    const gridPos = { x: 0, y, w: WIDTH, h: 1 };
    panels.push({ id: panels.length + 1, type: "row", title: row.title, collapsed: false, panels: [], gridPos });
    y += 1;
    for (const line of linesOf(row.panels)) {
      const h = line.every(({ kind }) => kind === "number") ? NUMBER_HEIGHT : HEIGHT;
      const edge = (place: number) => Math.round((place / line.length) * WIDTH);
      for (const [place, panel] of line.entries()) {
        const x = edge(place);
        panels.push(toChart(panel, panels.length + 1, { x, y, w: edge(place + 1) - x, h }));
      }
      y += h;
    }
  }
  return panels;
}

/** Numbers stand in a line of their own; the others are shared out evenly over as few lines as can be. */
function linesOf(panels: readonly Panel[]): readonly (readonly Panel[])[] {
  const numbers = panels.filter(({ kind }) => kind === "number");
  const others = panels.filter(({ kind }) => kind !== "number");
  const lines = Math.ceil(others.length / PER_LINE);
  const shared = Array.from({ length: lines }, (_, line) =>
    others.slice(Math.ceil((others.length * line) / lines), Math.ceil((others.length * (line + 1)) / lines)),
  );
  return numbers.length > 0 ? [numbers, ...shared] : shared;
}

function toChart(panel: Panel, id: number, gridPos: GrafanaChart["gridPos"]): GrafanaChart {
  return {
    id,
    type: ({ lines: "timeseries", number: "stat", states: "state-timeline" } as const)[panel.kind ?? "lines"],
    title: panel.title,
    description: panel.description,
    datasource: SOURCE,
    fieldConfig: { defaults: defaultsOf(panel), overrides: overridesOf(panel) },
    options: optionsOf(panel),
    targets: panel.queries.map(([expr, legendFormat], place) => ({
      refId: String.fromCharCode(65 + place),
      datasource: SOURCE,
      expr,
      legendFormat,
    })),
    gridPos,
  };
}

function defaultsOf(panel: Panel): FieldDefaults {
  const { kind = "lines", thresholds = {}, words, whenEmpty } = panel;
  const steps: { color: string; value: number | null }[] = [
    { color: kind === "number" && panel.thresholds === undefined ? "text" : "green", value: null },
  ];
  if (thresholds.warning !== undefined) steps.push({ color: "orange", value: thresholds.warning });
  if (thresholds.bad !== undefined) steps.push({ color: "red", value: thresholds.bad });
  const named = Object.entries(words ?? {}).map(([value, [text, color]], index) => [value, { text, color, index }] as const);
  const lines = {
    lineWidth: 1,
    showPoints: "auto",
    fillOpacity: 5,
    ...(panel.isStacked ? STACKED : {}),
    ...(panel.thresholds === undefined ? {} : DASHED),
  } as const;
  return {
    unit: panel.unit,
    ...(panel.unit === "short" ? { decimals: 0 } : {}),
    ...(kind === "states" ? {} : { min: 0 }),
    ...(panel.max === undefined ? {} : { max: panel.max }),
    ...(whenEmpty === undefined ? {} : { noValue: whenEmpty }),
    color: { mode: kind === "lines" ? "palette-classic" : "thresholds" },
    thresholds: { mode: "absolute", steps },
    mappings: named.length === 0 ? [] : [{ type: "value", options: Object.fromEntries(named) }],
    custom: kind === "lines" ? lines : kind === "states" ? { fillOpacity: 70, lineWidth: 0 } : {},
  };
}

function overridesOf({ colors = {}, bounds }: Panel): readonly FieldOverride[] {
  const matching = (options: string) => ({ id: "byRegexp", options: `/^(?:${options})$/` }) as const;
  const colored = Object.entries(colors).map(([legend, fixedColor]) => ({
    matcher: matching(legend),
    properties: [{ id: "color", value: { mode: "fixed", fixedColor } } as const],
  }));
  if (bounds === undefined) return colored;
  const dashed = { id: "custom.lineStyle", value: { fill: "dash", dash: [8, 6] } } as const;
  return [...colored, { matcher: matching(bounds), properties: [dashed, { id: "custom.fillOpacity", value: 0 }] }];
}

function optionsOf({ kind = "lines", legend = "list", queries }: Panel): GrafanaChart["options"] {
  if (kind === "number") {
    const textMode = queries.some(([, name]) => name.includes("{{")) ? "value_and_name" : "value";
    const reduceOptions = { calcs: ["lastNotNull"], fields: "", values: false };
    return { reduceOptions, colorMode: "value", graphMode: "area", textMode, justifyMode: "auto", orientation: "auto" };
  }
  if (kind === "states") return { showValue: "auto", mergeValues: true, rowHeight: 0.8, alignValue: "left", tooltip: { mode: "single" } };
  const table = { displayMode: "table", placement: "bottom", calcs: ["lastNotNull", "max"], sortBy: "Max", sortDesc: true } as const;
  const list = { displayMode: "list", placement: "bottom", calcs: [] } as const;
  return { legend: legend === "table" ? table : list, tooltip: { mode: "multi", sort: "desc" } };
}
