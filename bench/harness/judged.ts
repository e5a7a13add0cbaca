import { fileURLToPath } from "node:url";
import { ndcg } from "../../actors/retriever/evaluation/metrics.ts";
import { type JudgedQuery, readJudgedQueries } from "../../bridge/cli/judged_queries.ts";
import type { KennelClient } from "./kennel_client.ts";

const [QUERIES_FILE, JUDGEMENTS_FILE] = ["queries.jsonl", "qrels.tsv"].map((file) =>
  fileURLToPath(new URL(`../../test/data/npl/${file}`, import.meta.url)),
) as [string, string];
const DEPTH = 100;
const TIMEOUT_MS = 600_000;

/** The judged queries of NPL, or the first `limit` of them. */
export async function nplQueries(limit?: number): Promise<readonly JudgedQuery[]> {
  return (await readJudgedQueries(QUERIES_FILE, JUDGEMENTS_FILE)).slice(0, limit);
}

/** Mean nDCG@10 of what a collection answers, asked over HTTP one query after another. Rejects for a degraded answer. */
export async function judgedNdcg(kennel: KennelClient, collection: string, judged: readonly JudgedQuery[], body: object): Promise<number> {
  let sum = 0;
  for (const { text, judgements } of judged) {
    const asked = { query: text, top_k: DEPTH, include: [], timeout_ms: TIMEOUT_MS, allow_degraded: false, ...body };
    const path = `/v1/collections/${collection}/search`;
    const { data } = await kennel.call<{ data: readonly { document_id: string }[] }>("POST", path, asked);
    const ranked = data.map(({ document_id }) => document_id);
    sum += ndcg(ranked, judgements, 10);
  }
  return sum / judged.length;
}
