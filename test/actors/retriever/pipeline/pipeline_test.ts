import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ModeView } from "../../../../actors/coordinator/modes.ts";
import type { FusionSettings } from "../../../../actors/document_store/collection_record.ts";
import { ByteCache } from "../../../../actors/retriever/index/byte_cache.ts";
import { StoreIndex } from "../../../../actors/retriever/index/store_index.ts";
import { phaseTimes } from "../../../../actors/retriever/pipeline/phase_times.ts";
import { type PipelineAnswer, runPipeline } from "../../../../actors/retriever/pipeline/pipeline.ts";
import { planSearch } from "../../../../actors/retriever/pipeline/plan.ts";
import type { PipelineParts, ShownParent } from "../../../../actors/retriever/pipeline/search_context.ts";
import type { SearchRequest } from "../../../../actors/retriever/search.ts";
import type { VisibleFilter } from "../../../../actors/vector_store/filter.ts";
import type { ChunkRow } from "../../../../actors/vector_store/vector_store.ts";
import { KennelError, kennelError } from "../../../../runtime/errors.ts";
import { manualClock } from "../../../support/manual_clock.ts";
import { watch } from "../../../support/supervision.ts";
import { FaultyModel, FaultyStore, textRow } from "../faulty_store.ts";
import { countingMetrics, FULL, hitsOf, idsOf, PATIENT, searchRequest } from "../search_requests.ts";

const test = suite("pipeline");
const never = new AbortController().signal;
const ROWS = [textRow("a", "cat cat"), textRow("b", "cat dog"), textRow("c", "bird"), textRow("d", "cat dog bird fish")];
const WEIGHTED: FusionSettings = { type: "weighted", alpha: 0.3 };

interface RunOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly mode?: ModeView;
  readonly fusion?: FusionSettings;
  readonly isEmpty?: boolean;
  readonly visible?: VisibleFilter;
}

function startPipeline(
  rows: readonly ChunkRow[] = ROWS,
  parents: Readonly<Record<string, string>> = {},
  principals: Readonly<Record<string, readonly string[]>> = {},
) {
  const clock = manualClock();
  const store = new FaultyStore(rows);
  const model = new FaultyModel();
  const metrics = countingMetrics();
  const parentStore = { calls: 0, fault: null as "fail" | "hang" | null };
  const parts: PipelineParts = {
    clock,
    model,
    metrics,
    reranker: null,
    languageModel: null,
    documents: {
      async getParents(_collection, _version, ids) {
        parentStore.calls++;
        if (parentStore.fault === "fail") throw kennelError("unavailable");
        if (parentStore.fault === "hang") return new Promise(() => {});
        return ids.flatMap((id) => (parents[id] === undefined ? [] : [{ id, text: parents[id], principals: principals[id] ?? [] }]));
      },
    },
    modes: { serviceOf: (role) => ({ service: `the ${role}`, breaker: "closed" }) },
    times: phaseTimes(clock, 60_000),
    ageMs: () => 0,
    limits: PATIENT,
    collection: "docs",
    version: 1,
    parentTexts: new ByteCache(100_000, ({ text }: ShownParent) => text.length),
  };
  const index = new StoreIndex({
    name: { collection: "docs", version: 1 },
    store,
    lexical: store,
    dimensions: 4,
    indexVersion: 7,
    maxPassageBytes: 100_000,
  });
  const run = async (over: Partial<SearchRequest> = {}, options: RunOptions = {}): Promise<PipelineAnswer> => {
    const request = searchRequest(over);
    const mode = options.mode ?? FULL;
    const plan = planSearch(request, options.fusion ?? WEIGHTED, mode);
    const nowMs = clock.monotonicMs();
    const search = {
      request,
      plan,
      mode: mode.mode,
      notBeforeMs: null,
      receivedMs: nowMs,
      isEmpty: options.isEmpty ?? false,
      isShedding: false,
      visible: options.visible ?? null,
    };
    return runPipeline(parts, index, search, nowMs + (options.timeoutMs ?? 10_000), options.signal ?? never);
  };
  return { clock, store, model, metrics, parts, parentStore, run };
}

const failure = (promise: Promise<unknown>): Promise<KennelError> =>
  promise.then(
    (): never => {
      throw new Error("it should have failed");
    },
    (thrown: unknown) => {
      if (!(thrown instanceof KennelError)) throw thrown;
      return thrown;
    },
  );

