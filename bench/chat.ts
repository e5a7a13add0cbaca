import { atMost, type BenchContext, type Benchmark, plain, type Report } from "./harness/benchmark.ts";
import { loadQueries, nplDocuments } from "./harness/corpus.ts";
import { startSideProcess } from "./harness/side_process.ts";
import { median, quantile } from "./harness/statistics.ts";

/** What Kennel adds to a language model's own first token. */
export const chatBenchmark: Benchmark = { name: "chat", title: "First token of a streamed chat, beside the provider's own", run };

/** A fast provider's first token; the pause before it is the same for everyone. */
const FIRST_MS = 50;
/** As large as a prompt with its passages. */
const PROMPT_LENGTH = 16_000;

async function run(context: BenchContext): Promise<Report> {
  const documents = await nplDocuments(context.isQuick ? 300 : 11_429);
  const queries = loadQueries(documents, context.isQuick ? 20 : 300);
  const provider = startSideProcess(new URL("./harness/token_provider.ts", import.meta.url));
  try {
    const { port } = await provider.ask<{ readonly port: number }>({ firstMs: FIRST_MS });
    const base = `http://127.0.0.1:${port}/v1`;
    const server = await context.startKennel({
      environment: { KENNEL_CHAT: "openai:bench", OPENAI_BASE_URL: base, OPENAI_API_KEY: "none" },
    });
    // The same documents twice, so that what a search has left in the caches is of no use to a chat.
    for (const name of ["searched", "chatted"]) {
      context.progress(`loading ${name}`);
      await server.call("PUT", `/v1/collections/${name}`, { resident: "always" });
      await server.ingest(name, documents);
      await server.resident(name);
    }
    const own = `http://127.0.0.1:${server.port}`;
    const searchMs: number[] = [];
    const providerMs: number[] = [];
    const chatMs: number[] = [];
    const ask = (content: string, model: string) => ({ model, stream: true, messages: [{ role: "user", content }] });
    for (const [at, query] of queries.entries()) {
      if (at % 20 === 0) context.progress(`question ${at + 1} of ${queries.length}`);
      const search = { query, top_k: 8, candidate_k: 100, include: ["text"] };
      const searched = await firstPart(`${own}/v1/collections/searched/search`, search, () => true, context.signal);
      const direct = await firstPart(
        `${base}/chat/completions`,
        ask(query.padEnd(PROMPT_LENGTH, "."), "bench"),
        hasContent,
        context.signal,
      );
      const chatted = await firstPart(`${own}/v1/chat/completions`, ask(query, "chatted"), hasContent, context.signal);
      if (at < queries.length / 10) continue; // connections and code are warm after it
      searchMs.push(searched);
      providerMs.push(direct);
      chatMs.push(chatted);
    }
    await server.stop();
    const added = median(chatMs) - median(providerMs);
    return {
      figures: [
        plain("retrieval alone, median", median(searchMs), "ms"),
        plain("the provider's own first token, median", median(providerMs), "ms"),
        plain("first token of a chat, median", median(chatMs), "ms"),
        plain("first token of a chat, p99", quantile(chatMs, 0.99), "ms"),
        plain("added to the provider's own, median", added, "ms"),
        atMost("added to the provider's own / retrieval alone", added / median(searchMs), "ratio", 1.2),
      ],
      details: { searchMs, providerMs, chatMs },
      notes: [
        `The provider is a server of the bench that gives its first token ${FIRST_MS} ms after it has read the prompt, whoever asks; asked by itself it gets as long a text as a prompt with passages. One question at a time, each new to every cache; searched and chatted in copies of the same collection, both in memory.`,
      ],
    };
  } finally {
    await provider.stop();
  }
}

/** Milliseconds until a part of the answer has come that `counts`. The rest is read, too, so that the connection is used again. */
async function firstPart(url: string, body: object, counts: (text: string) => boolean, signal: AbortSignal): Promise<number> {
  const startMs = performance.now();
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal };
  const response = await fetch(url, init);
  if (!response.ok || response.body === null) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  let firstMs: number | null = null;
  let text = "";
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (firstMs === null && counts(text)) firstMs = performance.now() - startMs;
  }
  if (firstMs === null) throw new Error(`${url} gave nothing: ${text.slice(0, 200)}`);
  return firstMs;
}

function hasContent(text: string): boolean {
  return /"content":"[^"]/.test(text);
}
