import { type ErrorCode, KennelError, kennelError } from "../../../runtime/errors.ts";
import type { IndexName } from "../vector_store.ts";

/** What every answer of Milvus carries, or is. */
export interface MilvusStatus {
  readonly error_code?: string;
  readonly code?: number;
  readonly reason?: string;
}

/** An answer that says no; its words stay in the log. */
class MilvusRefusal extends Error {
  readonly code: number;

  constructor(status: MilvusStatus) {
    super(status.reason || status.error_code || "no reason given");
    this.name = "MilvusRefusal";
    // Servers before 2.3 know names only.
    this.code = status.error_code === "CollectionNotExists" ? CODES.noCollection : (status.code ?? 0);
  }
}

const CODES = {
  noCollection: 100,
  notLoaded: 101,
  noIndex: 700,
  invalid: 1100,
  invalidInLite: 6,
  rateLimited: 8,
  quotaExceeded: 9,
} as const;
const MISFITS: readonly number[] = [CODES.invalid, CODES.invalidInLite, CODES.noIndex];
const NO_SPACE = /no space left|disk quota|quota exceeded.*disk/i;

/**
 * The answer, once it has said that all is well. A method that the server does not know comes back as an empty answer
 * without an error, so that a missing status is one.
 */
export function succeeded<Answer extends object>(answer: Answer): Answer {
  const status: MilvusStatus | undefined = "status" in answer ? (answer.status as MilvusStatus) : (answer as MilvusStatus);
  if (status?.error_code !== "Success" || (status.code ?? 0) !== 0) throw new MilvusRefusal(status ?? {});
  return answer;
}

export function isMissing(thrown: unknown): boolean {
  return (
    thrown instanceof MilvusRefusal &&
    (thrown.code === CODES.noCollection || /collection not found|can't find collection/i.test(thrown.message))
  );
}

/** The collection is there and not in memory, as after a restart of a server that does not load by itself. */
export function isNotLoaded(thrown: unknown): boolean {
  return thrown instanceof MilvusRefusal && thrown.code === CODES.notLoaded;
}

/** The server says no, for whatever reason, and so is there. */
export function isRefusal(thrown: unknown): boolean {
  return thrown instanceof MilvusRefusal;
}

/** The request or a row of it does not fit the collection's schema: the same again is refused again. */
export function isMisfit(thrown: unknown): boolean {
  return thrown instanceof MilvusRefusal && MISFITS.includes(thrown.code);
}

/** The collection has no index at all, which a question for its indexes is refused with. */
export function isWithoutIndex(status: { readonly error_code?: unknown; readonly code?: unknown } | undefined): boolean {
  return status?.error_code === "IndexNotExist" || status?.code === CODES.noIndex;
}

/** What Milvus or its client threw, as the caller may see it: their own words may hold addresses and stay in `cause`. */
export function translateFailure(thrown: unknown, attempted: string, index: IndexName | null): KennelError {
  if (thrown instanceof KennelError) return thrown;
  const what = index === null ? attempted : `${attempted} index "${index.collection}" version ${index.version}`;
  const fail = (code: ErrorCode, why: string) => kennelError(code, { message: `Cannot ${what}: ${why}`, cause: thrown });
  if (isMissing(thrown)) return fail("not_found", "it does not exist");
  if (!(thrown instanceof MilvusRefusal)) return fail("unavailable", "Milvus can't be reached");
  if (NO_SPACE.test(thrown.message)) return fail("storage_full", "Milvus has no space left");
  if (thrown.code === CODES.rateLimited || thrown.code === CODES.quotaExceeded)
    return fail("overloaded", "Milvus limits the rate of requests");
  return fail("unavailable", "Milvus refused it");
}
