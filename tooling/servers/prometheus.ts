import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "./free_ports.ts";
import { type ServerProcess, startServerProcess } from "./server_process.ts";

export interface PrometheusOptions {
  /** Files of rules. */
  readonly rules: readonly string[];
  /** What is scraped, as `host:port`, under the job `kennel`. */
  readonly targets: readonly string[];
  /** What their series are called in the label `instance`. @default the target */
  readonly instance?: string;
  readonly scrapeIntervalMs: number;
}

/** One sample of each series that an expression gives; NaN where there is none to reckon with. */
export type InstantVector = readonly { readonly metric: Readonly<Record<string, string>>; readonly value: number }[];

/** Samples of one series at equal steps, times in Unix seconds; NaN where there is none to reckon with, nothing where there is none. */
export interface RangeSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [atS: number, value: number])[];
}

/** In Unix seconds. */
export interface TimeRange {
  readonly fromS: number;
  readonly toS: number;
  readonly stepS: number;
}

export interface PrometheusServer extends ServerProcess {
  readonly url: string;
  /** Rejects with what Prometheus says is wrong with the expression. */
  query(expression: string): Promise<InstantVector>;
  /** As `query`, at every step from the first to the last second. */
  queryRange(expression: string, range: TimeRange): Promise<readonly RangeSeries[]>;
  /** Of `/api/v1/rules`: each alert with the state of its rule's last evaluation. */
  rules(): Promise<readonly { readonly name: string; readonly health: string; readonly state: string; readonly lastError?: string }[]>;
}

const START_LIMIT_MS = 60_000;
const CALL_LIMIT_MS = 10_000;

/** @param folder for its configuration and data; it exists */
export async function startPrometheus(command: string, folder: string, options: PrometheusOptions): Promise<PrometheusServer> {
  const [port] = (await freePorts(1)) as [number];
  const url = `http://127.0.0.1:${port}`;
  const rules = options.rules.map((file, place) => {
    const copy = join(folder, `rules_${place}.yaml`);
    copyFileSync(file, copy);
    return copy;
  });
  const labels = options.instance === undefined ? {} : { instance: options.instance };
  const interval = `${options.scrapeIntervalMs}ms`;
  // JSON is YAML.
  const config = {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: rules,
    scrape_configs: [{ job_name: "kennel", static_configs: [{ targets: options.targets, labels }] }],
  };
  writeFileSync(join(folder, "prometheus.yml"), JSON.stringify(config));
  const get = async <Body>(path: string): Promise<Body> => {
    const response = await fetch(url + path, { signal: AbortSignal.timeout(CALL_LIMIT_MS) });
    const body = (await response.json()) as { status: string; error?: string; data: Body };
    if (body.status !== "success") throw new Error(`Prometheus refuses ${decodeURIComponent(path)}: ${body.error}`);
    return body.data;
  };
  const query = async (expression: string): Promise<InstantVector> => {
    const path = `/api/v1/query?query=${encodeURIComponent(expression)}`;
    const { result } = await get<{ result: readonly { metric: Record<string, string>; value: [number, string] }[] }>(path);
    return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  };
  const queryRange = async (expression: string, { fromS, toS, stepS }: TimeRange): Promise<readonly RangeSeries[]> => {
    const parameters = new URLSearchParams({ query: expression, start: String(fromS), end: String(toS), step: String(stepS) });
    const path = `/api/v1/query_range?${parameters}`;
    const { result } = await get<{ result: readonly { metric: Record<string, string>; values: readonly [number, string][] }[] }>(path);
    return result.map(({ metric, values }) => ({ metric, values: values.map(([atS, value]) => [atS, Number(value)] as const) }));
  };
  const server = await startServerProcess({
    what: "Prometheus",
    command,
    args: [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn",
    ],
    cwd: folder,
    log: join(folder, "prometheus.log"),
    tryOnce: async () => void (await query("vector(1)")),
    startLimitMs: START_LIMIT_MS,
  });
  return {
    ...server,
    url,
    query,
    queryRange,
    rules: async () => (await get<{ groups: readonly { rules: [] }[] }>("/api/v1/rules")).groups.flatMap(({ rules: found }) => found),
  };
}
