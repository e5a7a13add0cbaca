/**
 * Prometheus' text as OpenMetrics 1.0, which alone can say which trace an observation belongs to. prom-client writes it, too,
 * but renames its metrics while it does, so that the same registry could not be read in both formats.
 */
export const OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** One observation of a bucket, and the trace in which it was made. */
export interface Exemplar {
  readonly traceId: string;
  readonly value: number;
  /** Seconds since the Unix epoch. */
  readonly at: number;
}

/** @param exemplars by a bucket's series as the text has it: `name_bucket{le="0.1",route="/x"}` */
export function toOpenMetrics(text: string, exemplars: ReadonlyMap<string, Exemplar>): string {
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    if (line.startsWith("# ")) lines.push(line.replace(/^(# (?:HELP|TYPE) \S+)_total /, "$1 "));
    else lines.push(line.includes("_bucket{") ? withExemplar(line, exemplars) : line);
  }
  return `${lines.join("\n")}\n# EOF\n`;
}

function withExemplar(line: string, exemplars: ReadonlyMap<string, Exemplar>): string {
  const exemplar = exemplars.get(line.slice(0, line.lastIndexOf(" ")));
  return exemplar === undefined ? line : `${line} # {trace_id="${exemplar.traceId}"} ${exemplar.value} ${exemplar.at.toFixed(3)}`;
}
