import type { Color } from "./panel.ts";

/** The pieces of PromQL that panels are made of. `$node` is the dashboards' variable of the instances. */

export const N = 'instance=~"$node"';
export const rate = (metric: string, by: string, labels = "") => `sum by (${by}) (rate(${metric}{${N}${labels}}[$__rate_interval]))`;
export const total = (metric: string, labels = "") => `sum(rate(${metric}{${N}${labels}}[$__rate_interval]))`;
/** Part of a whole; 0 while there is nothing of the part. */
export const share = (part: string, whole: string) => `(${part} or vector(0)) / ${whole}`;
export const quantile = (share: number, metric: string, by = "", labels = "") =>
  `histogram_quantile(${share}, sum by (le${by}) (rate(${metric}_bucket{${N}${labels}}[$__rate_interval])))`;
export const quantiles = (metric: string, labels = "") =>
  ([0.5, 0.95, 0.99] as const).map((share) => [quantile(share, metric, "", labels), `p${share * 100}`] as const);
/** Of each actor, those alone that are above `least`: of a hundred actors few have anything to tell. */
export const worst = (metric: string, least = 0) => `max by (actor) (${metric}{${N}}) > ${least}`;
/** Of each kind of actors, the one that is worst off. */
export const worstOfKind = (metric: string) => `max by (kind) (${metric}{${N}})`;
export const highest = (metric: string) => `topk(10, ${worst(metric)})`;

export const QUANTILE_COLORS: Readonly<Record<string, Color>> = { p50: "green", p95: "orange", p99: "red" };
export const OUTCOME_COLORS: Readonly<Record<string, Color>> = {
  "indexed|completed|supported|activated: ready": "green",
  unchanged: "blue",
  "skipped|partial": "yellow",
  deleted: "purple",
  "failed|dropped|given up|activated: failed": "red",
};
