import { seededRandom } from "../../../runtime/random.ts";
import type { FusionSettings } from "../../document_store/collection_record.ts";
import { DEFAULT_OPTIONS, type EncodedAnswer, type Hit, type SearchRequest, type Strategy, type WeightedStrategy } from "../search.ts";
import { bootstrapInterval, type Interval, type Judgements, type QueryScores, scoreQuery } from "./metrics.ts";

/** Results a query is judged on; recall@100 needs as many. */
export const JUDGED_DEPTH = 100;
/** Searches of one evaluation at the same time: little enough that other callers' come in between. */
const CONCURRENCY = 4;
/** The same resamples every time, so that two runs over the same answers give the same intervals. */
const BOOTSTRAP_SEED = 1;

/** Each figure's mean over the queries with its 95 % bootstrap interval, all 0..1; named as on the wire. */
export interface Figures {
  readonly ndcg_10: Interval;
  readonly map: Interval;
  readonly mrr_10: Interval;
  readonly recall_100: Interval;
}

/** @param scores one a query */
export function figuresOf(scores: readonly QueryScores[]): Figures {
  const interval = (field: keyof QueryScores) =>
    bootstrapInterval(
      scores.map((score) => score[field]),
      seededRandom(BOOTSTRAP_SEED),
    );
  return {
    ndcg_10: interval("ndcg10"),
    map: interval("averagePrecision"),
    mrr_10: interval("reciprocalRank10"),
    recall_100: interval("recall100"),
  };
}

export interface QueryToJudge {
  readonly query: string;
  readonly judgements: Judgements;
}

export interface EvaluationRequest {
  readonly collection: string;
  readonly queries: readonly QueryToJudge[];
  readonly strategies: readonly Strategy[];
  /** What `ensemble` is made of where it is among them; else empty. */
  readonly ensemble: readonly WeightedStrategy[];
  /** Null: the collection's own. */
  readonly fusion: FusionSettings | null;
}

export interface StrategyEvaluation {
  readonly strategy: Strategy;
  readonly figures: Figures;
  /** Answers that a part was missing from: with any, the figures are not the collection's. */
  readonly degraded: number;
  /** The least index version that answered. */
  readonly indexVersion: number;
}

/**
 * Asks each judged query with each strategy, past the result cache, and scores what comes.
 * Rejects with what a search rejects with; the others are not begun then.
 */
export async function evaluateStrategies(
  { collection, queries, strategies, ensemble, fusion }: EvaluationRequest,
  search: (request: SearchRequest) => Promise<EncodedAnswer>,
): Promise<readonly StrategyEvaluation[]> {
  const results: StrategyEvaluation[] = [];
  for (const strategy of strategies) {
    const scores: QueryScores[] = [];
    let degraded = 0;
    let indexVersion = Number.POSITIVE_INFINITY;
    const queue = queries.entries();
    let hasFailed = false;
    const work = async () => {
      for (const [at, { query, judgements }] of queue) {
        if (hasFailed) return;
        try {
          const { hits, rest } = await search(judgedSearch(collection, query, strategy, strategy === "ensemble" ? ensemble : [], fusion));
          if (rest.degradations.length > 0) degraded++;
          indexVersion = Math.min(indexVersion, rest.index_version);
          scores[at] = scoreQuery(documentsOf(hits), judgements);
        } catch (thrown) {
          hasFailed = true;
          throw thrown;
        }
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    results.push({ strategy, figures: figuresOf(scores), degraded, indexVersion });
  }
  return results;
}

/** How a judged question is asked: past the result cache, one hit a document, nothing but ids and scores. */
export function judgedSearch(
  collection: string,
  query: string,
  strategy: Strategy,
  ensemble: readonly WeightedStrategy[],
  fusion: FusionSettings | null,
): SearchRequest {
  return {
    collection,
    query,
    vector: null,
    strategy,
    options: { ...DEFAULT_OPTIONS, ensemble },
    topK: JUDGED_DEPTH,
    candidateK: JUDGED_DEPTH,
    filter: null,
    fusion,
    groupBy: "document",
    scoreThreshold: null,
    allowDegraded: null,
    minVersion: null,
    include: [],
    rerank: false,
    explain: false,
    useCache: false,
  };
}

function documentsOf(hits: Uint8Array): readonly string[] {
  const parsed = JSON.parse(new TextDecoder().decode(hits)) as readonly Pick<Hit, "document_id">[];
  return parsed.map((hit) => hit.document_id);
}
