/** What the dashboards show. `$node` is the variable of the instances; times are Grafana's `$__rate_interval`. */
export interface Panel {
  readonly title: string;
  /** What it tells, and what is good. */
  readonly description: string;
  readonly unit: "s" | "bytes" | "reqps" | "percentunit" | "short" | "ops" | "currencyUSD";
  /** Expressions with the legends of their series. */
  readonly queries: readonly (readonly [expression: string, legend: string])[];
  /** Values that stack to a whole. @default false */
  readonly isStacked?: boolean;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  /** Of its file, and its address in Grafana. */
  readonly uid: string;
  readonly title: string;
  readonly rows: readonly Row[];
}
