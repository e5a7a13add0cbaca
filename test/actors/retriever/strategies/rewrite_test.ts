import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ModeView } from "../../../../actors/coordinator/modes.ts";
import type { LanguageModel } from "../../../../actors/language_model/language_model.ts";
import { ByteCache } from "../../../../actors/retriever/index/byte_cache.ts";
import type { RetrievalIndex } from "../../../../actors/retriever/index/index.ts";
import { StoreIndex } from "../../../../actors/retriever/index/store_index.ts";
import { phaseTimes } from "../../../../actors/retriever/pipeline/phase_times.ts";
import { runPipeline } from "../../../../actors/retriever/pipeline/pipeline.ts";
import { planSearch } from "../../../../actors/retriever/pipeline/plan.ts";
import type { PipelineParts, ShownParent } from "../../../../actors/retriever/pipeline/search_context.ts";
import type { Degradation } from "../../../../actors/retriever/search.ts";
import { DEFAULT_OPTIONS, type EncodedAnswer, type SearchRequest } from "../../../../actors/retriever/search.ts";
import { kennelError } from "../../../../runtime/errors.ts";
import { manualClock } from "../../../support/manual_clock.ts";
import { FaultyModel, FaultyStore, textRow } from "../faulty_store.ts";
import { indexOf, inMemory } from "../index/resident/index_rig.ts";
import { countingMetrics, FULL, hitsOf, idsOf, PATIENT, searchRequest } from "../search_requests.ts";
import { asksForPassage, type ScriptedLanguageModel, scriptedLanguageModel } from "./scripted_language_model.ts";

const test = suite("rewriting");
const never = new AbortController().signal;
const ROWS = [textRow("a", "cat cat"), textRow("b", "dog fish"), textRow("c", "bird bird"), textRow("d", "fish fish")];
const MULTI: Partial<SearchRequest> = { query: "cat", strategy: "multi_query" };

interface Rig {
  readonly clock: ReturnType<typeof manualClock>;
  readonly store: FaultyStore;
  readonly model: FaultyModel;
  readonly parts: PipelineParts;
  run(over?: Partial<SearchRequest>, mode?: ModeView, signal?: AbortSignal): Promise<{ answer: EncodedAnswer; isKeepable: boolean }>;
}

/** @param where the same rows in a store, or in memory */
function startRig(languageModel: LanguageModel | null, where: "store" | "memory" = "store"): Rig {
  const clock = manualClock();
  const store = new FaultyStore(ROWS);
  const model = new FaultyModel();
  const parts: PipelineParts = {
    clock,
    model,
    metrics: countingMetrics(),
    reranker: null,
    languageModel,
    documents: { getParents: async () => [] },
    modes: { serviceOf: (role) => ({ service: `the ${role}`, breaker: "closed" }) },
    times: phaseTimes(clock, 60_000),
    ageMs: () => 0,
    limits: PATIENT,
    collection: "docs",
    version: 1,
    parentTexts: new ByteCache(100_000, ({ text }: ShownParent) => text.length),
  };
  const name = { collection: "docs", version: 1 };
  const index: RetrievalIndex =
    where === "memory"
      ? inMemory(indexOf(ROWS))
      : new StoreIndex({ name, store, lexical: store, dimensions: 4, indexVersion: 7, maxPassageBytes: 100_000 });
  return {
    clock,
    store,
    model,
    parts,
    run: (over = {}, mode = FULL, signal = never) => {
      const request = searchRequest({ ...MULTI, ...over });
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
      return runPipeline(parts, index, search, nowMs + 1_000, signal);
    },
  };
}

const writer = (): ScriptedLanguageModel =>
  scriptedLanguageModel((request) => (asksForPassage(request) ? "fish fish fish" : "1. dog\n2. bird"));
const degradation = (reason: string): Degradation => ({ stage: "rewrite", reason, service: "the language_model", breaker: "closed" });

