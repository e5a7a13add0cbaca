import { crossValidate } from "../../actors/retriever/evaluation/cross_validation.ts";
import { type Figures, figuresOf, JUDGED_DEPTH } from "../../actors/retriever/evaluation/evaluation.ts";
import { type Interval, type QueryScores, scoreQuery } from "../../actors/retriever/evaluation/metrics.ts";
import { ENSEMBLE_PARTS, type WeightedStrategy } from "../../actors/retriever/search.ts";
import { collectionSchema } from "../schema/collections.ts";
import { searchAnswerSchema } from "../schema/search.ts";
import { collectionPath } from "./client.ts";
import type { CommandContext } from "./context.ts";
import { type JudgedQuery, readJudgedQueries } from "./judged_queries.ts";
import { type Progress, startProgress } from "./progress.ts";
import { CommandError, EXIT } from "./terminal.ts";

export interface EvaluateOptions {
  readonly queries: string;
  readonly qrels: string;
  readonly strategy: readonly string[];
  readonly ensemble?: readonly WeightedStrategy[];
  readonly tune: boolean;
  readonly minNdcg?: number;
  readonly concurrency: number;
  readonly json: boolean;
}

const MAX_RETRIES = 5;
const TUNING_FOLDS = 5;
const ALPHAS = Array.from({ length: 21 }, (_, step) => step / 20);

const FIGURES = [
  ["ndcg_10", "nDCG@10"],
  ["map", "MAP"],
  ["mrr_10", "MRR@10"],
  ["recall_100", "recall@100"],
] as const satisfies readonly (readonly [keyof Figures, string])[];

interface Judged {
  /** One a query, in the queries' order. */
  readonly scores: readonly QueryScores[];
  readonly figures: Figures;
  /** Answers that a part was missing from: the figures are then not the collection's. */
  readonly degraded: number;
}

/** Asks every judged query with each strategy; with `tune`, looks for the best fusion weight first and saves it. */
export async function evaluate(context: CommandContext, collection: string, options: EvaluateOptions): Promise<number> {
  const { terminal } = context;
  const queries = await readJudgedQueries(options.queries, options.qrels);
  const strategies = chosenStrategies(options);
  const tuning = options.tune ? await tune(context, collection, queries, options) : null;
  const results: { readonly strategy: string; readonly judged: Judged }[] = [];
  const progress = await startProgress(terminal, "Judging", "queries");
  try {
    for (const [at, strategy] of strategies.entries()) {
      const judged = await judge(context, collection, queries, askedOf(strategy, options), options.concurrency, (done) =>
        progress.update(at * queries.length + done, strategies.length * queries.length),
      );
      results.push({ strategy, judged });
    }
  } finally {
    progress.stop();
  }
  report(context, collection, queries.length, results, tuning, options);
  const last = results.at(-1)?.judged.figures.ndcg_10.mean ?? 0;
  if (options.minNdcg === undefined || last >= options.minNdcg) return 0;
  terminal.err(`nDCG@10 is ${last.toFixed(4)}, below ${options.minNdcg}`);
  return EXIT.failed;
}

function chosenStrategies({ strategy, ensemble }: EvaluateOptions): readonly string[] {
  if (strategy.includes("all")) return [...ENSEMBLE_PARTS, ...(ensemble === undefined ? [] : ["ensemble"])];
  if (ensemble === undefined && strategy.includes("ensemble"))
    throw new CommandError("Give --ensemble with the strategy ensemble, as hybrid=0.7,bm25=0.3", EXIT.misused);
  return ensemble === undefined || strategy.includes("ensemble") ? strategy : [...strategy, "ensemble"];
}

function askedOf(strategy: string, { ensemble }: EvaluateOptions): Asked {
  return strategy === "ensemble" && ensemble !== undefined ? { strategy, strategies: ensemble } : { strategy };
}

interface Asked {
  readonly strategy: string;
  readonly strategies?: readonly WeightedStrategy[];
  readonly fusion?: { readonly type: "weighted"; readonly alpha: number };
}