test("A hybrid search fuses both branches and writes whole hits", async () => {
  const { run } = startPipeline();
  const { answer, isKeepable } = await run();
  const [first, ...others] = hitsOf(answer);
  assert.equal(first, {
    id: "a#0",
    document_id: "a",
    parent_id: null,
    title: "Title of a",
    url: "https://example.org/a",
    text: "cat cat",
    attributes: {},
    score: 1,
    score_type: "weighted",
    ranks: { vector: 1, bm25: 1 },
    scores: { vector: 1, bm25: 2, fused: 1 },
  });
  assert.equal(
    others.map(({ id }) => id),
    ["b#0", "d#0", "c#0"],
  );
  assert.is(isKeepable, true);
  const { mode, degradations, cache, index_version, freshness, timings_ms } = answer.rest;
  assert.equal(
    { mode, degradations, cache, index_version, freshness },
    {
      mode: "full",
      degradations: [],
      cache: "miss",
      index_version: 7,
      freshness: { index: "store", age_ms: 0 },
    },
  );
  for (const phase of ["queue", "embed", "vector", "bm25", "fuse", "fetch", "total"]) assert.type(timings_ms[phase], "number", phase);
});

test("A hit holds what was asked for and nothing more", async () => {
  const { run } = startPipeline();
  const keys = async (include: SearchRequest["include"]) => Object.keys(hitsOf((await run({ include })).answer)[0] ?? {});
  const always = ["id", "document_id", "parent_id", "title", "url", "score", "score_type"];
  assert.equal(await keys([]), always);
  assert.equal((await keys(["attributes"])).sort(), [...always, "attributes"].sort());
  assert.equal((await keys(["text", "ranks"])).sort(), [...always, "text", "ranks"].sort());
});

test("Each strategy ranks by its own kind of score, falling along the list", async () => {
  const { run } = startPipeline();
  for (const [strategy, fusion, kind] of [
    ["vector", WEIGHTED, "cosine"],
    ["bm25", WEIGHTED, "bm25"],
    ["hybrid", WEIGHTED, "weighted"],
    ["hybrid", { type: "rrf", k: 60, weights: { vector: 1, bm25: 1 } }, "rrf"],
  ] as const) {
    const hits = hitsOf((await run({ strategy }, { fusion })).answer);
    assert.ok(hits.length > 0);
    for (const [i, hit] of hits.entries()) {
      assert.is(hit.score_type, kind);
      assert.ok(hit.score >= 0 && hit.score <= 1);
      assert.ok(hit.score <= (hits[i - 1]?.score ?? 1));
    }
  }
});

test("A branch that fails is reported, the other one answers by its own score, and the answer is not kept", async () => {
  const { run, store } = startPipeline();
  store.set("searchVector", { kind: "fail", code: "unavailable" });
  const { answer, isKeepable } = await run();
  assert.equal(idsOf(answer), ["a#0", "b#0", "d#0"]);
  assert.is(hitsOf(answer)[0]?.score_type, "bm25");
  assert.equal(answer.rest.degradations, [{ stage: "vector", reason: "unavailable", service: "the vector_store", breaker: "closed" }]);
  assert.is(isKeepable, false);
});

test("A model that fails is reported as the stage embed, and the words alone answer", async () => {
  const { run, model } = startPipeline();
  model.fault = "fail";
  const { answer } = await run();
  assert.equal(answer.rest.degradations, [{ stage: "embed", reason: "unavailable", service: "the embedding", breaker: "closed" }]);
  assert.ok(hitsOf(answer).length > 0);
});

test("A vector search whose model is down falls back to the words", async () => {
  const { run, model } = startPipeline();
  model.fault = "fail";
  const { answer } = await run({ strategy: "vector" });
  assert.is(hitsOf(answer)[0]?.score_type, "bm25");
  assert.is(answer.rest.degradations[0]?.stage, "embed");
});

test("A search fails only when no branch has answered, and never with an empty list", async () => {
  const { run, store } = startPipeline();
  store.set("searchVector", { kind: "fail", code: "unavailable" });
  store.set("searchText", { kind: "fail", code: "unavailable" });
  assert.is((await failure(run())).code, "unavailable");
  store.set("searchText", { kind: "throw" });
  store.set("searchVector", { kind: "throw" });
  const error = await failure(run());
  assert.is(error.code, "internal");
  assert.not.match(error.message, /a\/path/);
});

