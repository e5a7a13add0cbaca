import { type KennelError, kennelError, toKennelError } from "../../../runtime/errors.ts";
import type { Role } from "../../coordinator/modes.ts";
import type { SearchOptions } from "../../vector_store/vector_store.ts";
import { cleanCandidates, type IndexCandidate } from "../fusion/ranked.ts";
import type { CalledIndex, MaybePromise } from "../index/index.ts";
import { type Leg, standInLeg } from "../strategies/legs.ts";
import { TimeLimit, within } from "./deadline.ts";
import type { BranchName } from "./plan.ts";
import type { SearchContext } from "./search_context.ts";

/** What a leg brought up, cleaned. */
export interface BranchAnswer {
  readonly leg: Leg;
  readonly candidates: readonly IndexCandidate[];
  /** The model knows no word of the query, so it has no neighbours. */
  readonly isBlank: boolean;
}

/** What became of the query's text in the model: a vector, or null where it knows no word of it. */
export type Embedded = { readonly ok: true; readonly vector: Float32Array | null } | { readonly ok: false; readonly error: KennelError };

/** Whose part a stage is. */
export const ROLE_OF: Readonly<Record<BranchName | "embed", Role>> = { embed: "embedding", vector: "vector_store", bm25: "lexical_index" };

/**
 * Phases 3 and 4, embed and retrieve: runs the legs side by side, each from the query to clean candidates. A
 * leg that fails is reported and not fatal.
 * @returns the answers in plan order, at least one
 * @throws KennelError the first leg's error when none has searched: none has answered, nor the one that could stand in, or only
 *   such as have nothing to search by
 */
export async function retrieve(context: SearchContext, index: CalledIndex): Promise<readonly BranchAnswer[]> {
  const runs = context.legs.map((leg) => new BranchRun(context, index, leg));
  const answers = await settle(context, runs);
  const standIn = standInFor(context, index, answers);
  if (standIn === null) return atLeastOne(answers, runs);
  const stood = await settle(context, [standIn]);
  return atLeastOne(stood.length > 0 ? stood : answers, [...runs, standIn]);
}

/** Phase 3 alone, for an index that answers at once. Null: no leg waits for it. Never rejects. */
export async function embedQuery(context: SearchContext): Promise<Embedded | null> {
  if (!context.legs.some(({ branch, embedded }) => branch === "vector" && embedded === null)) return null;
  try {
    return { ok: true, vector: await embed(context, context.signal) };
  } catch (thrown) {
    return { ok: false, error: toKennelError(thrown) };
  }
}

async function embed({ parts, deadline, search, traced, noted }: SearchContext, signal: AbortSignal): Promise<Float32Array | null> {
  const startedMs = parts.clock.monotonicMs();
  const query = search.request.query ?? "";
  const [vector] = await traced("embed", () =>
    within(parts.clock, deadline.share(parts.limits.embedShare), signal, (limited) => parts.model.embed([query], "query", limited)),
  );
  noted("embed", startedMs);
  return vector ?? null;
}

/** Without a known word the words themselves are all there is to search by; without an answer anything is better. */
function standInFor(context: SearchContext, index: CalledIndex, answers: readonly BranchAnswer[]): BranchRun | null {
  const { fallback } = context.search.plan;
  return fallback !== null && answers.every(({ isBlank }) => isBlank)
    ? new BranchRun(context, index, standInLeg(context.search.request, fallback))
    : null;
}

function atLeastOne(answers: readonly BranchAnswer[], runs: readonly BranchRun[]): readonly BranchAnswer[] {
  if (answers.some(({ isBlank }) => !isBlank)) return answers;
  const failed = runs.find(({ error }) => error !== null);
  if (failed === undefined && answers.length > 0) return answers;
  throw failed?.error ?? kennelError("unavailable"); // an outage is never an empty list
}

function present(answers: readonly (BranchAnswer | null)[]): readonly BranchAnswer[] {
  return answers.filter((answer) => answer !== null);
}

/** Waits for the branches. As soon as one has found something, the others' time is cut to what they usually need. */
async function settle(context: SearchContext, runs: readonly BranchRun[]): Promise<readonly BranchAnswer[]> {
  const started = runs.map((run) => run.start());
  const hurryOthers = (answer: BranchAnswer | null): BranchAnswer | null => {
    if (answer !== null && answer.candidates.length > 0)
      for (const run of runs) if (run.leg !== answer.leg) run.hurry(patienceMs(context, run.leg.branch));
    return answer;
  };
  return present(await Promise.all(started.map(async (answer) => hurryOthers(await answer))));
}