async function judge(
  { client, signal }: CommandContext,
  collection: string,
  queries: readonly JudgedQuery[],
  asked: Asked,
  concurrency: number,
  onDone: (done: number) => void,
): Promise<Judged> {
  const scores: QueryScores[] = [];
  let degraded = 0;
  let done = 0;
  const queue = queries.entries();
  const work = async () => {
    for (const [at, query] of queue) {
      const value = { query: query.text, top_k: JUDGED_DEPTH, group_by: "document", include: [], ...asked };
      const body = { kind: "json", value } as const;
      const answer = await client.request("POST", `${collectionPath(collection)}/search`, searchAnswerSchema, {
        body,
        maxRetries: MAX_RETRIES,
        signal,
      });
      if (answer.degradations.length > 0) degraded++;
      const ranked = answer.data.map((hit) => hit.document_id);
      scores[at] = scoreQuery(ranked, query.judgements);
      onDone(++done);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return { scores, figures: figuresOf(scores), degraded };
}

interface Tuning {
  readonly tried: readonly { readonly alpha: number; readonly ndcg_10: number }[];
  readonly before: unknown;
  readonly best: { readonly alpha: number; readonly ndcg_10: number };
  /** Mean nDCG@10 that a weight chosen in the same way reaches on queries it was not chosen on; null: too few queries. */
  readonly held_out_ndcg_10: number | null;
}

/** Tries each weight of the vector side on all queries and saves the best one; of equal ones the smallest. */
async function tune(
  context: CommandContext,
  collection: string,
  queries: readonly JudgedQuery[],
  options: EvaluateOptions,
): Promise<Tuning> {
  const { client, signal } = context;
  const path = collectionPath(collection);
  const record = await client.find(path, collectionSchema, signal);
  if (record === null) throw new CommandError(`There is no collection ${collection}`, EXIT.failed);
  const progress: Progress = await startProgress(context.terminal, "Tuning", "queries");
  const tried: { alpha: number; ndcg_10: number }[] = [];
  const perQuery: number[][] = [];
  try {
    for (const [at, alpha] of ALPHAS.entries()) {
      const asked = { strategy: "hybrid", fusion: { type: "weighted", alpha } } as const;
      const { figures, scores, degraded } = await judge(context, collection, queries, asked, options.concurrency, (done) =>
        progress.update(at * queries.length + done, ALPHAS.length * queries.length),
      );
      if (degraded > 0) throw new CommandError(`Cannot tune: ${degraded} answers were degraded; see: kennel status`, EXIT.failed);
      tried.push({ alpha, ndcg_10: figures.ndcg_10.mean });
      perQuery.push(scores.map((score) => score.ndcg10));
    }
  } finally {
    progress.stop();
  }
  const best = tried.reduce((winner, next) => (next.ndcg_10 > winner.ndcg_10 ? next : winner));
  const settings = { ...record.settings, fusion: { type: "weighted", alpha: best.alpha } };
  await client.request("PUT", path, collectionSchema, { body: { kind: "json", value: settings }, signal });
  return { tried, before: record.settings.fusion, best, held_out_ndcg_10: crossValidate(perQuery, TUNING_FOLDS) };
}

function report(
  { terminal }: CommandContext,
  collection: string,
  queries: number,
  results: readonly { readonly strategy: string; readonly judged: Judged }[],
  tuning: Tuning | null,
  options: EvaluateOptions,
): void {
  if (options.json) {
    const strategies = Object.fromEntries(
      results.map(({ strategy, judged }) => [strategy, { ...judged.figures, degraded: judged.degraded }]),
    );
    terminal.out(JSON.stringify({ collection, queries, strategies, ...(tuning === null ? {} : { tuning }) }));
    return;
  }
  if (tuning !== null) {
    for (const { alpha, ndcg_10 } of tuning.tried)
      terminal.out(`alpha ${alpha.toFixed(2)}  nDCG@10 ${ndcg_10.toFixed(4)}${alpha === tuning.best.alpha ? "  best" : ""}`);
    const heldOut = tuning.held_out_ndcg_10;
    const expected = heldOut === null ? "" : `; expect nDCG@10 ${heldOut.toFixed(4)} on others (${TUNING_FOLDS}-fold cross-validation)`;
    terminal.out(`Saved alpha ${tuning.best.alpha} to ${collection}; it was chosen on these queries${expected}\n`);
  }
  const width = Math.max(...results.map(({ strategy }) => strategy.length), "strategy".length);
  const cell = (interval: Interval) => `${interval.mean.toFixed(4)} [${interval.low.toFixed(3)}, ${interval.high.toFixed(3)}]`;
  const cellWidth = cell({ mean: 0, low: 0, high: 0 }).length;
  terminal.out([`${"strategy".padEnd(width)}`, ...FIGURES.map(([, title]) => title.padEnd(cellWidth))].join("  ").trimEnd());
  for (const { strategy, judged } of results) {
    terminal.out([strategy.padEnd(width), ...FIGURES.map(([name]) => cell(judged.figures[name]))].join("  "));
    if (judged.degraded > 0)
      terminal.err(`${judged.degraded} of ${queries} answers of ${strategy} were degraded; its figures are not the collection's`);
  }
  terminal.out(`${queries} judged queries; in brackets the 95 % bootstrap interval of the mean`);
}