test("An index that does not exist is empty while the collection is, and an outage when it is not", async () => {
  const { run, store } = startPipeline();
  store.set("searchVector", { kind: "fail", code: "not_found" });
  store.set("searchText", { kind: "fail", code: "not_found" });
  const { answer } = await run({}, { isEmpty: true });
  assert.equal([hitsOf(answer), answer.rest.degradations], [[], []]);
  assert.is((await failure(run())).code, "unavailable");
});

test("A branch that hangs costs the query its usual time once the other one has answered, not its deadline", async () => {
  const { run, store, clock } = startPipeline();
  store.set("searchVector", { kind: "hang" });
  const outcome = watch(run({}, { timeoutMs: 10_000 }));
  await clock.advance(PATIENT.minStragglerMs - 1);
  assert.is(outcome.result, null);
  await clock.advance(1);
  const { answer } = outcome.result as PipelineAnswer;
  assert.equal(
    answer.rest.degradations.map(({ stage, reason }) => [stage, reason]),
    [["vector", "deadline_exceeded"]],
  );
  assert.equal(idsOf(answer), ["a#0", "b#0", "d#0"]);
  assert.is(store.calls.find(({ call }) => call === "searchVector")?.signal.aborted, true);
});

test("A branch that hangs leaves what follows the time that it is known to take", async () => {
  const { run, store, clock, parts } = startPipeline();
  for (let count = 0; count < 20; count++) parts.times.note("fetch", 200);
  store.set("searchVector", { kind: "hang" });
  const outcome = watch(run({}, { timeoutMs: 400 }));
  await clock.advance(180);
  assert.is(outcome.result, null);
  await clock.advance(40);
  const { answer } = outcome.result as PipelineAnswer;
  assert.equal(idsOf(answer), ["a#0", "b#0", "d#0"]);
});

test("A branch that has nothing to search by neither hurries the other one nor answers in its place", async () => {
  const { run, store, clock } = startPipeline([...ROWS, textRow("e", "zebra")]);
  const found = Promise.withResolvers<void>();
  store.set("searchText", { kind: "wait", until: found.promise });
  const outcome = watch(run({ query: "zebra" }));
  await clock.advance(PATIENT.minStragglerMs * 2);
  found.resolve();
  await clock.flush();
  assert.equal(idsOf((outcome.result as PipelineAnswer).answer), ["e#0"]);
  store.set("searchText", { kind: "fail", code: "unavailable" });
  assert.is((await failure(run({ query: "zebra" }))).code, "unavailable", "an outage is no empty list");
});

test("When every branch hangs the query ends with its share of the deadline", async () => {
  const { run, store, model, clock } = startPipeline();
  store.set("searchText", { kind: "hang" });
  model.fault = "hang";
  const outcome = watch(run({}, { timeoutMs: 1_000 }));
  await clock.advance(1_000);
  assert.is(outcome.result, "deadline_exceeded");
});

test("A caller that goes away ends the store's call, and nobody is blamed for it", async () => {
  const { run, store, clock } = startPipeline();
  store.set("searchText", { kind: "hang" });
  store.set("searchVector", { kind: "hang" });
  const caller = new AbortController();
  const outcome = watch(run({}, { signal: caller.signal }));
  await clock.flush();
  caller.abort();
  await clock.flush();
  assert.is(outcome.result, "cancelled");
  assert.ok(store.calls.every(({ signal }) => signal.aborted));
});

test("A threshold set for one kind of score is never applied to another", async () => {
  const { run, store } = startPipeline();
  assert.equal(idsOf((await run({ scoreThreshold: 0.5 })).answer), ["a#0"]);
  store.set("searchVector", { kind: "fail", code: "unavailable" });
  const { answer } = await run({ scoreThreshold: 0.5 });
  assert.is(hitsOf(answer)[0]?.score_type, "bm25");
  assert.is(hitsOf(answer).length, 3, "BM25 scores of one or two words are all below a half");
});