/** How long a branch may keep another one's answer waiting, which is to be on time. */
function patienceMs({ parts: { times, limits }, deadline }: SearchContext, branch: BranchName): number {
  const usualMs = (times.p95(branch) ?? 0) + (branch === "vector" ? (times.p95("embed") ?? 0) : 0);
  const afterMs = (times.p95("fuse") ?? 0) + (times.p95("fetch") ?? 0) + (times.p95("encode") ?? 0);
  return Math.max(0, Math.min(Math.max(limits.minStragglerMs, usualMs * limits.stragglerFactor), deadline.remainingMs - afterMs));
}

/** One leg of one query. */
class BranchRun {
  readonly leg: Leg;
  readonly #context: SearchContext;
  readonly #index: CalledIndex;
  #limit: TimeLimit | null = null;
  #stage: BranchName | "embed";
  #isEnded = false;
  error: KennelError | null = null;

  constructor(context: SearchContext, index: CalledIndex, leg: Leg) {
    this.leg = leg;
    this.#context = context;
    this.#index = index;
    this.#stage = leg.branch;
  }

  /** Null: it failed; `error` and the context know why. */
  start(): MaybePromise<BranchAnswer | null> {
    const { parts, deadline, signal } = this.#context;
    this.#limit = new TimeLimit(parts.clock, deadline.share(parts.limits.retrieveShare), signal);
    try {
      const found = this.#limit.run((limited) => this.#find(limited));
      if (!(found instanceof Promise)) return this.#answer(found);
      return found.then(
        (candidates) => this.#answer(candidates),
        (thrown) => this.#fail(thrown),
      );
    } catch (thrown) {
      return this.#fail(thrown);
    }
  }

  hurry(limitMs: number): void {
    if (!this.#isEnded) this.#limit?.shorten(limitMs);
  }

  /** Null: the model knows no word of the query. */
  #find(signal: AbortSignal): MaybePromise<readonly IndexCandidate[] | null> {
    const { branch, text, embedded } = this.leg;
    if (branch === "bm25") return this.#timed(() => this.#index.searchText(text, this.#options(), signal));
    if (embedded === null) return this.#embedAndFind(signal);
    if (embedded.ok) return embedded.vector === null ? null : this.#near(embedded.vector, signal);
    this.#stage = "embed";
    throw embedded.error;
  }

  async #embedAndFind(signal: AbortSignal): Promise<readonly IndexCandidate[] | null> {
    this.#stage = "embed";
    const vector = await embed(this.#context, signal);
    this.#stage = "vector";
    return vector === null ? null : this.#near(vector, signal);
  }

  #near(vector: Float32Array, signal: AbortSignal): MaybePromise<readonly IndexCandidate[]> {
    return this.#timed(() => this.#index.searchVector(vector, this.#options(), signal));
  }

  #timed(work: () => MaybePromise<readonly IndexCandidate[]>): MaybePromise<readonly IndexCandidate[]> {
    const startedMs = this.#context.parts.clock.monotonicMs();
    const done = (found: readonly IndexCandidate[]) => {
      this.#context.noted(this.leg.branch, startedMs);
      return found;
    };
    const found = this.#context.traced(this.leg.branch, work);
    return found instanceof Promise ? found.then(done) : done(found);
  }

  #options(): SearchOptions {
    const { request, plan, notBeforeMs } = this.#context.search;
    const { legs } = this.#context;
    // Of a list that is neither fused with another nor thinned by groups, the hits are the first ones.
    const isWhole = legs.length === 1 && plan.groupBy === "chunk";
    const limit = Math.max(request.candidateK, request.topK);
    return { limit, needed: isWhole ? request.topK : null, filter: request.filter, notBeforeMs };
  }

  #answer(found: readonly IndexCandidate[] | null): BranchAnswer {
    this.#isEnded = true;
    const { parts, search, explain } = this.#context;
    const { clean, dropped } = cleanCandidates(found ?? []);
    if (dropped > 0) parts.metrics.count("candidate_dropped", dropped);
    if (search.request.explain) explain[this.leg.name] = { candidates: clean.length, dropped };
    return { leg: this.leg, candidates: clean, isBlank: found === null };
  }

  #fail(thrown: unknown): BranchAnswer | null {
    this.#isEnded = true;
    const failure = toKennelError(thrown);
    const isMissing = failure.code === "not_found";
    // A collection into which nothing was put yet need not have an index; one with documents has lost it.
    if (isMissing && this.#context.search.isEmpty) return this.#answer([]);
    const error = isMissing ? kennelError("unavailable", { message: "The collection's index is missing", cause: thrown }) : failure;
    this.error = error;
    if (!this.#context.signal.aborted) this.#context.degrade(this.#stage, error.code, ROLE_OF[this.#stage]);
    return null;
  }
}