test("multi_query finds what the further questions ask for, each list's rank and score in the hit, one embedding call for all", async () => {
  for (const where of ["store", "memory"] as const) {
    const { model, run } = startRig(writer(), where);
    const { answer, isKeepable } = await run({ explain: true });
    assert.equal([...idsOf(answer)].sort(), ["a#0", "b#0", "c#0", "d#0"]);
    const [first] = hitsOf(answer);
    assert.equal([first?.id, first?.score_type], ["a#0", "weighted"]);
    const second = hitsOf(answer).find(({ id }) => id === "c#0");
    assert.equal([second?.ranks?.vector_2, second?.ranks?.bm25_2], [1, 1]);
    assert.is(model.calls, 1);
    assert.equal([isKeepable, answer.rest.mode, answer.rest.degradations], [true, "full", []]);
    assert.equal((answer.rest.explain as { rewrite: unknown }).rewrite, { sub_queries: ["dog", "bird"], hypothetical: null });
    assert.type(answer.rest.timings_ms.rewrite, "number");
  }
});

test("hyde searches between the question and a made-up answer, the words beside it", async () => {
  for (const where of ["store", "memory"] as const) {
    const { run } = startRig(writer(), where);
    const hits = hitsOf((await run({ strategy: "hyde" })).answer);
    const fish = hits.find(({ id }) => id === "d#0");
    assert.ok(Math.abs((fish?.scores?.hyde ?? 0) - Math.SQRT1_2) < 0.01);
    assert.equal(Object.keys(hits.find(({ id }) => id === "a#0")?.ranks ?? {}), ["hyde", "bm25"]);
  }
});

test("An ensemble writes once for all of its parts, and the same query gives the same list", async () => {
  const options = {
    ...DEFAULT_OPTIONS,
    ensemble: [
      { strategy: "multi_query", weight: 1 },
      { strategy: "hyde", weight: 2 },
      { strategy: "bm25", weight: 1 },
    ],
  } as const;
  const over = { strategy: "ensemble", options } as const;
  const model = writer();
  const store = startRig(model);
  const first = hitsOf((await store.run(over)).answer);
  assert.is(model.requests.length, 2);
  assert.equal(hitsOf((await store.run(over)).answer), first);
  const memory = startRig(writer(), "memory");
  assert.equal(
    hitsOf((await memory.run(over)).answer).map(({ id }) => id),
    first.map(({ id }) => id),
  );
});

test("A model that is away, fails, throws a foreign error or writes nonsense leaves the question alone, and the answer says so", async () => {
  const hybrid = hitsOf((await startRig(null).run({ strategy: "hybrid" })).answer);
  for (const [model, reason] of [
    [null, "not_configured"],
    [scriptedLanguageModel(() => Promise.reject(kennelError("overloaded"))), "overloaded"],
    [scriptedLanguageModel(() => Promise.reject(new Error("a driver's own words"))), "internal"],
    [scriptedLanguageModel(() => "\n...\n"), "unavailable"],
  ] as const) {
    for (const strategy of ["multi_query", "hyde"] as const) {
      const { answer, isKeepable } = await startRig(model).run({ strategy });
      assert.equal(hitsOf(answer), hybrid);
      assert.equal([answer.rest.mode, answer.rest.degradations, isKeepable], ["no_rewrite", [degradation(reason)], false]);
    }
  }
});

test("A model that hangs is given up within its share of the deadline, and its call is ended", async () => {
  const model = scriptedLanguageModel(() => new Promise(() => {}));
  const { clock, run } = startRig(model);
  const running = run();
  await clock.advance(400);
  const { answer } = await running;
  assert.equal(answer.rest.degradations, [degradation("deadline_exceeded")]);
  assert.is(model.signals[0]?.aborted, true);
});

test("A caller that leaves ends the model's call", async () => {
  const model = scriptedLanguageModel(() => new Promise(() => {}));
  const leaving = new AbortController();
  const { run } = startRig(model);
  const running = run({}, FULL, leaving.signal);
  leaving.abort(kennelError("cancelled"));
  const error = await running.catch((thrown: unknown) => thrown);
  assert.is((error as { code?: string }).code, "cancelled");
  assert.is(model.signals[0]?.aborted, true);
});

test("The model is not asked when the mode rules it out, nor when what it usually takes does not fit", async () => {
  const suspended = writer();
  const away: ModeView = { ...FULL, mode: "no_rewrite", degradations: [{ ...degradation("unavailable"), breaker: "open" }] };
  const { answer } = await startRig(suspended).run({}, away);
  assert.equal(answer.rest.degradations, away.degradations);
  const slow = writer();
  const rig = startRig(slow);
  for (let count = 0; count < 16; count++) rig.parts.times.note("rewrite", 5_000);
  const late = await rig.run();
  assert.equal([late.answer.rest.mode, late.answer.rest.degradations], ["full", [degradation("skipped_for_deadline")]]);
  assert.equal([suspended.requests.length, slow.requests.length], [0, 0]);
});

