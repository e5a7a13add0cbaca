import { type KennelError, kennelError, toKennelError } from "../../../runtime/errors.ts";
import type { SearchOptions } from "../../vector_store/vector_store.ts";
import type { RowIndex } from "../index/index.ts";
import { NO_HITS, type RowHits } from "../index/resident/hits.ts";
import type { ScannedBase } from "../index/resident/resident_index.ts";
import type { FusedRow } from "../index/resident/row_fusion.ts";
import { type Leg, standInLeg } from "../strategies/legs.ts";
import { within } from "./deadline.ts";
import type { Found } from "./find.ts";
import { chooseRanker, explainRanking, groupOfChunk, pickHits, type Ranker, type Ranking } from "./refine.ts";
import { type Embedded, embedQuery, ROLE_OF } from "./retrieve.ts";
import type { SearchContext } from "./search_context.ts";

/** What a leg brought up. */
interface BranchRows {
  readonly leg: Leg;
  readonly hits: RowHits;
  /** The model knows no word of the query, so it has no neighbours. */
  readonly isBlank: boolean;
}

/** How much further the ranking is worked out when hits of one group have made it too short. */
const FURTHER = 8;

/**
 * Phases 3 to 5 over an index in memory. Row numbers hold until it is written to: once the search has begun there is no
 * wait, and what another thread has scanned before it is checked against what was written meanwhile.
 * A leg that fails is reported and not fatal; rejects with the first one's error when none has answered.
 */
export async function findRows(context: SearchContext, index: RowIndex): Promise<Found> {
  const embedded = await embedQuery(context);
  const ahead = scanAhead(context, index, embedded);
  const scanned = ahead === null ? NOTHING_SCANNED : await ahead;
  return index.inTurn(() => findNow(context, index, embedded, scanned), context.signal);
}

/** By leg, what another thread has found of it. */
type Scanned = ReadonlyMap<Leg, ScannedBase | null>;

const NOTHING_SCANNED: Scanned = new Map();

/** What other threads find in a large index; null: the search finds all itself. What they do not find, it does, too. */
function scanAhead(context: SearchContext, index: RowIndex, embedded: Embedded | null): Promise<Scanned> | null {
  const scans: Promise<readonly [Leg, ScannedBase | null]>[] = [];
  for (const leg of context.legs) {
    const known = leg.branch === "vector" ? (leg.embedded ?? embedded) : null;
    if (!known?.ok || known.vector === null) continue;
    const scan = scanLeg(context, index, known.vector);
    if (scan !== null) scans.push(scan.then((found) => [leg, found] as const));
  }
  return scans.length === 0 ? null : Promise.all(scans).then((found) => new Map(found));
}

function scanLeg(context: SearchContext, index: RowIndex, vector: Float32Array): Promise<ScannedBase | null> | null {
  const { clock, limits } = context.parts;
  const ahead = index.scanAhead(vector, optionsOf(context), context.signal);
  if (!(ahead instanceof Promise)) return ahead === null ? null : Promise.resolve(ahead);
  return Promise.resolve(within(clock, context.deadline.share(limits.retrieveShare), context.signal, () => ahead)).catch(() => {
    context.signal.throwIfAborted();
    return null;
  });
}

function findNow(context: SearchContext, index: RowIndex, embedded: Embedded | null, scanned: Scanned): Found {
  const answers = searchRows(context, index, embedded, scanned);
  const startedMs = context.parts.clock.monotonicMs();
  const { ranking, rows } = rankRows(context, index, answers);
  context.took("fuse", startedMs);
  const { groupBy } = context.search.plan;
  return {
    ranking,
    passages: rows.map((row) => index.rows.passage(row)),
    parentTexts: groupBy === "parent" ? rows.map((row) => index.rows.parentText(row)) : null,
  };
}

function searchRows(context: SearchContext, index: RowIndex, embedded: Embedded | null, scanned: Scanned): readonly BranchRows[] {
  const { plan } = context.search;
  const answers: BranchRows[] = [];
  let failure: KennelError | null = null;
  const run = (leg: Leg): void => {
    const known = leg.embedded ?? embedded;
    try {
      answers.push(searchLeg(context, index, leg, known, scanned.get(leg) ?? null));
    } catch (thrown) {
      const error = toKennelError(thrown);
      failure ??= error;
      if (!context.signal.aborted) report(context, leg, known, error);
    }
  };
  for (const leg of context.legs) run(leg);
  // Without a known word the words themselves are all there is to search by; without an answer anything is better.
  if (plan.fallback !== null && answers.every(({ isBlank }) => isBlank)) {
    const blank = answers.splice(0);
    run(standInLeg(context.search.request, plan.fallback));
    if (answers.length === 0) answers.push(...blank);
  }
  if (answers.length === 0) throw failure ?? kennelError("unavailable");
  return answers;
}

