/**
 * What the HTTP bridge needs of the rest of the node: the narrow side of each part, so that a route can be tested with
 * a few lines in its place. Every method rejects with a `KennelError`.
 */

import type { Catalog } from "../../actors/document_store/catalog.ts";
import type { BuildSettings, CollectionRecord } from "../../actors/document_store/collection_record.ts";
import type { DocumentRecord } from "../../actors/document_store/document_record.ts";
import type { DocumentPage, Page } from "../../actors/document_store/document_store.ts";
import type { ReindexPlan } from "../../actors/document_store/index_version.ts";
import type { JobRecord } from "../../actors/document_store/job_record.ts";
import type { IncomingDocument } from "../../actors/ingest/accept.ts";
import type { UrlFetcher } from "../../actors/ingest/fetching/url_fetcher.ts";
import type { UploadFolder } from "../../actors/ingest/upload_folder.ts";
import type { UpkeepService } from "../../actors/janitor/janitor.ts";
import type { CollectionUsage } from "../../actors/janitor/usage.ts";
import type { Mode } from "../../actors/retriever/search.ts";
import type { Adopter } from "../../actors/vector_store/adopter.ts";
import type { Filter, VisibleFilter } from "../../actors/vector_store/filter.ts";
import type { FlagKey } from "../../config/flags.ts";
import type { AuditReason } from "../../telemetry/audit/audit_log.ts";
import type { LimitKind } from "../keys/key_limits.ts";

/** Collections and aliases of this node. Reads come from memory. */
export type CollectionCatalog = Pick<Catalog, "resolve" | "list" | "aliases" | "put" | "delete" | "putAlias" | "deleteAlias">;

export interface DocumentReader {
  getDocument(collection: string, id: string, signal: AbortSignal): Promise<DocumentRecord | null>;
  listDocuments(collection: string, page: DocumentPage, signal: AbortSignal): Promise<Page<Omit<DocumentRecord, "text">>>;
  getJob(jobId: string, signal: AbortSignal): Promise<JobRecord | null>;
}

export interface DocumentIngest {
  /**
   * Resolves once the documents are on disk; they are searchable when the job has completed.
   * @param replaceable which documents that are there may be replaced, null or absent: all; another rejects with `forbidden`
   */
  accept(
    collection: string,
    documents: readonly IncomingDocument[],
    signal: AbortSignal,
    replaceable?: VisibleFilter | null,
  ): Promise<JobRecord>;
  /** From every index and the document store. @param visible others stay; null or absent: none does. @returns how many there were */
  deleteDocuments(collection: string, ids: readonly string[], signal: AbortSignal, visible?: VisibleFilter | null): Promise<number>;
  /** @param visible as with `deleteDocuments`. @returns how many matched */
  deleteMatching(collection: string, filter: Filter, signal: AbortSignal, visible?: VisibleFilter | null): Promise<number>;
  /** False: the job was not open any more. */
  cancel(jobId: string, signal: AbortSignal): Promise<boolean>;
}

/** Files that belong to no collection yet. */
export type FileUploads = Pick<UploadFolder, "list" | "get" | "content" | "put" | "delete">;

/** What fetches documents that are named by URL. */
export interface UrlSource extends Pick<UrlFetcher, "fetchAll"> {
  /** In one request. */
  readonly maxUrls: number;
}

export interface CollectionReindex {
  /** Resolves once the job that builds the index anew is on disk. */
  reindex(collection: string, build: BuildSettings, signal: AbortSignal, plan: ReindexPlan): Promise<JobRecord>;
  /** Searches go to the build that is held or kept (null: whichever there is), and the one before is kept until `keepUntilMs`. */
  switchVersion(collection: string, version: number | null, keepUntilMs: number | null, signal: AbortSignal): Promise<CollectionRecord>;
  retireVersion(collection: string, version: number, signal: AbortSignal): Promise<boolean>;
  dropVersion(collection: string, version: number, signal: AbortSignal): Promise<boolean>;
}

/** Collections of others in the vector store. */
export type CollectionAdoption = Pick<Adopter, "list" | "look" | "adopt">;

export interface RetrieverPool {
  /** Resolves when the collection's retriever is ready. */
  warm(nameOrAlias: string, signal: AbortSignal): Promise<void>;
  /** Resolves when the collection's running retrievers search this index version or a later one. */
  refresh(collection: string, indexVersion: number): Promise<void>;
}

export interface NodeStatusSource {
  /** The body of `GET /v1/status`. */
  read(): object;
  /** Whether the node has started and takes requests; it never follows a dependency. */
  readonly readiness: "ok" | "starting" | "draining";
}

/** What the node does to keep itself in order, and what it has counted. */
export interface UpkeepControl extends UpkeepService {
  /** Most searched first. */
  usage(limit: number): readonly CollectionUsage[];
}
/** Whom an operator speaks to: all nodes, or the one that is asked. */
export type OperatorScope = "node" | "cluster";

export interface ModeControl {
  /**
   * Resolves when the mode holds on this node for every query from then on; null lets the services decide again.
   * @param scope left out: the cluster, and null also takes back what was said to this node
   */
  force(mode: Mode | null, signal: AbortSignal, scope?: OperatorScope): Promise<{ readonly mode: Mode; readonly forced_mode: Mode | null }>;
}

/** One flag as it holds on this node. */
export interface FlagState {
  readonly flag: string;
  readonly enabled: boolean;
  /** By the settings. */
  readonly default: boolean;
  readonly source: "settings" | OperatorScope;
  readonly reason: string | null;
  /** ISO 8601 */
  readonly since: string | null;
  /** The node that was told. */
  readonly node: string | null;
  readonly description: string;
}

export interface FlagControl {
  list(): readonly FlagState[];
  /** Resolves when it holds on this node. Rejects with `unavailable` where the cluster cannot be told. */
  switchFlag(flag: FlagKey, enabled: boolean, reason: string, scope: OperatorScope, signal: AbortSignal): Promise<FlagState>;
  /** @param scope null: both */
  resetFlag(flag: FlagKey, scope: OperatorScope | null, signal: AbortSignal): Promise<FlagState>;
}

export interface HttpMetrics {
  /** `route` is the path's pattern, so that its values are few. */
  answered(request: {
    readonly route: string;
    readonly method: string;
    readonly status: number;
    readonly durationMs: number;
    /** The trace, and wall time; null: it is not traced. */
    readonly trace: { readonly id: string; readonly atMs: number } | null;
  }): void;
  /** Requests that are being answered now. */
  inFlight(change: 1 | -1): void;
}

export interface AccessMetrics {
  /** A request was not let through, by what it was refused for. */
  refused(reason: AuditReason): void;
  /** A key has met its own limit. */
  limited(keyId: string, kind: LimitKind): void;
}

/** What `GET /metrics` answers. */
export interface MetricsExposition {
  readonly contentType: string;
  render(): Promise<string>;
  /** The same as OpenMetrics, for who asks for that; absent: there is nothing that it alone could say. */
  readonly renderOpen?: () => Promise<string>;
}

/** One file, ready to be sent either way. */
export interface StaticFile {
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same, compressed, for a browser that accepts gzip. */
  readonly gzipped: Uint8Array<ArrayBuffer>;
  /** Weak, since it stands for both forms. */
  readonly etag: string;
}

/** The files of the page at `/`, by their path: `/`, `/page/app.js`. */
export interface PageFiles {
  readonly paths: readonly string[];
  get(path: string): StaticFile | null;
  /** What the page may load, for its Content-Security-Policy. */
  readonly contentSecurityPolicy: string;
}
