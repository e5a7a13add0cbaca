import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Reranker } from "../../../../actors/reranker/reranker.ts";
import { ByteCache } from "../../../../actors/retriever/index/byte_cache.ts";
import { StoreIndex } from "../../../../actors/retriever/index/store_index.ts";
import { phaseTimes } from "../../../../actors/retriever/pipeline/phase_times.ts";
import { runPipeline } from "../../../../actors/retriever/pipeline/pipeline.ts";
import { planSearch } from "../../../../actors/retriever/pipeline/plan.ts";
import type { ShownParent } from "../../../../actors/retriever/pipeline/search_context.ts";
import { DEFAULT_OPTIONS, type SearchRequest } from "../../../../actors/retriever/search.ts";
import { type KennelError, kennelError } from "../../../../runtime/errors.ts";
import { manualClock } from "../../../support/manual_clock.ts";
import { FaultyModel, FaultyStore, textRow } from "../faulty_store.ts";
import { countingMetrics, FULL, hitsOf, idsOf, PATIENT, searchRequest } from "../search_requests.ts";

const test = suite("ranking anew");
const never = new AbortController().signal;
const ROWS = [textRow("a", "cat cat"), textRow("b", "cat dog"), textRow("c", "bird"), textRow("d", 'cat "dog"\nbird fish')];

function startPipeline(score: (text: string, signal: AbortSignal) => number | Promise<number>) {
  const clock = manualClock();
  const store = new FaultyStore(ROWS);
  const name = { collection: "docs", version: 1 };
  const asked: (readonly string[])[] = [];
  const reranker: Reranker = {
    name: "scripted",
    weight: 1,
    rerank: async (_query, texts, signal) => {
      asked.push(texts);
      return Promise.all(texts.map((text) => score(text, signal)));
    },
  };
  const parts = {
    clock,
    model: new FaultyModel(),
    metrics: countingMetrics(),
    reranker: reranker as Reranker | null,
    languageModel: null,
    documents: { getParents: async () => [] },
    modes: { serviceOf: (role: string) => ({ service: `the ${role}`, breaker: "closed" as const }) },
    times: phaseTimes(clock, 60_000),
    ageMs: () => 0,
    limits: PATIENT,
    collection: "docs",
    version: 1,
    parentTexts: new ByteCache(100_000, ({ text }: ShownParent) => text.length),
  };
  const index = new StoreIndex({ name, store, lexical: store, dimensions: 4, indexVersion: 7, maxPassageBytes: 100_000 });
  const run = (over: Partial<SearchRequest> = {}, mode = FULL) => {
    const request = searchRequest({ rerank: true, ...over });
    const plan = planSearch(request, { type: "weighted", alpha: 0.3 }, mode);
    const nowMs = clock.monotonicMs();
    const search = {
      request,
      plan,
      mode: mode.mode,
      notBeforeMs: null,
      receivedMs: nowMs,
      isEmpty: false,
      isShedding: false,
      visible: null,
    };
    return runPipeline(parts, index, search, nowMs + 1_000, never);
  };
  return { clock, parts, asked, run };
}

test("The reranker's scores decide, equal ones keep the first ranking's order, and both stand in the hit", async () => {
  const { asked, run } = startPipeline((text) => (text === "bird" ? 0.9 : 0.5));
  const { answer, isKeepable } = await run({ topK: 3 });
  assert.equal(idsOf(answer), ["c#0", "a#0", "b#0"]);
  assert.equal(asked, [["cat cat", "cat dog", 'cat "dog"\nbird fish', "bird"]]);
  const [, second] = hitsOf(answer);
  assert.equal(
    [second?.score, second?.score_type, second?.ranks, second?.scores],
    [0.5, "rerank", { vector: 1, bm25: 1, rerank: 2 }, { vector: 1, bm25: 2, rerank: 0.5, fused: 1 }],
  );
  assert.equal([isKeepable, answer.rest.degradations], [true, []]);
  assert.type(answer.rest.timings_ms.rerank, "number");
});

