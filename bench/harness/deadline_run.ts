import { ndcg } from "../../actors/retriever/evaluation/metrics.ts";
import type { JudgedQuery } from "../../bridge/cli/judged_queries.ts";

/** One question with its answer, as its caller has it. */
export interface DeadlineSample {
  /** Milliseconds from sending to the answer's end. */
  readonly elapsedMs: number;
  readonly status: number;
  /** It came with hits, or with passages that it cites. */
  readonly isAnswered: boolean;
  /** `full`, `full without rerank`: the mode and the stages that were left out. */
  readonly kind: string;
  /** nDCG@10; null: a chat's answer has none. */
  readonly quality: number | null;
}

export interface DeadlineLoad {
  readonly url: string;
  readonly collection: string;
  readonly queries: readonly JudgedQuery[];
  readonly count: number;
  readonly perSecond: number;
  readonly deadlineMs: number;
}

const DEPTH = 10;

interface Search {
  readonly data?: readonly { readonly document_id: string }[];
  readonly mode?: string;
  readonly degradations?: readonly { readonly stage: string }[];
}

/** Searches at a steady rate, each with the deadline, whatever became of those before. */
export function searchWithin(load: DeadlineLoad, body: Readonly<Record<string, unknown>>): Promise<readonly DeadlineSample[]> {
  return atRate(load, async (query, headers) => {
    const response = await fetch(`${load.url}/v1/collections/${load.collection}/search`, {
      method: "POST",
      headers: { ...headers, "cache-control": "no-cache" },
      body: JSON.stringify({ query: query.text, top_k: DEPTH, ...body }),
    });
    const answer = (await response.json()) as Search;
    const ids = (answer.data ?? []).map(({ document_id: id }) => id);
    return {
      status: response.status,
      isAnswered: response.ok && ids.length > 0,
      kind: response.ok ? kindOf(answer.mode ?? "", (answer.degradations ?? []).map(({ stage }) => stage)) : `error ${response.status}`, // biome-ignore format: one line
      quality: response.ok ? ndcg(ids, query.judgements, DEPTH) : null,
    };
  });
}

/** The same for follow-up questions of a chat, which the language model rewrites and answers. */
export function chatWithin(load: DeadlineLoad): Promise<readonly DeadlineSample[]> {
  return atRate(load, async ({ text }, headers) => {
    const messages = [
      { role: "user", content: text },
      { role: "assistant", content: "There is more to say about it." },
      { role: "user", content: text },
    ];
    const response = await fetch(`${load.url}/v1/chat/completions`, {
      method: "POST",
      headers,
      body: JSON.stringify({ model: load.collection, messages }),
    });
    const answer = (await response.json()) as { readonly choices?: readonly { readonly message?: { readonly content?: string } }[] };
    const stages = [...(response.headers.get("x-kennel-degradations") ?? "").matchAll(/([a-z_]+)=/g)]
      .map(([, stage]) => stage ?? "")
      .filter((stage) => stage !== "service" && stage !== "breaker");
    return {
      status: response.status,
      isAnswered: response.ok && /\[1\]/.test(answer.choices?.[0]?.message?.content ?? ""),
      kind: response.ok ? kindOf(response.headers.get("x-kennel-mode") ?? "", stages) : `error ${response.status}`,
      quality: null,
    };
  });
}

function kindOf(mode: string, stages: readonly string[]): string {
  const missing = [...new Set(stages)].sort();
  return missing.length === 0 ? mode : `${mode} without ${missing.join(", ")}`;
}

async function atRate(
  { queries, count, perSecond, deadlineMs }: DeadlineLoad,
  ask: (query: JudgedQuery, headers: Readonly<Record<string, string>>) => Promise<Omit<DeadlineSample, "elapsedMs">>,
): Promise<readonly DeadlineSample[]> {
  const headers = { "content-type": "application/json", "x-request-timeout-ms": String(deadlineMs) };
  const startedMs = performance.now();
  const asked: Promise<DeadlineSample>[] = [];
  for (let number = 0; number < count; number++) {
    const earlyMs = startedMs + (number * 1_000) / perSecond - performance.now();
    if (earlyMs > 0) await new Promise((resolve) => setTimeout(resolve, earlyMs));
    const sentMs = performance.now();
    const query = queries[number % queries.length] as JudgedQuery;
    asked.push(ask(query, headers).then((sample) => ({ ...sample, elapsedMs: performance.now() - sentMs })));
  }
  return Promise.all(asked);
}
