import type { SWITCHES } from "../../actors/document_store/index_version.ts";
import { jobSchema, type WireJob } from "../schema/jobs.ts";
import { collectionPath } from "./client.ts";
import type { CommandContext } from "./context.ts";
import { readJudgedQueries } from "./judged_queries.ts";
import { startProgress } from "./progress.ts";
import { CommandError, EXIT } from "./terminal.ts";

export interface ReindexOptions {
  readonly json: boolean;
  readonly language?: string;
  readonly embedding?: string;
  readonly chunking?: unknown;
  readonly switch?: (typeof SWITCHES)[number];
  readonly queries?: string;
  readonly qrels?: string;
}

const POLL_MS = 200;
const MAX_RETRIES = 20;

/** Has a collection's index built anew, with other settings where there are any, and waits for it; the old one is searched meanwhile. */
export async function reindex(
  { client, clock, terminal, signal }: CommandContext,
  collection: string,
  options: ReindexOptions,
): Promise<number> {
  const { json, queries, qrels, ...build } = options;
  const judged = await readJudged(queries, qrels);
  const value = judged === null ? build : { ...build, compare: { queries: judged } };
  const startedMs = clock.monotonicMs();
  let job = await client.request("POST", `${collectionPath(collection)}/reindex`, jobSchema, { body: { kind: "json", value }, signal });
  const progress = await startProgress(terminal, `Reindexing ${collection}`, "documents");
  try {
    while (job.status === "queued" || job.status === "running") {
      progress.update(doneIn(job), job.counts.total);
      await clock.sleep(POLL_MS, signal);
      job = await client.request("GET", `/v1/jobs/${encodeURIComponent(job.id)}`, jobSchema, { maxRetries: MAX_RETRIES, signal });
    }
  } finally {
    progress.stop();
  }
  const durationMs = Math.round(clock.monotonicMs() - startedMs);
  if (json) terminal.out(JSON.stringify({ ...job, duration_ms: durationMs }));
  else {
    for (const failure of job.failures) terminal.err(`${failure.document_id}: ${failure.message}`);
    terminal.out(
      `${collection}: ${job.status}, ${doneIn(job)} documents, ${job.counts.chunks} chunks (${(durationMs / 1_000).toFixed(1)} s)`,
    );
    if (job.outcome !== null) terminal.out(describeOutcome(collection, job.outcome));
  }
  return job.status === "completed" && job.counts.failed === 0 ? 0 : EXIT.failed;
}

async function readJudged(queries: string | undefined, qrels: string | undefined) {
  if (queries === undefined && qrels === undefined) return null;
  if (queries === undefined || qrels === undefined) throw new CommandError("--queries and --qrels belong together", EXIT.misused);
  const judged = await readJudgedQueries(queries, qrels);
  return judged.map(({ text, judgements }) => ({ query: text, relevant: Object.fromEntries(judgements) }));
}

function describeOutcome(collection: string, { decision, reason, comparison }: NonNullable<WireJob["outcome"]>): string {
  const found =
    comparison === null
      ? "nothing was compared"
      : comparison.ndcg_10 === null
        ? `${comparison.queries} recent queries, ${Math.round(comparison.overlap_10 * 100)} % of the first ten documents in common`
        : `${comparison.queries} judged queries, nDCG@10 ${comparison.ndcg_10.before.toFixed(4)} before, ${comparison.ndcg_10.after.toFixed(4)} now`;
  const next = decision === "switched" ? "the new build is searched" : `the new build is held; to search it: kennel switch ${collection}`;
  return `${reason.replaceAll("_", " ")}: ${found}; ${next}`;
}

function doneIn({ counts }: WireJob): number {
  return counts.indexed + counts.skipped + counts.failed;
}
