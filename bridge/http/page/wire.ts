import type { SearchAnswer } from "../../../actors/retriever/search.ts";
import type { StatusNode, SupervisionEvent } from "../../../supervisor/child.ts";

/** What the page reads of the server's answers. Types only: the browser never loads this file. */

export type { Degradation, Hit, SearchAnswer } from "../../../actors/retriever/search.ts";
export type { StatusNode, SupervisionEvent } from "../../../supervisor/child.ts";

/** One row of `GET /v1/collections`, as far as the page shows it. */
export interface CollectionItem {
  readonly name: string;
  readonly documents: number;
  readonly chunks: number;
}

/** `GET /v1/status`. */
export interface StatusAnswer {
  readonly node: string;
  readonly version: string;
  readonly mode: string;
  readonly uptime_s: number;
  readonly children: readonly StatusNode[];
  /** The last supervision events, newest last. */
  readonly events: readonly SupervisionEvent[];
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
