import type { FlagKey } from "../../../config/flags.ts";
import type { Clock } from "../../../runtime/clock.ts";
import { kennelError, toKennelError } from "../../../runtime/errors.ts";
import { withinLimit } from "../../../supervisor/time_limit.ts";
import type { Handler, MessageHeaders, ReadyHandler, Scope } from "../../../transport/transport.ts";
import type { CollectionRecord } from "../../document_store/collection_record.ts";
import type { IndexName } from "../../vector_store/vector_store.ts";
import type { AnswerCacheStats } from "../answers/answer_cache.ts";
import type { IndexWrite } from "../index/residency.ts";
import { refuseDegraded } from "../pipeline/plan.ts";
import type { EncodedAnswer, SearchRequest } from "../search.ts";
import type { ActiveCollection } from "./active_collection.ts";
import { Actives } from "./actives.ts";
import { Admission, type Query } from "./admission.ts";
import { Answering } from "./answering.ts";
import { Freshness } from "./freshness.ts";
import { KeptAnswers } from "./kept_answers.ts";
import type { RegistryOptions, RegistryParts, ResolvedCollection } from "./options.ts";
import { Uses } from "./uses.ts";
import { Warming } from "./warming.ts";

// Invariants:
//   G1. A query that fails or hangs in one collection holds nothing that another collection's query needs.
//   G2. An answer is looked up, shared and kept under the newest index version that this node knows of its collection.

export interface RegistryStatus {
  readonly active: number;
  readonly max_active: number;
  readonly bytes: number;
  /** Collections that miss their deadlines, by what they do without. */
  readonly shedding: { readonly optional_work: number; readonly load: number };
  readonly answers: AnswerCacheStats;
  readonly computing: number;
  readonly replaying: number;
}

/** The retrievers of this node: finds, activates and passivates them, and answers from memory what was asked before. */
export class RetrieverRegistry {
  readonly #parts: RegistryParts;
  readonly #options: RegistryOptions;
  readonly #clock: Clock;
  readonly #actives: Actives;
  readonly #admission: Admission;
  readonly #answers: KeptAnswers;
  readonly #answering: Answering;
  readonly #uses: Uses;
  readonly #warming: Warming;
  #isDraining = false;

