/**
 * The HTTP bridge: from a request to a handed-over question and back, for every route.
 *
 * Invariants:
 *   H1. Every request gets exactly one answer in the documented shape, with its request id; what a route throws becomes
 *       the row of the error table, and what is no `KennelError` is `internal` and logged with its cause.
 *   H2. Every request has a deadline, and an answer goes out when it has passed, whatever the rest of the node does.
 *   H3. What was admitted is released, and what was reserved given back, once, however the request ends.
 *   H4. Where keys are asked for, no route runs before its caller's key was found good, and none with more than it allows.
 *   H5. What changes something, was to, or was refused is told to the audit log, once.
 */
import type { EmbeddingModel } from "../../actors/embedding/embedding.ts";
import type { Reranker } from "../../actors/reranker/reranker.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import type { AuditLog } from "../../telemetry/audit/audit_log.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { Tracer } from "../../telemetry/tracing.ts";
import type { StreamTransport, Transport } from "../../transport/transport.ts";
import type { KeyLimits } from "../keys/key_limits.ts";
import type { KeyVerifier } from "../keys/key_ring.ts";
import type { CollectionChoices, CollectionDefaults } from "../schema/collections.ts";
import type { ReindexDefaults } from "../schema/reindex.ts";
import type { DoorOptions } from "./access/door.ts";
import type {
  AccessMetrics,
  CollectionAdoption,
  CollectionCatalog,
  CollectionReindex,
  DocumentIngest,
  DocumentReader,
  FileUploads,
  FlagControl,
  HttpMetrics,
  MetricsExposition,
  ModeControl,
  NodeStatusSource,
  PageFiles,
  RetrieverPool,
  UpkeepControl,
  UrlSource,
} from "./collaborators.ts";
import type { BridgeLimits } from "./limits.ts";

/** What the bridge works with. */
export interface BridgeParts {
  readonly transport: Transport;
  /** What carries chat's answers. */
  readonly streams: StreamTransport;
  readonly catalog: CollectionCatalog;
  readonly documents: DocumentReader;
  readonly ingest: DocumentIngest & CollectionReindex;
  readonly registry: RetrieverPool;
  readonly adoption: CollectionAdoption;
  readonly embedding: EmbeddingModel;
  readonly reranker: Reranker;
  readonly uploads: FileUploads;
  /** Null: documents are not fetched by URL. */
  readonly urls: UrlSource | null;
  readonly status: NodeStatusSource;
  readonly modes: ModeControl;
  readonly upkeep: UpkeepControl;
  readonly flags: FlagControl;
  readonly metrics: HttpMetrics;
  readonly exposition: MetricsExposition;
  /** Null: there is no page at `/`. */
  readonly page: PageFiles | null;
  /** Null: callers need no key. */
  readonly keys: KeyVerifier | null;
  /** Of keys that have none of their own. */
  readonly keyLimits: KeyLimits;
  readonly accessMetrics: AccessMetrics;
  readonly audit: AuditLog;
  /** What this node is called. */
  readonly hosts: Pick<DoorOptions, "hostNames" | "takesAddresses">;
  readonly logger: Logger;
  /** @default nothing is traced */
  readonly tracer?: Tracer;
  /** Share of the good requests that are logged at `info`. @default 0 */
  readonly loggedShare?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: BridgeLimits;
  /** What holds for a reindex that leaves it out. */
  readonly reindex: ReindexDefaults;
  /** Settings of collections that leave them out. */
  readonly defaults: CollectionDefaults;
  /** What those settings may name. */
  readonly choices: CollectionChoices;
  /** Origins whose pages may call the API; `*`: all. */
  readonly corsOrigins: readonly string[];
  /** Kennel's version, for the OpenAPI document. */
  readonly version: string;
}

/** What a request came over. */
export type Via = "http" | "nats";