test("A threshold speaks of the reranker's score, and of no other where that is missing", async () => {
  const ranked = startPipeline((text) => (text === "bird" ? 0.9 : 0.5));
  assert.equal(idsOf((await ranked.run({ scoreThreshold: 0.6 })).answer), ["c#0"]);
  const broken = startPipeline(() => Promise.reject(kennelError("unavailable")));
  assert.is(idsOf((await broken.run({ scoreThreshold: 0.6 })).answer).length, 4);
});

test("A reranker that fails, throws a foreign error or hangs leaves the first ranking, and the answer says so", async () => {
  for (const [fault, reason] of [
    [() => Promise.reject(kennelError("overloaded")), "overloaded"],
    [() => Number.NaN, "unavailable"],
    [() => 7, "unavailable"],
    [() => Promise.reject(new Error("nonsense")), "internal"],
    [() => new Promise<number>(() => {}), "deadline_exceeded"],
  ] as const) {
    const { clock, run } = startPipeline(fault);
    const running = run({ topK: 2 });
    await clock.advance(700);
    const { answer, isKeepable } = await running;
    assert.equal(idsOf(answer), ["a#0", "b#0"]);
    assert.is(hitsOf(answer)[0]?.score_type, "weighted");
    assert.equal(answer.rest.degradations, [{ stage: "rerank", reason, service: "the reranker", breaker: "closed" }]);
    assert.is(isKeepable, false);
  }
});

test("It is not asked when what it usually takes does not fit, nor when the mode rules it out", async () => {
  const { parts, asked, run } = startPipeline(() => 0.5);
  for (let count = 0; count < 16; count++) parts.times.note("rerank", 5_000);
  assert.is((await run()).answer.rest.degradations[0]?.reason, "skipped_for_deadline");
  const forced = startPipeline(() => 0.5);
  const ruledOut = { stage: "rerank", reason: "forced", service: "the reranker", breaker: "closed" } as const;
  const { rest } = (await forced.run({}, { ...FULL, mode: "no_rerank", degradations: [ruledOut] })).answer;
  assert.equal(rest.degradations, [ruledOut]);
  assert.equal([asked, forced.asked], [[], []]);
});

test("A weight below 1 mixes the reranker's scores with the first ranking's, each scaled over the hits", async () => {
  const { parts, run } = startPipeline((text) => (text === "bird" ? 0.9 : text === "cat cat" ? 0.7 : 0.5));
  parts.reranker = { ...(parts.reranker as Reranker), weight: 0.5 };
  const hits = hitsOf((await run()).answer);
  assert.equal(
    hits.map(({ id, score, score_type }) => [id, score, score_type]),
    [
      ["a#0", 0.75, "weighted"],
      ["c#0", 0.5, "weighted"],
      ["b#0", hits[2]?.score, "weighted"],
      ["d#0", hits[3]?.score, "weighted"],
    ],
  );
  assert.equal([hits[1]?.ranks?.rerank, hits[1]?.scores?.rerank, hits[0]?.ranks?.rerank], [1, 0.9, 2]);
  const options = { ...DEFAULT_OPTIONS, rerankWeight: 1 };
  assert.equal(hitsOf((await run({ options })).answer)[0]?.id, "c#0");
  const none = { ...DEFAULT_OPTIONS, rerankWeight: 0 };
  assert.equal(idsOf((await run({ options: none })).answer), ["a#0", "b#0", "d#0", "c#0"]);
});

test("Thinning and merging look at more hits than are shown, behind the reranker, and keep to top_k", async () => {
  const { asked, run } = startPipeline(() => 0.5);
  const options = { ...DEFAULT_OPTIONS, deduplicate: true, diversity: 0.5, mergeNeighbors: true };
  const { answer } = await run({ topK: 2, options });
  assert.is(idsOf(answer).length, 2);
  assert.is(asked[0]?.length, 4);
  assert.type(answer.rest.timings_ms.refine, "number");
});

test("A node without a reranker refuses, and a plain search never asks one", async () => {
  const { parts, asked, run } = startPipeline(() => 0.5);
  assert.is(hitsOf((await run({ rerank: false })).answer)[0]?.score_type, "weighted");
  assert.equal(asked, []);
  parts.reranker = null;
  const error = await run().catch((thrown: KennelError) => thrown);
  assert.equal([(error as KennelError).code, (error as KennelError).param], ["invalid_request", "rerank"]);
});

test.run();
