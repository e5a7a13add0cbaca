import type { MilvusClient } from "@zilliz/milvus2-sdk-node";
import { cancellationOf } from "../../../../runtime/cancellation.ts";
import type { Clock } from "../../../../runtime/clock.ts";
import { KennelError, kennelError } from "../../../../runtime/errors.ts";
import type { AdoptedDocument, Adoption, ForeignCollection } from "../../adoption.ts";
import { Changes } from "../../changes.ts";
import type { Filter } from "../../filter.ts";
import type { Candidate, ChunkRow, FoundChunk, SearchOptions, StoredChunk } from "../../vector_store.ts";
import { isMisfit, isMissing, isNotLoaded, isRefusal } from "../failures.ts";
import { isLoaded, loadCollection } from "../loading.ts";
import type { Reader } from "../reads.ts";
import { inspectForeign, listForeign } from "./inspection.ts";
import {
  countAdoptedRows,
  fetchAdoptedChunks,
  heldDocuments,
  matchDocuments,
  readDocument,
  scanAdoptedRows,
  searchAdoptedText,
  searchAdoptedVector,
} from "./reads.ts";
import { replaceAdoptedDocuments } from "./writes.ts";

/** Refusals of a probe's search after which the collection, and not the server, is taken to be at fault. */
const MAX_REFUSALS = 3;

/**
 * Collections that Kennel did not make, searched and written as they are. What it needs to know of one stands in the
 * adoption, so that nothing is asked before a search. Invariants:
 *   A1. Rows come and go here, and nothing else of a collection changes but that it is loaded into the server's memory.
 *   A2. Changes of one collection follow one another.
 */
export class AdoptedCollections {
  readonly #client: MilvusClient;
  readonly #reader: Reader;
  readonly #clock: Clock;
  readonly #closing: AbortSignal;
  /** One load serves all who wait for it. */
  readonly #loads = new Map<string, Promise<void>>();
  readonly #changes = new Changes();
  /** The one that was used last, with success. */
  #last: Adoption | null = null;
  /** By it, in a row, to a probe. */
  #refusals = 0;

  constructor(client: MilvusClient, reader: Reader, clock: Clock, closing: AbortSignal) {
    this.#client = client;
    this.#reader = reader;
    this.#clock = clock;
    this.#closing = closing;
  }

  list(): Promise<readonly string[]> {
    return listForeign(this.#client);
  }

  async inspect(name: string, isToLoad: boolean): Promise<ForeignCollection> {
    if (!isToLoad) return inspectForeign(this.#client, name, await isLoaded(this.#client, name).catch(() => false));
    const described = await inspectForeign(this.#client, name, false);
    if (described.indexes.length === 0) return described; // without an index it can't be loaded
    await this.#load(name);
    return inspectForeign(this.#client, name, true);
  }

  searchVector(adoption: Adoption, vector: Float32Array, options: SearchOptions, signal: AbortSignal): Promise<(Candidate | FoundChunk)[]> {
    return this.#use(adoption, () => searchAdoptedVector(this.#reader, adoption, vector, options, signal));
  }

  searchText(adoption: Adoption, query: string, options: SearchOptions): Promise<readonly Candidate[]> {
    return this.#use(adoption, () => searchAdoptedText(this.#reader, adoption, query, options));
  }

  fetchChunks(adoption: Adoption, ids: readonly string[]): Promise<readonly StoredChunk[]> {
    return this.#use(adoption, () => fetchAdoptedChunks(this.#reader, adoption, ids));
  }

  countRows(adoption: Adoption): Promise<number> {
    return this.#use(adoption, () => countAdoptedRows(this.#client, adoption));
  }

  /** A2 */
  replaceDocuments(adoption: Adoption, documentIds: readonly string[], rows: readonly ChunkRow[], signal: AbortSignal): Promise<void> {
    return this.#changes.alone(adoption.collection, async () => {
      if (signal.aborted) throw cancellationOf(signal); // it may have waited long for its turn
      await this.#use(adoption, () => replaceAdoptedDocuments(this.#client, adoption, documentIds, rows));
    });
  }

  matchDocuments(adoption: Adoption, filter: Filter, limit: number, signal: AbortSignal): Promise<readonly string[]> {
    return this.#use(adoption, () => matchDocuments(this.#client, adoption, filter, limit, signal));
  }

  heldDocuments(adoption: Adoption, ids: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    return this.#use(adoption, () => heldDocuments(this.#client, adoption, ids, signal));
  }

  readDocument(adoption: Adoption, id: string): Promise<AdoptedDocument | null> {
    return this.#use(adoption, () => readDocument(this.#client, adoption, id));
  }

  /** A search in the collection that was used last, as a sign that the server can; null: none was. */
  async searchLast(signal: AbortSignal): Promise<unknown> {
    const adoption = this.#last;
    if (adoption === null) return null;
    try {
      return await this.trySearch(adoption, signal);
    } catch (thrown) {
      // One that its owner has changed or dropped says nothing of the server; why else it says no need not be known.
      const isItsOwn = isMissing(thrown) || (thrown instanceof KennelError && thrown.code === "conflict");
      this.#refusals = isRefusal(thrown) ? this.#refusals + 1 : 0;
      if (isItsOwn || this.#refusals >= MAX_REFUSALS) this.#last = null;
      if (!isItsOwn) throw thrown;
      return null;
    }
  }

  /** The least that shows that it can be searched. */
  async trySearch(adoption: Adoption, signal: AbortSignal): Promise<readonly unknown[]> {
    const options: SearchOptions = { limit: 1, needed: null, filter: null, notBeforeMs: null };
    return this.searchVector(adoption, new Float32Array(adoption.dimensions).fill(1), options, signal);
  }

  /** Rows in pages, without their vectors. */
  scan(adoption: Adoption, pageRows: number): Promise<AsyncGenerator<readonly ChunkRow[]>> {
    return this.#use(adoption, async () => scanAdoptedRows(this.#client, adoption, pageRows));
  }

  /** One that is not in memory, as after a restart of the server, is loaded, and asked once more. */
  async #use<Result>(adoption: Adoption, work: () => Promise<Result>): Promise<Result> {
    const attempt = () => work().catch((thrown) => Promise.reject(isMisfit(thrown) ? misfit(adoption, thrown) : thrown));
    let result: Result;
    try {
      result = await attempt();
    } catch (thrown) {
      if (!isNotLoaded(thrown)) throw thrown;
      await this.#load(adoption.collection).catch((refusal) => Promise.reject(isMisfit(refusal) ? misfit(adoption, refusal) : refusal));
      result = await attempt();
    }
    this.#last = adoption;
    this.#refusals = 0;
    return result;
  }

  #load(name: string): Promise<void> {
    const held = this.#loads.get(name);
    if (held !== undefined) return held;
    const loading = loadCollection(this.#client, name, this.#clock, this.#closing).finally(() => this.#loads.delete(name));
    this.#loads.set(name, loading);
    return loading;
  }
}

/** No outage: neither is the store's breaker to open for it, nor a job to wait for its end. */
function misfit({ collection }: Adoption, cause: unknown): KennelError {
  const message = `Milvus refused it as not fitting the schema of "${collection}"; if that has changed, delete this collection and adopt it anew`;
  return kennelError("conflict", { message, cause });
}