test("A leg that throws, fails or returns nonsense is a degradation, not a failure", async () => {
  const nonsense = ["", "a#0", "a#0", "b#0"].map((id, at) => ({ id, documentId: "a", parentId: null, score: at === 3 ? Number.NaN : 1 }));
  for (const fault of [{ kind: "throw" }, { kind: "fail", code: "unavailable" }] as const) {
    const { store, run } = startRig(writer());
    store.set("searchVector", fault);
    const { answer } = await run();
    assert.equal([...idsOf(answer)].sort(), ["a#0", "b#0", "c#0"]);
    assert.equal(
      answer.rest.degradations.map(({ stage }) => stage),
      ["vector"],
    );
    for (const { score } of hitsOf(answer)) assert.ok(score >= 0 && score <= 1);
  }
  const { store, run } = startRig(writer());
  store.set("searchText", { kind: "answer", candidates: nonsense });
  assert.ok(idsOf((await run()).answer).includes("a#0"));
});

test("A leg that hangs is given up once the others have answered", async () => {
  const { clock, store, run } = startRig(writer());
  store.set("searchVector", { kind: "hang" });
  const running = run();
  await clock.advance(1_000);
  const { answer } = await running;
  assert.equal([...idsOf(answer)].sort(), ["a#0", "b#0", "c#0"]);
  assert.equal(
    answer.rest.degradations.map(({ stage, reason }) => [stage, reason]),
    [["vector", "deadline_exceeded"]],
  );
});

test("Vectors of another length, not finite or too few cost their legs and no answer", async () => {
  const own = new FaultyModel();
  for (const nonsense of [Float32Array.of(1, 0), Float32Array.of(Number.NaN, 0, 0, 0), undefined]) {
    const rig = startRig(writer(), "memory");
    rig.model.embed = async (texts: readonly string[]) => {
      const right = await own.embed(texts);
      return nonsense === undefined ? right.slice(0, 1) : right.map((vector, at) => (at === 0 ? vector : nonsense));
    };
    const { answer } = await rig.run();
    assert.is(idsOf(answer)[0], "a#0");
    for (const { score } of hitsOf(answer)) assert.ok(score >= 0 && score <= 1);
    assert.equal(
      answer.rest.degradations.map(({ stage }) => stage),
      nonsense === undefined ? [] : ["vector"],
    );
  }
});

test("Vectors that cannot be had leave the words of all questions", async () => {
  const { model, run, parts } = startRig(writer());
  model.fault = "fail";
  for (let times = 0; times < 5; times++) await run();
  assert.is(parts.times.p95("embed"), null, "how soon it fails says nothing about how long it takes");
  const { answer } = await run();
  assert.equal([...idsOf(answer)].sort(), ["a#0", "b#0", "c#0"]);
  assert.equal(
    answer.rest.degradations.map(({ stage, reason }) => [stage, reason]),
    [["embed", "unavailable"]],
  );
});

const LEXICAL: ModeView = { ...FULL, mode: "lexical", canEmbed: false, canSearchVectors: false };

test("Without a branch the other one's questions have its weight, so that scores and thresholds mean what they did", async () => {
  const { run } = startRig(writer());
  const { answer } = await run({ scoreThreshold: 0.4 }, LEXICAL);
  const [first] = hitsOf(answer);
  assert.equal([first?.id, first?.score_type], ["a#0", "weighted"]);
  const whole = await run({}, LEXICAL);
  const weights = hitsOf(whole.answer).map(({ score }) => score);
  assert.ok(Math.abs(weights.reduce((sum, score) => sum + score, 0) - 1) < 1e-5, "each was found by one question alone");
});

test("A hypothetical passage that no branch would search is not written, and nothing is learned of it", async () => {
  const model = writer();
  const { run, parts } = startRig(model);
  for (let times = 0; times < 5; times++) await run({ strategy: "hyde" }, LEXICAL);
  assert.is(model.requests.length, 0);
  assert.is(parts.times.chance("rewrite", 1), null);
});

test.run();
