/** What the dashboards show. `$node` is the variable of the instances; times are Grafana's `$__rate_interval`. */
export interface Panel {
  readonly title: string;
  /** What it tells, and what is good. */
  readonly description: string;
  readonly unit: Unit;
  /** Lines over time; the last value in large; what holds from when to when, a bar a series. @default "lines" */
  readonly kind?: "lines" | "number" | "states";
  /** Expressions with the legends of their series. */
  readonly queries: readonly (readonly [expression: string, legend: string])[];
  /** Values that stack to a whole. @default false */
  readonly isStacked?: boolean;
  /** From which value on it deserves a look, and from which on help; those of the alerts where there is one. */
  readonly thresholds?: { readonly warning?: number; readonly bad?: number };
  /** Upper end of the scale where the whole is known. */
  readonly max?: number;
  /** What is written where nothing has been counted, which is good news there. */
  readonly whenEmpty?: string;
  /** Words for the values of `states` and `number`. */
  readonly words?: Readonly<Record<number, readonly [word: string, color: Color]>>;
  /** Colours of series whose legend says by itself how good it is, by regular expressions of the whole legend. */
  readonly colors?: Readonly<Record<string, Color>>;
  /** Legends, as a regular expression, of lines that only bound others: drawn dashed. */
  readonly bounds?: string;
  /** A table has the last and the highest value of each series; for names that are long. @default "list" */
  readonly legend?: "list" | "table";
}

/** Names that Grafana knows, in `fieldConfig`; `short` counts whole things, `none` is a bare number. */
export type Unit = "s" | "bytes" | "reqps" | "percentunit" | "short" | "currencyUSD" | "cps" | "none";
export type Color = "green" | "yellow" | "orange" | "dark-orange" | "red" | "blue" | "purple" | "text";

export interface Row {
  readonly title: string;
  /** Side by side, up to four a line. */
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  /** Of its file, and its address in Grafana. */
  readonly uid: string;
  readonly title: string;
  readonly rows: readonly Row[];
}
