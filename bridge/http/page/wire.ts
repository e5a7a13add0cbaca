import type { SearchAnswer } from "../../../actors/retriever/search.ts";
import type { StatusNode, SupervisionEvent } from "../../../supervisor/child.ts";

/** What the page reads of the server's answers. Types only: the browser never loads this file. */

/** How a task of upkeep stands, as the status tree shows it. */
export type { TaskReport as UpkeepDetails } from "../../../actors/janitor/upkeep_task.ts";
export type { Degradation, Hit, SearchAnswer } from "../../../actors/retriever/search.ts";
export type { StatusNode, SupervisionEvent } from "../../../supervisor/child.ts";

/** One row of `GET /v1/collections`, as far as the page shows it. */
export interface CollectionItem {
  readonly name: string;
  readonly documents: number;
  readonly chunks: number;
}

/** A build beside the active one, as `GET /v1/collections/{c}` tells of it. */
export type { WireCollection as CollectionAnswer } from "../../schema/collections.ts";
export type { WireJob as JobAnswer } from "../../schema/jobs.ts";

/** A strategy's row of `POST …/evaluations`. */
export interface EvaluationRow {
  readonly strategy: string;
  readonly ndcg_10: Interval;
  readonly map: Interval;
  readonly mrr_10: Interval;
  readonly recall_100: Interval;
  readonly degraded: number;
}

/** A mean and its 95 % bootstrap interval, 0 to 1. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** A question with the grades of documents by id. */
export interface JudgedQuestion {
  readonly query: string;
  readonly relevant: Readonly<Record<string, number>>;
}

export interface ChatMessage {
  readonly role: "user" | "assistant";
  readonly content: string;
}

/** What stands behind a mark `[n]` of an answer. */
export interface Annotation {
  readonly document_id: string;
  readonly chunk_id: string;
  readonly quote: string;
  readonly url_citation: { readonly start_index: number; readonly end_index: number; readonly title: string; readonly url: string };
}

/** What a streamed chat says, one after another. */
export type ChatPart =
  | { readonly kind: "begin"; readonly mode: string; readonly degradations: string; readonly requestId: string | null }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "citation"; readonly annotation: Annotation };

/** `GET /v1/status`. */
export interface StatusAnswer {
  readonly node: string;
  readonly version: string;
  readonly mode: string;
  /** Set by an operator. */
  readonly forced_mode: string | null;
  /** What can be switched off while the node runs. */
  readonly flags: readonly { readonly flag: string; readonly enabled: boolean; readonly reason: string | null }[];
  /** Null: the node has no NATS. */
  readonly nats: {
    readonly state: string;
    readonly server: string | null;
    readonly cause: string | null;
    readonly denied: readonly string[];
    readonly captured: readonly { readonly subject: string; readonly stream: string }[] | null;
  } | null;
  readonly uptime_s: number;
  /** Null: the node is in no cluster. */
  readonly cluster: ClusterAnswer | null;
  readonly children: readonly StatusNode[];
  /** The last supervision events, newest last. */
  readonly events: readonly SupervisionEvent[];
}

/** The cluster as one node sees it. */
export interface ClusterAnswer {
  readonly connection: string;
  readonly is_name_taken: boolean;
  readonly leader: string | null;
  /** The worst that any node has; empty: not told yet. */
  readonly mode: string;
  readonly nodes: readonly {
    readonly node: string;
    readonly state: string;
    readonly since_s: number;
    readonly heard_s: number;
    readonly lag_ms: number;
    readonly in_flight: number;
    readonly queue: number;
    readonly capacity: number;
    readonly collections: number;
  }[];
  readonly collections: readonly { readonly collection: string; readonly nodes: readonly string[]; readonly owners: readonly string[] }[];
  readonly pending_moves: number;
}

/** A search's answer with what only the caller knows. */
export interface TimedAnswer {
  readonly answer: SearchAnswer;
  /** From sending the question to having read the answer, as the browser measured it. */
  readonly roundTripMs: number;
  readonly requestId: string | null;
}

/** A failure in the server's words, or in ours when no server answered. */
export interface Failure {
  /** A code of the error table; `unreachable` or `timeout` when no answer came. */
  readonly code: string;
  readonly message: string;
  /** The field at fault. */
  readonly param: string | null;
  readonly status: number;
  readonly requestId: string | null;
  readonly retryAfterMs: number | null;
  readonly isRetryable: boolean;
}
