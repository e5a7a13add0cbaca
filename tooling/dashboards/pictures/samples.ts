import type { PrometheusServer, TimeRange } from "../../servers/prometheus.ts";
import type { GrafanaChart, GrafanaDashboard } from "../grafana_json.ts";

/** A line of a panel: what its legend says, and a value a step; null where there is none. */
export interface Samples {
  readonly legend: string;
  readonly values: readonly (number | null)[];
}

/** By the panels' ids. */
export type SampledPanels = ReadonlyMap<number, readonly Samples[]>;

/** Grafana's `$__rate_interval`: four scrapes at least, so that a missed one leaves no gap. */
export function rateIntervalOf(stepS: number, scrapeS: number): string {
  return `${Math.max(stepS + scrapeS, 4 * scrapeS)}s`;
}

/** Every panel's expressions over the time, as Grafana sends them for all nodes. */
export async function samplePanels(
  prometheus: Pick<PrometheusServer, "queryRange">,
  { panels }: GrafanaDashboard,
  range: TimeRange,
  rateInterval: string,
): Promise<SampledPanels> {
  const sampled = new Map<number, readonly Samples[]>();
  for (const panel of panels) if (panel.type !== "row") sampled.set(panel.id, await sample(prometheus, panel, range, rateInterval));
  return sampled;
}

async function sample(
  prometheus: Pick<PrometheusServer, "queryRange">,
  panel: GrafanaChart,
  range: TimeRange,
  rateInterval: string,
): Promise<readonly Samples[]> {
  const steps = Math.floor((range.toS - range.fromS) / range.stepS) + 1;
  const found: Samples[] = [];
  for (const { expr, legendFormat } of panel.targets) {
    const expression = withVariables(expr, rateInterval);
    for (const { metric, values } of await prometheus.queryRange(expression, range)) {
      const line = new Array<number | null>(steps).fill(null);
      for (const [atS, value] of values) {
        // NaN is what a quantile of nothing gives; Grafana draws a gap.
        if (!Number.isNaN(value)) line[Math.round((atS - range.fromS) / range.stepS)] = value;
      }
      found.push({ legend: legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? ""), values: line });
    }
  }
  return found;
}

/** The expression for all nodes. */
export function withVariables(expression: string, rateInterval: string): string {
  return expression.replaceAll("$__rate_interval", rateInterval).replaceAll("$node", ".*");
}
