import type { Flags } from "../../../config/flags.ts";
import type { Clock } from "../../../runtime/clock.ts";
import type { ModeView } from "../../coordinator/modes.ts";
import { AnswerCache, type AnswerCacheOptions, type AnswerCacheStats } from "../answers/answer_cache.ts";
import { nothingLeft, refuseDegraded } from "../pipeline/plan.ts";
import type { Degradation, EncodedAnswer } from "../search.ts";
import type { Actives } from "./actives.ts";
import type { Query } from "./admission.ts";
import type { Freshness } from "./freshness.ts";
import type { RegistryParts } from "./options.ts";

const NOT_WORKED_OUT: Degradation = { stage: "retrieve", reason: "unavailable", service: "vector_store", breaker: "closed" };

/** Answers that were given before, and any answer as one asker gets it. */
export class KeptAnswers {
  readonly #clock: Clock;
  readonly #actives: Pick<Actives, "find" | "targetVersion">;
  readonly #freshness: Freshness;
  readonly #answers: AnswerCache;
  readonly #shared: RegistryParts["sharedAnswers"];
  readonly #flags: Flags;

  constructor(
    clock: Clock,
    options: AnswerCacheOptions,
    actives: Pick<Actives, "find" | "targetVersion">,
    freshness: Freshness,
    shared: RegistryParts["sharedAnswers"],
    flags: Flags,
  ) {
    this.#shared = shared;
    this.#flags = flags;
    this.#clock = clock;
    this.#actives = actives;
    this.#freshness = freshness;
    this.#answers = new AnswerCache(clock, options);
  }

  /** Whether answers are kept and given again now. */
  get isOn(): boolean {
    return this.#flags.answerCache && this.#answers.isOn;
  }

  get stats(): AnswerCacheStats {
    return this.#answers.stats;
  }

  /** Whether `find` would find it; counts nothing. */
  holds(query: Query, indexVersion: number): boolean {
    return this.#flags.answerCache && this.#answers.holds(query.key, indexVersion);
  }

  /** What was answered under this index version; a miss is counted. */
  find(query: Query, indexVersion: number): EncodedAnswer | null {
    const known = this.#answers.find(query.key, indexVersion);
    return known === null ? null : this.answered(known, query, "hit");
  }

  /** The same where a miss is not the last word: it is not counted. */
  findReady(query: Query, indexVersion: number): EncodedAnswer | null {
    const known = this.#answers.findReady(query.key, indexVersion);
    return known === null ? null : this.answered(known, query, "hit");
  }

  /** What another node has answered under this index version, or this one before its start; null where the collection shares nothing. */
  async findShared({ key, isLive, resolved: { record } }: Query, indexVersion: number, signal: AbortSignal): Promise<EncodedAnswer | null> {
    if (isLive || !record.settings.shareAnswers || this.#shared === null || !this.#flags.answerCache) return null;
    const found = await this.#shared.find(key, indexVersion, signal);
    if (found !== null) this.#answers.keep(key, record.name, found);
    return found;
  }

  keep({ key, isLive, resolved: { record } }: Query, answer: EncodedAnswer): void {
    if (!this.#flags.answerCache) return;
    this.#answers.keep(key, record.name, answer);
    if (record.settings.shareAnswers && !isLive) this.#shared?.keep(key, answer);
  }

  /** Whatever was kept is never given again. */
  clear(): void {
    this.#answers.clear();
  }

  dropCollection(name: string): void {
    this.#answers.dropCollection(name);
  }

  /**
   * With the store gone, what was answered before is given again, and says how old it is.
   * @throws KennelError `degraded` where only a full answer will do, `unavailable` when there is none
   */
  stale(query: Query, isDegradedAllowed: boolean): EncodedAnswer {
    const { mode } = query;
    refuseDegraded(mode.degradations, isDegradedAllowed);
    const known = this.#known(query, query.key, mode);
    if (known === null) throw nothingLeft(mode);
    return known;
  }

  /**
   * In the place of an answer that could not be worked out although the mode said that it could: a store that has just
   * gone is not noticed at once.
   * @param key the query's, had it been asked while nothing was missing
   * @returns null when there is none
   */
  instead(query: Query, key: string): EncodedAnswer | null {
    return this.#known(query, key, { mode: "stale", degradations: [...query.mode.degradations, NOT_WORKED_OUT] });
  }

  #known(query: Query, key: string, { mode, degradations }: Pick<ModeView, "mode" | "degradations">): EncodedAnswer | null {
    const { useCache, minVersion } = query.request;
    // Who may see a document may have changed with any version: for principals, what is not of the newest one is not given again.
    const newest = query.visible === null ? 0 : this.#actives.targetVersion(query.resolved);
    const oldest = Math.max(minVersion ?? 0, newest);
    const found = useCache && this.#flags.staleAnswers ? this.#answers.findStale(key) : null;
    if (found === null || found.answer.rest.index_version < oldest) return null;
    const { hits, rest } = found.answer;
    const freshness = { ...rest.freshness, age_ms: found.ageMs };
    return this.answered({ hits, rest: { ...rest, mode, degradations, freshness } }, query, "hit");
  }

  /** The answer as this asker gets it: the hits' bytes shared, what differs per asker made anew. */
  answered(answer: EncodedAnswer, query: Query, cache: EncodedAnswer["rest"]["cache"]): EncodedAnswer {
    const nowMs = this.#clock.monotonicMs();
    const entry = this.#actives.find(query.resolved);
    if (entry !== null) entry.lastUsedMs = nowMs; // an answer from the cache is use of the collection, too
    if (cache === "miss" || cache === "off") return { hits: answer.hits, rest: { ...answer.rest, cache } };
    const totalMs = Math.round((nowMs - query.receivedMs) * 1_000) / 1_000;
    // What a kept answer holds is as old as the index that it was taken from; a stale one says its own age.
    const isStale = answer.rest.mode === "stale";
    const freshness = isStale ? answer.rest.freshness : { index: answer.rest.freshness.index, age_ms: this.#freshness.ageMs };
    return { hits: answer.hits, rest: { ...answer.rest, cache, freshness, timings_ms: { total: totalMs } } };
  }
}
