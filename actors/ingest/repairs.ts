import type { Clock } from "../../runtime/clock.ts";
import { ERROR_TABLE, toKennelError } from "../../runtime/errors.ts";
import type { Logger } from "../../telemetry/logs.ts";
import type { Catalog } from "../document_store/catalog.ts";
import type { IndexName } from "../vector_store/vector_store.ts";
import type { IngestService } from "./ingest_service.ts";

export interface RepairParts {
  readonly catalog: Pick<Catalog, "list" | "resolve">;
  readonly ingest: Pick<IngestService, "repairIfIncomplete">;
  readonly clock: Clock;
  readonly logger: Logger;
}

const COLLECTIONS_PER_PAGE = 1_000;
/** Pause before a store that was away is asked again. */
const RETRY_MS = 2_000;

/** Finds indexes that the vector store has lost, and has them built anew from the document store. */
export class Repairs {
  readonly #parts: RepairParts;
  /** Collections that are being looked at; bounded by their number. */
  readonly #looking = new Set<string>();

  constructor(parts: RepairParts) {
    this.#parts = parts;
  }

  /** Looks at every collection with chunks, one after the other, and waits out outages. Never rejects. */
  async audit(signal: AbortSignal): Promise<void> {
    const { catalog } = this.#parts;
    let after: string | null = null;
    do {
      const page: ReturnType<Catalog["list"]> = catalog.list({ after, limit: COLLECTIONS_PER_PAGE });
      for (const { name, chunks } of page.items) {
        while (chunks > 0 && !signal.aborted && (await this.#look(name, signal)) === "away") await this.#pause(signal);
      }
      after = signal.aborted ? null : page.next;
    } while (after !== null);
  }

  /** A search has met an index that is not there. */
  missed({ collection, version }: IndexName, signal: AbortSignal): void {
    const resolved = this.#parts.catalog.resolve(collection);
    if (resolved === null || resolved.version !== version || resolved.record.chunks === 0) return;
    void this.#look(collection, signal);
  }

  async #look(collection: string, signal: AbortSignal): Promise<"looked" | "away"> {
    if (this.#looking.has(collection)) return "looked";
    this.#looking.add(collection);
    try {
      await this.#parts.ingest.repairIfIncomplete(collection, signal);
      return "looked";
    } catch (thrown) {
      const { code } = toKennelError(thrown);
      if (!signal.aborted && code !== "not_found") {
        this.#parts.logger.warn({ collection, code }, "whether a collection's index is whole is not known");
      }
      return ERROR_TABLE[code].retryable ? "away" : "looked";
    } finally {
      this.#looking.delete(collection);
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    await this.#parts.clock.sleep(RETRY_MS, signal).catch(() => {}); // the signal is looked at next
  }
}
