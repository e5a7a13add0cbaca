import type { Clock } from "../../../runtime/clock.ts";
import { kennelError, toKennelError } from "../../../runtime/errors.ts";
import type { Handler, MessageHeaders } from "../../../transport/transport.ts";
import type { ModeView } from "../../coordinator/modes.ts";
import type { CollectionRecord, FusionSettings } from "../../document_store/document_store.ts";
import type { ChunkRow, IndexName } from "../../vector_store/vector_store.ts";
import { AnswerCache, type AnswerCacheStats } from "../answers/answer_cache.ts";
import { answerKey } from "../answers/answer_key.ts";
import { Flights } from "../answers/flights.ts";
import type { PipelineAnswer } from "../pipeline/pipeline.ts";
import { nothingLeft, planSearch, refuseDegraded, type SearchPlan } from "../pipeline/plan.ts";
import type { EncodedAnswer, SearchRequest } from "../search.ts";
import type { ActiveCollection } from "./active_collection.ts";
import { Actives } from "./actives.ts";
import type { RegistryOptions, RegistryParts, ResolvedCollection } from "./options.ts";
import { Uses } from "./uses.ts";

// Invariants:
//   G1. A query that fails or hangs in one collection holds nothing that another collection's query needs.
//   G2. An answer is looked up, shared and kept under the newest index version that this node knows of its collection.
//   G3. An answer of a collection that was dropped meanwhile reaches those who wait for it and is not kept.

/** Expiry by age moves in steps, so that queries of one step can share an answer; nothing is found after its age. */
const EXPIRY_STEP_MS = 1_000;

export interface RegistryStatus {
  readonly active: number;
  readonly max_active: number;
  readonly bytes: number;
  readonly answers: AnswerCacheStats;
  readonly computing: number;
}

/** A query on its way through the registry. */
interface Query {
  readonly request: SearchRequest;
  readonly resolved: ResolvedCollection;
  readonly mode: ModeView;
  readonly fusion: FusionSettings;
  readonly notBeforeMs: number | null;
  readonly receivedMs: number;
  readonly endsAtMs: number;
  readonly key: string;
}

/** The retrievers of this node: finds, activates and passivates them, and answers from memory what was asked before. */
export class RetrieverRegistry {
  readonly #parts: RegistryParts;
  readonly #options: RegistryOptions;
  readonly #clock: Clock;
  readonly #actives: Actives;
  readonly #answers: AnswerCache;
  readonly #flights: Flights<PipelineAnswer>;
  readonly #uses: Uses;
  #isDraining = false;

