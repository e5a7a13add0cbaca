/** The part of Grafana's file format (9 and later) that the dashboards use. */
export interface GrafanaDashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly (GrafanaRow | GrafanaChart)[];
  readonly [other: string]: unknown;
}

/** In columns of 24, and lines of 30 pixels with gaps of 8. */
export interface GridPosition {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export interface GrafanaRow {
  readonly id: number;
  readonly type: "row";
  readonly title: string;
  readonly collapsed: false;
  readonly panels: readonly [];
  readonly gridPos: GridPosition;
}

export interface GrafanaChart {
  readonly id: number;
  readonly type: "timeseries" | "stat" | "state-timeline";
  readonly title: string;
  readonly description: string;
  readonly gridPos: GridPosition;
  readonly datasource: object;
  readonly fieldConfig: { readonly defaults: FieldDefaults; readonly overrides: readonly FieldOverride[] };
  readonly options: { readonly legend?: Legend; readonly textMode?: "value" | "value_and_name"; readonly [other: string]: unknown };
  readonly targets: readonly {
    readonly refId: string;
    readonly datasource: object;
    readonly expr: string;
    readonly legendFormat: string;
  }[];
}

export interface FieldDefaults {
  readonly unit: string;
  readonly min?: number;
  readonly max?: number;
  readonly decimals?: number;
  /** Written where there is no sample at all. */
  readonly noValue?: string;
  readonly color?: { readonly mode: string };
  readonly thresholds: { readonly mode: "absolute"; readonly steps: readonly { readonly color: string; readonly value: number | null }[] };
  readonly mappings: readonly ValueMapping[];
  readonly custom: {
    readonly lineWidth?: number;
    readonly fillOpacity?: number;
    readonly showPoints?: "auto";
    readonly stacking?: { readonly mode: "normal"; readonly group: "A" };
    readonly thresholdsStyle?: { readonly mode: "off" | "dashed" };
  };
}

interface ValueMapping {
  readonly type: "value";
  readonly options: Readonly<Record<string, { readonly text: string; readonly color: string; readonly index: number }>>;
}

export interface FieldOverride {
  /** Of the legend, as `/…/`. */
  readonly matcher: { readonly id: "byRegexp"; readonly options: string };
  readonly properties: readonly { readonly id: "color" | "custom.lineStyle" | "custom.fillOpacity"; readonly value: unknown }[];
}

interface Legend {
  readonly displayMode: "list" | "table";
  readonly placement: "bottom";
  readonly calcs: readonly ("lastNotNull" | "max")[];
  readonly sortBy?: "Max";
  readonly sortDesc?: boolean;
}
