import type { LexicalIndex, VectorStore } from "../actors/vector_store/vector_store.ts";
import { secretValues } from "../config/print.ts";
import type { Config } from "../config/schema.ts";
import { DEFAULT_COLLECTOR } from "../config/telemetry_settings.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Random } from "../runtime/random.ts";
import { VERSION } from "../runtime/version.ts";
import { createLogger, type Logger } from "../telemetry/logs.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics.ts";
import { NO_METRICS } from "../telemetry/no_metrics.ts";
import { Redaction } from "../telemetry/redaction.ts";
import { NO_TRACER, type Tracer, tracedPort } from "../telemetry/tracing.ts";
import { runtimeName } from "./identity.ts";
import type { StoreTap } from "./services/parts.ts";

export interface Telemetry {
  readonly redaction: Redaction;
  readonly tracer: Tracer;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export async function openTelemetry(config: Config, node: string, clock: Clock, random: Random): Promise<Telemetry> {
  const redaction = new Redaction(secretValues(config));
  const tracer = await openTracer(config, node, clock, random, redaction);
  const logger = createLogger({
    level: config.logLevel,
    node,
    maxRepeats: config.logRepeats,
    redaction,
    ...(tracer.isOn ? { context: () => tracer.active()?.logFields ?? null } : {}),
    nowMs: () => clock.monotonicMs(),
  });
  const { enabled, ...bounds } = config.metrics;
  return {
    redaction,
    tracer,
    logger,
    metrics: enabled ? createMetrics({ version: VERSION, runtime: runtimeName(), ...bounds }) : NO_METRICS,
  };
}

/** A node that does not trace does not load the library. */
async function openTracer(config: Config, node: string, clock: Clock, random: Random, redaction: Redaction): Promise<Tracer> {
  if (!config.tracing) return NO_TRACER;
  const library = await import("../telemetry/open_telemetry.ts");
  const { url, headers, ratio, maxQueuedSpans, intervalMs, timeoutMs } = config.traces;
  return library.openTelemetry({
    url: url || DEFAULT_COLLECTOR,
    headers: headersOf(headers),
    ratio,
    maxQueuedSpans,
    intervalMs,
    timeoutMs,
    node,
    version: VERSION,
    clock,
    random,
    redaction,
  });
}

/** `name=value,name=value`, percent-encoded as the specification has it. */
function headersOf(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(",").filter((pair) => pair !== "");
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf("=")).trim(), decoded(pair.slice(pair.indexOf("=") + 1).trim())]),
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // it was not encoded
  }
}

/** Calls of the stores as spans, below whatever stands between them and their actors. */
export function tracedTap(tap: StoreTap, tracer: Tracer, config: Config): StoreTap {
  if (!tracer.isOn) return tap;
  const vectors = (store: VectorStore & LexicalIndex, system: string) =>
    tracedPort(tracer, store, system, ["searchVector", "searchText", "fetchChunks", "replaceDocuments"], { "db.system.name": system });
  const documentSystem = config.mongodb.url === "" ? "sqlite" : "mongodb";
  return {
    vectors: (store) => vectors(tap.vectors(store), config.milvus.url === "" ? "lancedb" : "milvus"),
    lexical: (store) => vectors(tap.lexical?.(store) ?? store, "lancedb"),
    documents: (store) =>
      tracedPort(
        tracer,
        tap.documents(store),
        documentSystem,
        [
          "createCollection",
          "getCollection",
          "getDocument",
          "getParents",
          "acceptDocuments",
          "getJob",
          "listDocuments",
          "markDeleting",
          "startJob",
          "pendingDocuments",
          "putChunks",
          "markIndexed",
          "finishJob",
          "beginReindex",
        ],
        { "db.system.name": documentSystem },
      ),
  };
}
