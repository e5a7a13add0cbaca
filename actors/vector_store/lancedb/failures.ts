import { KennelError, kennelError } from "../../../runtime/errors.ts";
import type { IndexName } from "../vector_store.ts";

const NO_SPACE = /no space left|os error 28\b|storage ?full|quota exceeded|os error 122\b/i;
const NO_TABLE = /^table '[^']*' was not found/i;
const BAD_STATEMENT = /sql parser error|error parsing statement|schema error/i;

/** What LanceDB threw, as the caller may see it: its own words hold paths, so they stay in `cause`, for the log. */
export function translateFailure(thrown: unknown, attempted: string, index: IndexName | null): KennelError {
  if (thrown instanceof KennelError) return thrown;
  const words = thrown instanceof Error ? thrown.message : String(thrown);
  const what = index === null ? attempted : `${attempted} index "${index.collection}" version ${index.version}`;
  if (NO_SPACE.test(words)) return kennelError("storage_full", { message: `Cannot ${what}: no space is left`, cause: thrown });
  if (NO_TABLE.test(words)) return kennelError("not_found", { message: `Cannot ${what}: it does not exist`, cause: thrown });
  if (BAD_STATEMENT.test(words))
    return kennelError("internal", { message: `Cannot ${what}: the store refused the statement`, cause: thrown });
  return kennelError("unavailable", { message: `Cannot ${what}: the vector store failed`, cause: thrown });
}

export function isMissingTable(thrown: unknown): boolean {
  return thrown instanceof Error && NO_TABLE.test(thrown.message);
}

export function isExistingTable(thrown: unknown): boolean {
  return thrown instanceof Error && /^table '[^']*' already exists/i.test(thrown.message);
}

/**
 * Rejects with `cancelled` as soon as the signal aborts. LanceDB can't be interrupted: what it has begun runs to its end
 * and its outcome is dropped.
 */
export function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(cancelled(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

export function refuseAborted(signal: AbortSignal): void {
  if (signal.aborted) throw cancelled(signal);
}

function cancelled(signal: AbortSignal): KennelError {
  return kennelError("cancelled", { cause: signal.reason });
}
