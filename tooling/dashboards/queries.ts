/** The pieces of PromQL that panels are made of. `$node` is the dashboards' variable of the instances. */

export const N = 'instance=~"$node"';
export const rate = (metric: string, by: string, labels = "") => `sum by (${by}) (rate(${metric}{${N}${labels}}[$__rate_interval]))`;
export const quantile = (share: number, metric: string, by = "", labels = "") =>
  `histogram_quantile(${share}, sum by (le${by}) (rate(${metric}_bucket{${N}${labels}}[$__rate_interval])))`;
export const quantiles = (metric: string, labels = "") =>
  ([0.5, 0.95, 0.99] as const).map((share) => [quantile(share, metric, "", labels), `p${share * 100}`] as const);
export const worst = (metric: string) => `max by (actor) (${metric}{${N}})`;
