import type { Asks, Outcome, PendingAsk } from "../../supervisor/kernel/behavior.ts";
import type { BuildSettings } from "../document_store/collection_record.ts";
import type { SourceDocument } from "../document_store/document_record.ts";
import type { ReindexPlan } from "../document_store/index_version.ts";
import type { JobRecord } from "../document_store/job_record.ts";
import type { AttributeType, VisibleFilter } from "../vector_store/filter.ts";
import type { Indexing } from "./indexing.ts";
import type { JobOrigin } from "./job_traces.ts";
import type { TakenJob, Verdict } from "./sharing/shared_jobs.ts";

/** What an exclusive step does; nothing else runs on its collection meanwhile. */
export type Work = (indexing: Indexing, signal: AbortSignal) => Promise<unknown>;

export interface AcceptMessage extends Asks<JobRecord> {
  readonly kind: "accept";
  readonly collection: string;
  readonly documents: readonly SourceDocument[];
  readonly inferred: Readonly<Record<string, AttributeType>>;
  readonly bytes: number;
  /** Which documents that are there may be replaced; null: all. */
  readonly replaceable: VisibleFilter | null;
  readonly origin: JobOrigin | null;
}

export interface ReindexMessage extends Asks<JobRecord> {
  readonly kind: "reindex";
  readonly collection: string;
  readonly build: BuildSettings;
  readonly plan: ReindexPlan;
  readonly origin: JobOrigin | null;
}

export interface ExclusiveMessage extends Asks<unknown> {
  readonly kind: "exclusive";
  readonly collection: string;
  readonly work: Work;
}

export interface CancelMessage extends Asks<boolean> {
  readonly kind: "cancel";
  readonly jobId: string;
  /** Null: not known. */
  readonly collection: string | null;
}

/** `elsewhere`: another node works on the collection. */
export type RoundResult = { readonly isFinished: boolean } | "elsewhere";

export interface JudgedMessage {
  readonly kind: "judged";
  readonly jobId: string;
  readonly outcome: Outcome<Verdict>;
}

export interface ChangedMessage extends Asks<readonly string[]> {
  readonly kind: "changed_collections";
}

export type IngestMessage =
  | AcceptMessage
  | ReindexMessage
  | ExclusiveMessage
  | CancelMessage
  | ChangedMessage
  | {
      readonly kind: "accepted";
      readonly bytes: number;
      readonly ask: PendingAsk | null;
      readonly origin: JobOrigin | null;
      readonly outcome: Outcome<JobRecord>;
    }
  | {
      readonly kind: "round_ended";
      readonly jobId: string;
      readonly collection: string;
      readonly outcome: Outcome<RoundResult>;
    }
  | { readonly kind: "exclusive_ended"; readonly collection: string; readonly ask: PendingAsk | null; readonly outcome: Outcome<unknown> }
  | {
      readonly kind: "cancelled";
      readonly jobId: string;
      readonly collection: string;
      readonly ask: PendingAsk | null;
      readonly outcome: Outcome<boolean>;
    }
  | { readonly kind: "job_failed"; readonly jobId: string; readonly outcome: Outcome<JobRecord> }
  | JudgedMessage
  /** This node has claimed a job. */
  | { readonly kind: "taken"; readonly job: TakenJob }
  /** Other nodes are to have what this one holds. */
  | { readonly kind: "hand_back" }
  | { readonly kind: "wake" };