function optionsOf({ search: { request, notBeforeMs } }: SearchContext): SearchOptions {
  return { limit: Math.max(request.candidateK, request.topK), needed: null, filter: request.filter, notBeforeMs };
}

function searchLeg(
  context: SearchContext,
  { rows }: RowIndex,
  leg: Leg,
  embedded: Embedded | null,
  scanned: ScannedBase | null,
): BranchRows {
  const { request } = context.search;
  const options = optionsOf(context);
  const vector = leg.branch === "vector" ? vectorOf(embedded) : null;
  const isBlank = leg.branch === "vector" && vector === null;
  const startedMs = context.parts.clock.monotonicMs();
  let hits = NO_HITS;
  if (leg.branch === "bm25") hits = rows.searchText(leg.text, options);
  else if (vector !== null) hits = rows.searchVector(vector, options, scanned);
  if (!isBlank) context.took(leg.branch, startedMs);
  if (request.explain) context.explain[leg.name] = { candidates: hits.rows.length, dropped: 0 };
  return { leg, hits, isBlank };
}

/** Null: the model knows no word of the query. */
function vectorOf(embedded: Embedded | null): Float32Array | null {
  if (embedded === null) throw kennelError("unavailable", { message: "The query was not embedded" });
  if (!embedded.ok) throw embedded.error;
  return embedded.vector;
}

function report(context: SearchContext, { branch }: Leg, embedded: Embedded | null, { code }: KennelError): void {
  const stage = branch === "vector" && embedded?.ok === false ? "embed" : branch;
  context.degrade(stage, code, ROLE_OF[stage]);
}

function rankRows(
  context: SearchContext,
  index: RowIndex,
  answers: readonly BranchRows[],
): { readonly ranking: Ranking; readonly rows: readonly number[] } {
  const { request, plan } = context.search;
  const { groupBy } = plan;
  const legs = answers.map(({ leg }) => leg);
  const ranker = chooseRanker(context, legs);
  const groupOf = groupBy === "chunk" ? null : ({ row }: FusedRow) => groupOfChunk(groupBy, index.rows.names(row));
  const fused = new FusedList(index, answers, ranker, request.topK);
  const picked = pickHits(context, ranker, fused.inOrder(), groupOf);
  const hits = picked.map(({ entry, score }) => ({
    score,
    fused: entry.fused,
    ranks: entry.ranks,
    raw: entry.raw,
    parentId: groupBy === "parent" ? index.rows.names(entry.row).parentId : null,
  }));
  if (request.explain) {
    const bounds = answers.map(({ leg, hits: { scores } }) => ({ list: leg.name, min: scores.at(-1) ?? 0, max: scores[0] ?? 0 }));
    explainRanking(context, ranker, bounds, fused.total);
  }
  return {
    ranking: { hits, scoreType: ranker.scoreType, lists: legs.map(({ name }) => name) },
    rows: picked.map(({ entry }) => entry.row),
  };
}

/** The lists of one query as one, worked out as far as it is read. */
class FusedList {
  total = 0;
  readonly #index: RowIndex;
  readonly #answers: readonly BranchRows[];
  readonly #ranker: Ranker;
  readonly #first: number;

  /** @param first rows that are usually enough */
  constructor(index: RowIndex, answers: readonly BranchRows[], ranker: Ranker, first: number) {
    this.#index = index;
    this.#answers = answers;
    this.#ranker = ranker;
    this.#first = first;
  }

  *inOrder(): Iterable<FusedRow> {
    const { method, weights } = this.#ranker;
    if (method === null) return yield* this.#ownOrder();
    const lists = this.#answers.map(({ hits }, at) => ({ hits, weight: weights[at] ?? 0 }));
    let given = 0;
    for (let limit = this.#first; ; limit *= FURTHER) {
      const { best, total } = this.#index.rows.fuse(lists, method, limit);
      this.total = total;
      for (let at = given; at < best.length; at++) yield best[at] as FusedRow;
      given = best.length;
      if (given >= total) return;
    }
  }

  /** A branch that stands alone ranks by its own scores. */
  *#ownOrder(): Iterable<FusedRow> {
    const { rows, scores } = this.#answers[0]?.hits ?? NO_HITS;
    this.total = rows.length;
    for (let at = 0; at < rows.length; at++) {
      const score = scores[at] as number;
      yield { row: rows[at] as number, fused: score, ranks: [at + 1], raw: [score] };
    }
  }
}