test("A score taken from an answer and given as threshold brings that hit again, whatever was rounded off it", async () => {
  const rows = Array.from({ length: 12 }, (_, at) =>
    textRow(`r${at}`, `cat${" dog".repeat(at % 5)}${" bird".repeat(at % 7)}${" fish".repeat(at % 3)}`),
  );
  const { run } = startPipeline(rows);
  for (const [strategy, fusion] of [
    ["vector", WEIGHTED],
    ["bm25", WEIGHTED],
    ["hybrid", WEIGHTED],
    ["hybrid", { type: "rrf", k: 60, weights: { vector: 1, bm25: 1 } }],
  ] as const) {
    const all = hitsOf((await run({ strategy, query: "cat bird" }, { fusion })).answer);
    for (const { score } of all) {
      const cut = hitsOf((await run({ strategy, query: "cat bird", scoreThreshold: score }, { fusion })).answer);
      assert.equal(
        cut.map(({ id }) => id),
        all.filter((hit) => hit.score >= score).map(({ id }) => id),
        `${strategy} ${fusion.type} ${score}`,
      );
    }
  }
});

test("A query of words that the model does not know is answered by the words alone, and nothing is degraded", async () => {
  const { run } = startPipeline([...ROWS, textRow("e", "zebra")]);
  for (const strategy of ["hybrid", "vector"] as const) {
    const { answer, isKeepable } = await run({ strategy, query: "zebra" });
    assert.equal(idsOf(answer), ["e#0"]);
    assert.equal([answer.rest.degradations, isKeepable], [[], true]);
  }
});

test("A client's own vector is searched by as it is, alone or beside the words", async () => {
  const { run, model } = startPipeline();
  const bird = Float32Array.of(0, 0, 1, 0);
  assert.is(idsOf((await run({ strategy: "vector", query: null, vector: bird })).answer)[0], "c#0");
  assert.equal(Object.keys(hitsOf((await run({ vector: bird })).answer)[0]?.ranks ?? {}), ["vector", "bm25"]);
  assert.is(model.calls, 0);
  const error = await failure(run({ strategy: "vector", query: null, vector: Float32Array.of(1, 0) }));
  assert.equal([error.code, error.param], ["invalid_request", "vector"]);
  assert.match(error.message, /2 components.*have 4/);
});

test("Nonsense from a branch is dropped and counted, and the rest is answered", async () => {
  const { run, store, metrics } = startPipeline();
  const found = (id: string, score: number) => ({ id, documentId: id.slice(0, 1), parentId: null, score });
  store.set("searchVector", {
    kind: "answer",
    candidates: [found("a#0", 0.9), found("b#0", Number.NaN), found("a#0", 0.8), found("", 0.7), { score: 0.6 } as never],
  });
  const { answer } = await run({ strategy: "vector" });
  assert.equal(idsOf(answer), ["a#0"]);
  assert.is(metrics.counts.get("candidate_dropped"), 4);
});

test("A hit that has gone between finding and fetching is left out and counted", async () => {
  const { run, store, metrics } = startPipeline();
  store.set("searchText", { kind: "answer", candidates: [{ id: "gone#0", documentId: "gone", parentId: null, score: 9 }] });
  assert.not(idsOf((await run()).answer).includes("gone#0"));
  assert.is(metrics.counts.get("passage_gone"), 1);
});

test("Grouping by document keeps each document's best chunk", async () => {
  const { run } = startPipeline([textRow("a", "cat cat"), textRow("a", "cat dog", { id: "a#1", ordinal: 1 }), textRow("b", "cat fish")]);
  assert.equal(idsOf((await run({ groupBy: "document" })).answer), ["a#0", "b#0"]);
});

const FAMILY = [
  textRow("a", "cat cat", { parentId: "a/0" }),
  textRow("a", "cat", { id: "a#1", ordinal: 1, parentId: "a/0" }),
  textRow("a", "dog cat", { id: "a#2", ordinal: 2, parentId: "a/1" }),
  textRow("b", "cat fish bird dog"),
];
const PARENTS = { "a/0": "the whole of the cats", "a/1": "the whole of the dogs" };