  constructor(parts: RegistryParts, options: RegistryOptions) {
    const { clock, documents, metrics, logger } = parts;
    this.#parts = parts;
    this.#options = options;
    this.#clock = clock;
    const freshness = new Freshness(clock, parts.modes);
    this.#actives = new Actives(parts, options, freshness);
    this.#admission = new Admission(parts, this.#actives);
    this.#answers = new KeptAnswers(clock, options.answers, this.#actives, freshness, parts.sharedAnswers, parts.flags);
    this.#answering = new Answering(parts, options.maxWaiting, this.#actives, this.#answers, () => this.#isDraining);
    this.#uses = new Uses(clock, documents, options.uses, {
      dropped: () => metrics.count("use_dropped", 1),
      failed: ({ code }) => logger.warn({ code }, "use of collections was not noted"),
    });
    this.#warming = new Warming(parts, options, {
      warm: (name, signal) => this.warm(name, signal),
      search: (request, headers, signal) => this.#search(request, headers, signal, false),
      isBusy: () => this.#answering.size > 0,
    });
  }

  /** Serves the search endpoint. The signal carries the deadline of `headers.timeoutMs`, as every transport's does. */
  readonly search: Handler<SearchRequest, EncodedAnswer> = async (request, headers, signal) => {
    const { metrics } = this.#parts;
    try {
      return this.#counted(request, await this.#search(request, headers, signal));
    } catch (thrown) {
      const error = toKennelError(thrown);
      metrics.failed(request.collection, error.code);
      throw error;
    }
  };

  /**
   * What `search` would answer from the result cache, without waiting. Only while nothing is degraded, which is when no
   * plan has to be made to know that the answer will do; what it has not is `search`'s to find or to refuse.
   */
  readonly ready: ReadyHandler<SearchRequest, EncodedAnswer> = (request, headers) => {
    if (this.#isDraining || !request.useCache || request.minVersion !== null || !this.#answers.isOn) return null;
    const resolved = this.#parts.collections.resolve(request.collection);
    if (resolved === null || resolved.record.settings.adopt !== undefined) return null;
    const query = this.#admission.admit(request, headers, resolved);
    if (query.mode.mode === "stale" || query.mode.degradations.length > 0) return null;
    const known = this.#answers.findReady(query, this.#actives.targetVersion(resolved));
    if (known === null) return null;
    this.#noteUse(resolved.record.name, request, headers.scope);
    return this.#counted(request, known);
  };

  /** As `search`, of one build whichever is active, and not counted as a use. */
  readonly searchBuild = (build: ResolvedCollection, request: SearchRequest, headers: MessageHeaders, signal: AbortSignal) =>
    this.#search(request, headers, signal, false, build);

  /** Activates the collection and waits until it can answer. */
  async warm(name: string, signal: AbortSignal): Promise<void> {
    const entry = await this.#actives.open(this.#admission.resolve(name), signal);
    await entry.whenReady(signal);
  }

  /** Warms what was used, in the background. Never rejects: what stays cold is activated by its first query. */
  start(signal: AbortSignal): Promise<void> {
    return this.#warming.run(signal);
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
  async written(index: IndexName, write: IndexWrite): Promise<void> {
    await this.#actives.written(index, write);
  }

  /** Has retrievers take in index versions that they have not heard of. @returns how many collections were behind */
  async refreshStale(): Promise<number> {
    const behind = [...this.#actives.stale()];
    await Promise.all(
      behind.map(async (entry) => {
        const known = this.#parts.collections.resolve(entry.record.name)?.record.indexVersion ?? 0;
        await entry.refresh(known, this.#options.refreshTimeoutMs);
      }),
    );
    return behind.length;
  }

  /** Opens those of the collections that are not open, in this order, for as long as they fit beside those that are. @returns how many */
  async warmWhatFits(names: readonly string[], signal: AbortSignal): Promise<number> {
    let warmed = 0;
    for (const name of names) {
      const resolved = this.#parts.collections.resolve(name);
      if (resolved === null || this.#actives.find(resolved) !== null) continue;
      if (!this.#actives.hasRoom(resolved.record.chunks)) break;
      await this.warm(name, signal);
      warmed += 1;
    }
    return warmed;
  }

  /** The process has more memory than it should: retrievers make room at once. */
  relieve(): void {
    this.#actives.relieve();
  }

  /** Collections that can be searched here without waiting. */
  readyNames(): Iterable<string> {
    return this.#actives.ready();
  }

  /** A flag was switched: what is held because of what it was before makes way. Resolves when it has. */
  async switched(flag: FlagKey): Promise<void> {
    if (flag === "answerCache") this.#answers.clear();
    if (flag === "residentIndex") await this.#actives.reopenAll();
  }

  /** Other nodes hold the collection: its retrievers here end, pinned ones too. */
  async release(name: string): Promise<void> {
    await Promise.all([...this.#actives.of(name)].map((entry) => this.#actives.passivate(entry, "elsewhere")));
  }

  /** Another node has changed the collection: what is held of it here may lack that, and is opened anew from the stores. */
  async changedElsewhere(name: string, record: CollectionRecord | null): Promise<void> {
    const leaving = [...this.#actives.of(name)].map((entry) => this.#actives.passivate(entry, "behind"));
    await Promise.all([...leaving, this.changed(name, record)]);
  }

  /** Follows the catalog: a collection was changed, or is gone. */
  async changed(name: string, record: CollectionRecord | null): Promise<void> {
    if (record === null) return this.drop(name);
    for (const entry of [...this.#actives.of(name)]) {
      const { settings, createdAtMs, version } = entry.record;
      // It was opened as the active build, and another has taken its place; one that an alias pins is opened again.
      const isSucceeded = version === entry.version && version !== record.version;
      const isAnother = createdAtMs !== record.createdAtMs;
      const isGone = entry.version !== record.version && !record.versions.some((other) => other.version === entry.version);
      if (isGone && !isSucceeded) await this.#actives.passivate(entry, "deleted");
      else if (isSucceeded) this.#succeed(record, entry);
      else if (
        isAnother ||
        isOtherwiseAdopted(settings, record.settings) ||
        settings.pool !== record.settings.pool ||
        settings.resident !== record.settings.resident
      ) {
        await this.#actives.passivate(entry, "changed"); // the next query opens it as it is now
      }
    }
    await this.refresh(name, record.indexVersion);
  }

  /** Opens the new build before the old one's retrievers end their searches, so that the first query of it waits least. */
  #succeed(record: CollectionRecord, old: ActiveCollection): void {
    const { logger } = this.#parts;
    const onFailed = (thrown: unknown) =>
      logger.warn({ collection: record.name, code: toKennelError(thrown).code }, "the new build was not warmed");
    void this.#actives.open({ record, version: record.version }, new AbortController().signal).catch(onFailed);
    void this.#actives.passivate(old, "changed");
  }

  /** Ends a collection's retrievers and forgets what is known of it. */
  async drop(name: string): Promise<void> {
    const leaving = [...this.#actives.of(name)].map((entry) => this.#actives.passivate(entry, "deleted"));
    this.#answers.dropCollection(name);
    this.#uses.forget(name);
    this.#parts.popular.forget(name);
    await Promise.all(leaving);
    await this.#parts.resident?.snapshots.remove(name);
  }

  /** Refuses new queries and writes down what is to be remembered; the supervisor ends the retrievers. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    this.#actives.stop();
    const { flushLimitMs } = this.#options.uses;
    const saved = withinLimit(this.#clock, flushLimitMs, "Saving took too long", () => this.#parts.popular.save());
    await Promise.all([this.#uses.flush(), saved.catch(() => undefined)]);
  }

  status(): RegistryStatus {
    return {
      active: this.#actives.size,
      max_active: this.#options.maxActive,
      bytes: this.#actives.bytes,
      shedding: this.#actives.shedding,
      answers: this.#answers.stats,
      computing: this.#answering.size,
      replaying: this.#warming.replaying,
    };
  }

  #noteUse(name: string, request: SearchRequest, scope: Scope): void {
    this.#uses.note(name);
    // A reranker is paid for; nobody is to pay for warming caches.
    if (!request.rerank) this.#parts.popular.note(name, request, scope);
  }

  async #search(
    request: SearchRequest,
    headers: MessageHeaders,
    signal: AbortSignal,
    isUse = true,
    resolved: ResolvedCollection = this.#admission.resolve(request.collection),
  ): Promise<EncodedAnswer> {
    if (this.#isDraining) throw kennelError("draining");
    const query = await this.#recalled(this.#admission.admit(request, headers, resolved), headers, signal);
    const { record } = query.resolved;
    const isDegradedAllowed = request.allowDegraded ?? record.settings.allowDegraded;
    if (isUse) this.#noteUse(record.name, request, headers.scope);
    if (query.mode.mode === "stale") return this.#answers.stale(query, isDegradedAllowed);
    const plan = this.#answering.plan(query);
    refuseDegraded(plan.degradations, isDegradedAllowed);
    if (request.minVersion !== null) await this.#awaitVersion(query.resolved, request.minVersion, signal);

    const targetVersion = this.#actives.targetVersion(query.resolved);
    const isKept = request.useCache && this.#answers.isOn;
    const known = isKept && !query.isLive ? this.#answers.find(query, targetVersion) : null;
    if (known !== null) return known;
    try {
      return await this.#answering.answer(query, plan, targetVersion, headers.timeoutMs, isDegradedAllowed, signal);
    } catch (thrown) {
      const isGone = isDegradedAllowed && toKennelError(thrown).code === "unavailable" && !this.#isDraining;
      const kept = isGone ? this.#answers.instead(query, this.#admission.fullKey(query, headers.scope)) : null;
      if (kept === null) throw thrown;
      return kept;
    }
  }

  /** While embedding is away, a query whose vector or answer is still known is not degraded: what was kept is asked first. */
  async #recalled(query: Query, headers: MessageHeaders, signal: AbortSignal): Promise<Query> {
    const { request, resolved, mode } = query;
    if (mode.canEmbed || request.query === null || request.vector !== null || request.strategy === "bm25") return query;
    const whole = this.#admission.admit(request, headers, resolved, true);
    if (!whole.mode.canEmbed || !whole.mode.canSearchVectors) return query; // an operator's mode, or the store, rules it out
    if (request.useCache && !query.isLive && this.#answers.holds(whole, this.#actives.targetVersion(resolved))) return whole;
    const model = this.#parts.models(resolved.record.settings.embedding);
    const vector = await model.recall(request.query, "query", signal);
    return vector === null ? query : { ...whole, request: { ...request, vector } };
  }

  #counted(request: SearchRequest, answer: EncodedAnswer): EncodedAnswer {
    const { metrics } = this.#parts;
    const { mode, cache, timings_ms: timingsMs, degradations } = answer.rest;
    metrics.answered({ collection: request.collection, mode, cache, strategy: request.strategy, timingsMs });
    this.#parts.tracer?.active()?.set({
      "kennel.collection": request.collection,
      "kennel.search.strategy": request.strategy,
      "kennel.search.mode": mode,
      "kennel.search.cache": cache,
      "kennel.search.top_k": request.topK,
      "kennel.search.degradations": degradations.map(({ stage, reason }) => `${stage}: ${reason}`),
    });
    for (const { stage, reason } of degradations) metrics.degraded(stage, reason);
    return answer;
  }

  async #awaitVersion(resolved: ResolvedCollection, minVersion: number, signal: AbortSignal): Promise<void> {
    const entry = await this.#actives.open(resolved, signal);
    this.#actives.targetVersion(resolved);
    await entry.reached(minVersion, signal);
  }
}

/** The catalog has one object for settings that are equal. */
function isOtherwiseAdopted(before: CollectionRecord["settings"], after: CollectionRecord["settings"]): boolean {
  return after.adopt !== undefined && before !== after;
}
