import type { EmbeddingModel } from "../actors/embedding/embedding.ts";
import type { LanguageModel } from "../actors/language_model/language_model.ts";
import type { IndexCandidate } from "../actors/retriever/fusion/ranked.ts";
import { ByteCache } from "../actors/retriever/index/byte_cache.ts";
import type { CalledIndex } from "../actors/retriever/index/index.ts";
import { type ReadyPassage, readyPassage, readyText } from "../actors/retriever/index/passage.ts";
import { phaseTimes } from "../actors/retriever/pipeline/phase_times.ts";
import { runPipeline } from "../actors/retriever/pipeline/pipeline.ts";
import { planSearch } from "../actors/retriever/pipeline/plan.ts";
import type { PipelineParts, ShownParent } from "../actors/retriever/pipeline/search_context.ts";
import { DEFAULT_OPTIONS, type SearchRequest, type Strategy, type StrategyOptions } from "../actors/retriever/search.ts";
import { systemClock } from "../runtime/clock.ts";
import { searchRequest } from "../test/actors/retriever/search_requests.ts";
import { atMost, type Figure, plain } from "./harness/benchmark.ts";
import { pause } from "./harness/kennel_client.ts";
import { median } from "./harness/statistics.ts";

const CANDIDATES = 100;
/** Of one list's candidates, those that the other has, too. */
const SHARED = CANDIDATES / 2;
const MAX_OWN_WORK_MS = 0.5;
const STORE_MS = 20;
const MAX_RATIO = 1.6;
const SUB_QUERIES = 4;
const FUSION = { type: "weighted", alpha: 0.3 } as const;
const FULL = { mode: "full", canEmbed: true, canSearchVectors: true, canSearchText: true, degradations: [] } as const;
const TIMEOUT_MS = 10_000;
const WORDS = ["pump", "valve", "pressure", "primes", "until", "water", "rises", "four", "bar", "wheel", "turns", "house"];

interface Asked {
  readonly strategy: Strategy;
  readonly options?: Partial<StrategyOptions>;
}

/** What the pipeline takes beside its searches, and what further questions take beside one. */
export async function measureCosts(isQuick: boolean): Promise<readonly Figure[]> {
  const atOnce = pipeline(0);
  const [rounds, slowRounds] = isQuick ? [200, 10] : [3_000, 100];
  const cases: readonly (readonly [string, Asked])[] = [
    ["hybrid", { strategy: "hybrid" }],
    ["parent_document", { strategy: "parent_document" }],
    ["multi_query with 4 further questions", { strategy: "multi_query", options: { subQueries: SUB_QUERIES } }],
    ["hybrid, without near-duplicates", { strategy: "hybrid", options: { deduplicate: true } }],
    ["hybrid, by MMR", { strategy: "hybrid", options: { diversity: 0.5 } }],
    ["hybrid, neighbours merged", { strategy: "hybrid", options: { mergeNeighbors: true } }],
  ];
  const figures: Figure[] = [];
  for (const [name, asked] of cases) {
    await timed(atOnce, asked, rounds); // warms the code
    const p50 = median(await timed(atOnce, asked, rounds));
    const title = `own work, ${name}, p50`;
    figures.push(asked.options === undefined ? atMost(title, p50, "ms", MAX_OWN_WORK_MS) : plain(title, p50, "ms"));
  }
  const slow = pipeline(STORE_MS);
  const [plainMs, multiMs] = [[] as number[], [] as number[]];
  for (let round = 0; round < slowRounds; round++) {
    plainMs.push(...(await timed(slow, { strategy: "hybrid" }, 1)));
    multiMs.push(...(await timed(slow, { strategy: "multi_query", options: { subQueries: SUB_QUERIES } }, 1)));
  }
  const [one, several] = [median(plainMs), median(multiMs)];
  return [
    ...figures,
    plain("store of 20 ms, hybrid, p50", one, "ms"),
    plain("store of 20 ms, multi_query with 4 further questions, p50", several, "ms"),
    atMost("store of 20 ms, multi_query beside hybrid", several / one, "ratio", MAX_RATIO),
  ];
}

