import type { DocumentStore } from "../../actors/document_store/document_store.ts";
import type { LexicalIndex, VectorStore } from "../../actors/vector_store/vector_store.ts";
import type { Flags } from "../../config/flags.ts";
import type { Config } from "../../config/schema.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import type { PoolStats } from "../../supervisor/pool.ts";
import type { Supervisor } from "../../supervisor/supervisor.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import type { Tracer } from "../../telemetry/tracing.ts";

/**
 * Stands between the stores and the actors that own them: sees every call and may let it fail, so that an outage and its
 * end can be had on demand. What it returns must keep to the port.
 */
export interface StoreTap {
  vectors(store: VectorStore & LexicalIndex): VectorStore & LexicalIndex;
  documents(store: DocumentStore): DocumentStore;
  /** What ranks texts beside a Milvus that does not. @default nothing stands between */
  lexical?(store: VectorStore & LexicalIndex): VectorStore & LexicalIndex;
}

export const NO_TAP: StoreTap = { vectors: (store) => store, documents: (store) => store };

/** What every external service is built with. */
export interface ServiceParts {
  readonly supervisor: Supervisor;
  readonly config: Config;
  /** What is switched on now. */
  readonly flags: Flags;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tap: StoreTap;
  readonly tracer: Tracer;
}

/** Of a client that is not open. */
export const NO_POOL: PoolStats = { size: 0, idle: 0, inUse: 0, waiting: 0, limit: 0, max: 0 };
