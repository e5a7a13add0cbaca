import type { Clock } from "../../runtime/clock.ts";
import { type KennelError, kennelError, toKennelError } from "../../runtime/errors.ts";
import type { Random } from "../../runtime/random.ts";
import { backoff } from "../../supervisor/backoff.ts";
import type { Service } from "../../supervisor/service.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { Catalog, LoadableCatalog } from "./catalog.ts";
import type { DocumentStore } from "./document_store.ts";

export interface CatalogLoadingParts {
  readonly catalog: LoadableCatalog;
  readonly service: Pick<Service<DocumentStore>, "whenReady">;
  /** Done with what was read, before anyone sees it. */
  readonly prepare: (resolve: Catalog["resolve"]) => Promise<void>;
  /** Longest that one reading may take, in ms. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Between two readings that failed although the store was there. */
const PAUSE = { backoffMs: 250, maxBackoffMs: 5_000 } as const;

/** Reads the catalog once, when its store is there. Rejects with what went wrong, or with the signal's reason. */
export async function loadCatalog({ catalog, service, prepare, timeoutMs }: CatalogLoadingParts, signal: AbortSignal): Promise<void> {
  await service.whenReady(signal);
  await catalog.load(AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]), prepare);
}

/** The same until it has succeeded, however long the store is away. Rejects only with the signal's reason. */
export async function loadCatalogEventually(parts: CatalogLoadingParts, signal: AbortSignal): Promise<void> {
  for (let failures = 0; ; failures++) {
    try {
      return await loadCatalog(parts, signal);
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      parts.logger.warn({ code: toKennelError(thrown).code, failures: failures + 1 }, "the collections could not be read; trying again");
    }
    await parts.clock.sleep(backoff(PAUSE, failures, parts.random), signal);
  }
}

/** What callers are told while it is not known which collections there are. */
export function collectionsUnknown({ refusal }: Pick<Service<DocumentStore>, "refusal">): KennelError {
  return kennelError("unavailable", {
    message: `Which collections there are is not known yet: ${refusal?.message ?? "they are being read from the document store"}`,
    ...(refusal?.retryAfterMs == null ? {} : { retryAfterMs: refusal.retryAfterMs }),
  });
}