async function timed(ask: (asked: Asked) => Promise<unknown>, asked: Asked, rounds: number): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now();
    await ask(asked);
    times.push(performance.now() - startMs);
  }
  return times;
}

/** Searches over an index each of whose calls takes `callMs`; 0: it answers at once. */
function pipeline(callMs: number): (asked: Asked) => Promise<unknown> {
  const clock = systemClock();
  const { index, parentTexts } = indexOf(callMs);
  const axis = Float32Array.of(1, 0, 0, 0);
  const model: EmbeddingModel = { name: "axis", dimensions: 4, maxBatch: 256, embed: async (texts) => texts.map(() => axis) };
  const languageModel: LanguageModel = {
    name: "at once",
    async *chat() {
      yield { kind: "text", text: "one pump\ntwo pumps\nthree pumps\nfour pumps" };
      yield { kind: "end", reason: "stop", usage: null };
    },
  };
  const parts: PipelineParts = {
    clock,
    model,
    languageModel,
    reranker: null,
    limits: {
      embedShare: 0.5,
      retrieveShare: 0.9,
      parentsShare: 0.5,
      rewriteShare: 0.4,
      minPhaseChance: 0.5,
      rerankShare: 0.7,
      stragglerFactor: 4,
      minStragglerMs: 250,
    },
    documents: { getParents: async () => [] },
    modes: { serviceOf: (role) => ({ service: role, breaker: "closed" }) },
    metrics: { answered() {}, failed() {}, degraded() {}, activated() {}, passivated() {}, count() {} },
    times: phaseTimes(clock, 60_000),
    ageMs: () => 0,
    collection: "bench",
    version: 1,
    parentTexts,
  };
  const never = new AbortController().signal;
  return ({ strategy, options }) => {
    const request = requestOf(strategy, { ...DEFAULT_OPTIONS, ...options });
    const nowMs = clock.monotonicMs();
    const plan = planSearch(request, FUSION, FULL);
    const search = {
      request,
      plan,
      mode: FULL.mode,
      notBeforeMs: null,
      receivedMs: nowMs,
      isEmpty: false,
      isShedding: false,
      visible: null,
    };
    return runPipeline(parts, index, search, nowMs + TIMEOUT_MS, never);
  };
}

function indexOf(callMs: number): { readonly index: CalledIndex; readonly parentTexts: ByteCache<ShownParent> } {
  const passages = new Map<string, ReadyPassage>();
  const parentTexts = new ByteCache(1_048_576, ({ text }: ShownParent) => text.length);
  const list = (first: number, score: (at: number) => number) =>
    Array.from({ length: CANDIDATES }, (_, at): IndexCandidate => {
      const number = first + at;
      const [documentId, ordinal] = [`document ${number >> 2}`, number & 3];
      const [id, parentId] = [`${documentId}#${ordinal}`, `${documentId}#p0`];
      const text = Array.from({ length: 60 }, (_word, place) => WORDS[(number * 7 + place * (1 + (number % 5))) % WORDS.length]).join(" ");
      passages.set(
        id,
        readyPassage({ id, documentId, ordinal, parentId, title: "Pumps", url: "", text, attributes: {}, principals: [], updatedAtMs: 0 }),
      );
      parentTexts.put(parentId, { text: readyText(text.repeat(4)), principals: [] }, parentTexts.generation);
      return { key: id, id, documentId, parentId, score: score(at) };
    });
  const near = list(0, (at) => 1 - at / CANDIDATES);
  const words = list(SHARED, (at) => 30 - at / 5);
  const answer = <Value>(value: Value): Value | Promise<Value> => (callMs === 0 ? value : pause(callMs).then(() => value));
  const index: CalledIndex = {
    kind: "store",
    indexVersion: 1,
    bytes: 0,
    warm: async () => {},
    refresh: () => {},
    close: async () => {},
    searchVector: () => answer(near),
    searchText: () => answer(words),
    passages: (candidates) => candidates.map(({ id }) => passages.get(id) ?? null),
  };
  return { index, parentTexts };
}

function requestOf(strategy: Strategy, options: StrategyOptions): SearchRequest {
  return searchRequest({ collection: "bench", query: "how is a pump primed", strategy, options, candidateK: CANDIDATES, useCache: false });
}
