import type { Clock } from "../../../runtime/clock.ts";
import { AnswerCache, type AnswerCacheOptions, type AnswerCacheStats } from "../answers/answer_cache.ts";
import { nothingLeft, refuseDegraded } from "../pipeline/plan.ts";
import type { EncodedAnswer } from "../search.ts";
import type { Actives } from "./actives.ts";
import type { Query } from "./admission.ts";
import type { Freshness } from "./freshness.ts";
import type { RegistryParts } from "./options.ts";

/** Answers that were given before, and any answer as one asker gets it. */
export class KeptAnswers {
  readonly #clock: Clock;
  readonly #actives: Pick<Actives, "find">;
  readonly #freshness: Freshness;
  readonly #answers: AnswerCache;
  readonly #shared: RegistryParts["sharedAnswers"];

  constructor(
    clock: Clock,
    options: AnswerCacheOptions,
    actives: Pick<Actives, "find">,
    freshness: Freshness,
    shared: RegistryParts["sharedAnswers"],
  ) {
    this.#shared = shared;
    this.#clock = clock;
    this.#actives = actives;
    this.#freshness = freshness;
    this.#answers = new AnswerCache(clock, options);
  }

  get isOn(): boolean {
    return this.#answers.isOn;
  }

  get stats(): AnswerCacheStats {
    return this.#answers.stats;
  }

  /** Whether `find` would find it; counts nothing. */
  holds(query: Query, indexVersion: number): boolean {
    return this.#answers.holds(query.key, indexVersion);
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
    if (isLive || !record.settings.shareAnswers || this.#shared === null) return null;
    const found = await this.#shared.find(key, indexVersion, signal);
    if (found !== null) this.#answers.keep(key, record.name, found);
    return found;
  }

  keep({ key, isLive, resolved: { record } }: Query, answer: EncodedAnswer): void {
    this.#answers.keep(key, record.name, answer);
    if (record.settings.shareAnswers && !isLive) this.#shared?.keep(key, answer);
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
    return this.answered({ hits: answer.hits, rest }, query, "hit");
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