test("parent_document ranks children and gives each parent's passage once, by its best child", async () => {
  const { run, parentStore } = startPipeline(FAMILY, PARENTS);
  const hits = hitsOf((await run({ strategy: "parent_document" })).answer);
  assert.equal(
    hits.map(({ id, parent_id, text }) => [id, parent_id, text]),
    [
      ["a#0", "a/0", "the whole of the cats"],
      ["a#2", "a/1", "the whole of the dogs"],
      ["b#0", null, "cat fish bird dog"],
    ],
  );
  await run({ strategy: "parent_document" });
  assert.is(parentStore.calls, 1, "parents that are ready are not fetched again");
});

test("A parent that was given to others since its child was found is not shown, kept or not", async () => {
  const { run, parentStore } = startPipeline(FAMILY, PARENTS, { "a/0": ["user:bob"] });
  const texts = async (principals: readonly string[]) => {
    const visible = { type: "visible", principals, isOpen: true } as const;
    return hitsOf((await run({ strategy: "parent_document" }, { visible })).answer).map(({ text }) => text);
  };
  const others = ["the whole of the dogs", "cat fish bird dog"];
  assert.equal(await texts([]), ["cat cat", ...others]);
  assert.equal(await texts(["user:bob"]), ["the whole of the cats", ...others]);
  assert.equal(await texts([]), ["cat cat", ...others]);
  assert.is(parentStore.calls, 1);
});

test("Parents that can't be had leave the children's own texts, and the answer says so", async () => {
  const { run, parentStore, clock } = startPipeline(FAMILY, PARENTS);
  parentStore.fault = "fail";
  const failed = await run({ strategy: "parent_document" });
  assert.is(hitsOf(failed.answer)[0]?.text, "cat cat");
  assert.equal(
    failed.answer.rest.degradations.map(({ stage, reason }) => [stage, reason]),
    [["parents", "unavailable"]],
  );
  parentStore.fault = "hang";
  const outcome = watch(run({ strategy: "parent_document" }, { timeoutMs: 1_000 }));
  await clock.advance(600);
  const { answer } = outcome.result as PipelineAnswer;
  assert.is(answer.rest.degradations[0]?.reason, "deadline_exceeded");
});

test("Parents that usually take longer than the query has are not tried", async () => {
  const { run, parentStore, parts } = startPipeline(FAMILY, PARENTS);
  for (let i = 0; i < 20; i++) parts.times.note("parents", 800);
  const hurried = await run({ strategy: "parent_document" }, { timeoutMs: 500 });
  assert.is(parentStore.calls, 0);
  assert.is(hurried.answer.rest.degradations[0]?.reason, "skipped_for_deadline");
  assert.is(hurried.isKeepable, false);
  const calm = await run({ strategy: "parent_document" }, { timeoutMs: 5_000 });
  assert.equal(calm.answer.rest.degradations, []);
});

test("explain tells what was planned, what each branch brought up and how it was fused", async () => {
  const { run } = startPipeline();
  const { answer } = await run({ explain: true });
  assert.equal(answer.rest.explain, {
    plan: { wanted: ["vector", "bm25"], ran: ["vector", "bm25"], group_by: "chunk" },
    vector: { candidates: 4, dropped: 0 },
    bm25: { candidates: 3, dropped: 0 },
    fusion: {
      settings: { type: "weighted", alpha: 0.3 },
      score_type: "weighted",
      chunks: 4,
      threshold_applied: null,
      bounds: { vector: { min: 0, max: 1 }, bm25: { min: 1, max: 2 } },
    },
    planner: { remaining_ms: 10_000, learned: {}, optional: {} },
  });
});

test("The same question has the same answer, byte by byte, in whatever order the branches come back", async () => {
  const words = fc.array(fc.constantFrom("cat", "dog", "bird", "fish", "zebra"), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(words, { minLength: 1, maxLength: 12 }), words, fc.boolean(), async (texts, query, vectorFirst) => {
      const rows = texts.map((text, i) => textRow(`d${i}`, text.join(" ")));
      const plain = startPipeline(rows);
      const held = startPipeline(rows);
      let open = (): void => {};
      const until = new Promise<void>((resolve) => {
        open = resolve;
      });
      held.store.set(vectorFirst ? "searchText" : "searchVector", { kind: "wait", until });
      const late = held.run({ query: query.join(" ") });
      for (let i = 0; i < 20; i++) await Promise.resolve();
      open();
      assert.equal((await late).answer.hits, (await plain.run({ query: query.join(" ") })).answer.hits);
    }),
    { numRuns: 60 },
  );
});

test.run();