  constructor(parts: RegistryParts, options: RegistryOptions) {
    const { clock, documents, metrics, logger } = parts;
    this.#parts = parts;
    this.#options = options;
    this.#clock = clock;
    this.#actives = new Actives(parts, options);
    this.#answers = new AnswerCache(clock, options.answers);
    this.#flights = new Flights(clock, options.maxWaiting);
    this.#uses = new Uses(clock, documents, options.uses, {
      dropped: () => metrics.count("use_dropped", 1),
      failed: ({ code }) => logger.warn({ code }, "use of collections was not noted"),
    });
  }

  /** Serves the search endpoint. The signal carries the deadline of `headers.timeoutMs`, as every transport's does. */
  readonly search: Handler<SearchRequest, EncodedAnswer> = async (request, headers, signal) => {
    const { metrics } = this.#parts;
    try {
      const answer = await this.#search(request, headers, signal);
      const { mode, cache, timings_ms: timingsMs, degradations } = answer.rest;
      metrics.answered({ collection: request.collection, mode, cache, strategy: request.strategy, timingsMs });
      for (const { stage, reason } of degradations) metrics.degraded(stage, reason);
      return answer;
    } catch (thrown) {
      const error = toKennelError(thrown);
      metrics.failed(request.collection, error.code);
      throw error;
    }
  };

  /** Activates the collection and waits until it can answer. */
  async warm(name: string, signal: AbortSignal): Promise<void> {
    const entry = await this.#actives.open(this.#resolve(name), signal);
    await entry.whenReady(signal);
  }

  /** Warms pinned and recently used collections side by side. Never rejects: what stays cold is activated by its first query. */
  async start(signal: AbortSignal): Promise<void> {
    const { documents, pinned, metrics, logger, collections } = this.#parts;
    const recent = await documents.recentlyUsed(this.#options.warmCollections, signal).catch((thrown: unknown) => {
      logger.warn({ code: toKennelError(thrown).code }, "recently used collections are not known");
      return [];
    });
    const names = [...new Set([...pinned(), ...recent])].filter((name) => collections.resolve(name) !== null);
    await Promise.all(
      names.slice(0, this.#options.maxActive).map((name) =>
        this.warm(name, signal).catch((thrown: unknown) => {
          metrics.count("warm_failed", 1);
          logger.warn({ collection: name, code: toKennelError(thrown).code }, "collection was not warmed");
        }),
      ),
    );
  }

  /**
   * Takes in a new index version. The old one's answers are not given any more from this call on; the promise resolves
   * when the running retrievers search the new one.
   */
  async refresh(name: string, indexVersion: number): Promise<void> {
    this.#actives.versioned(name, indexVersion);
    await Promise.all([...this.#actives.of(name)].map((entry) => entry.refresh(indexVersion, this.#options.refreshTimeoutMs)));
  }

  /** The store has acknowledged a write (see `followWrites`). Resolves when the next search sees it. */
  async written(index: IndexName, documentIds: readonly string[], rows: readonly ChunkRow[]): Promise<void> {
    await this.#actives.written(index, { documentIds, rows });
  }

  /** Follows the catalog: a collection was changed, or is gone. */
  async changed(name: string, record: CollectionRecord | null): Promise<void> {
    if (record === null) return this.drop(name);
    for (const entry of this.#actives.of(name)) {
      const { settings, createdAtMs } = entry.record;
      const isAnother = createdAtMs !== record.createdAtMs;
      if (isAnother || settings.pool !== record.settings.pool || settings.resident !== record.settings.resident) {
        await this.#actives.passivate(entry, "changed"); // the next query opens it as it is now
      }
    }
    await this.refresh(name, record.indexVersion);
  }

  /** Ends a collection's retrievers and forgets what is known of it. */
  async drop(name: string): Promise<void> {
    const leaving = [...this.#actives.of(name)].map((entry) => this.#actives.passivate(entry, "deleted"));
    this.#answers.dropCollection(name);
    this.#uses.forget(name);
    await Promise.all(leaving);
    await this.#parts.resident?.snapshots.remove(name);
  }

  /** Refuses new queries and writes down what is to be remembered; the supervisor ends the retrievers. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    this.#actives.stop();
    await this.#uses.flush();
  }

  status(): RegistryStatus {
    return {
      active: this.#actives.size,
      max_active: this.#options.maxActive,
      bytes: this.#actives.bytes,
      answers: this.#answers.stats,
      computing: this.#flights.size,
    };
  }

  async #search(request: SearchRequest, headers: MessageHeaders, signal: AbortSignal): Promise<EncodedAnswer> {
    if (this.#isDraining) throw kennelError("draining");
    const query = this.#admit(request, headers);
    const { record } = query.resolved;
    const isDegradedAllowed = request.allowDegraded ?? record.settings.allowDegraded;
    this.#uses.note(record.name);
    if (query.mode.mode === "stale") return this.#answerStale(query, isDegradedAllowed);
    const plan = planSearch(request, query.fusion, query.mode);
    refuseDegraded(plan.degradations, isDegradedAllowed);
    if (request.minVersion !== null) await this.#awaitVersion(query.resolved, request.minVersion, signal);

    const targetVersion = this.#targetVersion(query.resolved);
    const isKept = request.useCache && this.#answers.isOn;
    const known = isKept ? this.#answers.find(query.key, targetVersion) : null;
    if (known !== null) return this.#answered(known, query, "hit");
    if (!request.useCache) {
      const { answer } = await this.#compute(query, plan, headers.timeoutMs, signal);
      refuseDegraded(answer.rest.degradations, isDegradedAllowed);
      return this.#answered(answer, query, "off");
    }
    const { result, isShared } = await this.#flights.join(`${targetVersion} ${query.key}`, headers.timeoutMs, signal, (flightSignal) =>
      this.#computeAndKeep(query, plan, headers.timeoutMs, flightSignal),
    );
    refuseDegraded(result.answer.rest.degradations, isDegradedAllowed);
    return this.#answered(result.answer, query, isShared ? "coalesced" : isKept ? "miss" : "off");
  }

  #admit(request: SearchRequest, headers: MessageHeaders): Query {
    const { clock, modes } = this.#parts;
    const receivedMs = clock.monotonicMs();
    const resolved = this.#resolve(request.collection);
    const { record, version } = resolved;
    const { settings } = record;
    const mode = modes.read(this.#actives.find(resolved)?.residency ?? "store");
    const fusion = request.fusion ?? settings.fusion;
    const notBeforeMs = settings.ttlSeconds === null ? null : expiry(clock.wallMs(), settings.ttlSeconds);
    const key = answerKey({
      scope: headers.scope,
      collection: record.name,
      createdAtMs: record.createdAtMs,
      version,
      model: settings.embedding,
      // What was answered in full is what a stale answer is taken from.
      mode: mode.mode === "stale" ? "full" : mode.mode,
      fusion,
      notBeforeMs,
      request,
    });
    return { request, resolved, mode, fusion, notBeforeMs, receivedMs, endsAtMs: receivedMs + headers.timeoutMs, key };
  }

  #resolve(name: string): ResolvedCollection {
    const resolved = this.#parts.collections.resolve(name);
    if (resolved !== null) return resolved;
    throw kennelError("not_found", { message: `There is no collection or alias "${name.slice(0, 64)}"`, param: "collection" });
  }

  /** The newest index version known here (G2); retrievers that are behind are told of it. */
  #targetVersion(resolved: ResolvedCollection): number {
    const { record } = resolved;
    const entry = this.#actives.find(resolved);
    if (entry === null) return record.indexVersion;
    if (record.indexVersion > entry.targetVersion) void entry.refresh(record.indexVersion, this.#options.refreshTimeoutMs);
    return entry.targetVersion;
  }

  async #awaitVersion(resolved: ResolvedCollection, minVersion: number, signal: AbortSignal): Promise<void> {
    const entry = await this.#actives.open(resolved, signal);
    this.#targetVersion(resolved);
    await entry.reached(minVersion, signal);
  }

  async #computeAndKeep(query: Query, plan: SearchPlan, timeoutMs: number, signal: AbortSignal): Promise<PipelineAnswer> {
    const result = await this.#compute(query, plan, timeoutMs, signal);
    const { record } = query.resolved;
    const isCurrent = this.#parts.collections.resolve(query.request.collection)?.record.createdAtMs === record.createdAtMs;
    if (result.isKeepable && isCurrent) this.#answers.keep(query.key, record.name, result.answer); // G3
    return result;
  }

  async #compute(query: Query, plan: SearchPlan, timeoutMs: number, signal: AbortSignal): Promise<PipelineAnswer> {
    const entry = await this.#actives.open(query.resolved, signal);
    entry.lastUsedMs = this.#clock.monotonicMs();
    const remainingMs = Math.min(timeoutMs, query.endsAtMs - this.#clock.monotonicMs());
    if (remainingMs <= 0) throw kennelError("deadline_exceeded");
    const outcome = await entry.ask(
      {
        request: query.request,
        plan,
        mode: query.mode.mode,
        notBeforeMs: query.notBeforeMs,
        receivedMs: query.receivedMs,
        isEmpty: query.resolved.record.chunks === 0,
      },
      remainingMs,
      signal,
    );
    if (outcome.kind === "refused") throw outcome.error;
    return outcome.answer;
  }

  /** With the store gone, what was answered before is given again, and says how old it is. */
  #answerStale(query: Query, isDegradedAllowed: boolean): EncodedAnswer {
    const { mode } = query;
    refuseDegraded(mode.degradations, isDegradedAllowed);
    const found = query.request.useCache ? this.#answers.findStale(query.key) : null;
    const { minVersion } = query.request;
    if (found === null || (minVersion !== null && found.answer.rest.index_version < minVersion)) throw nothingLeft(mode);
    const { answer, ageMs } = found;
    const rest = {
      ...answer.rest,
      mode: mode.mode,
      degradations: mode.degradations,
      freshness: { ...answer.rest.freshness, age_ms: ageMs },
    };
    return this.#answered({ hits: answer.hits, rest }, query, "hit");
  }

  /** The answer as this asker gets it: the hits' bytes shared, what differs per asker made anew. */
  #answered(answer: EncodedAnswer, query: Query, cache: EncodedAnswer["rest"]["cache"]): EncodedAnswer {
    this.#touch(query.resolved);
    if (cache === "miss" || cache === "off") return { hits: answer.hits, rest: { ...answer.rest, cache } };
    const totalMs = Math.round((this.#clock.monotonicMs() - query.receivedMs) * 1_000) / 1_000;
    return { hits: answer.hits, rest: { ...answer.rest, cache, timings_ms: { total: totalMs } } };
  }

  /** An answer from the cache is use of the collection, too. */
  #touch(resolved: ResolvedCollection): void {
    const entry: ActiveCollection | null = this.#actives.find(resolved);
    if (entry !== null) entry.lastUsedMs = this.#clock.monotonicMs();
  }
}

function expiry(nowMs: number, ttlSeconds: number): number {
  return Math.ceil((nowMs - ttlSeconds * 1_000) / EXPIRY_STEP_MS) * EXPIRY_STEP_MS;
}
