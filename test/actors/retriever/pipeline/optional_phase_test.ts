import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ByteCache } from "../../../../actors/retriever/index/byte_cache.ts";
import { StoreIndex } from "../../../../actors/retriever/index/store_index.ts";
import { Deadline } from "../../../../actors/retriever/pipeline/deadline.ts";
import { explainPlanner, type OptionalPhase, runOptional } from "../../../../actors/retriever/pipeline/optional_phase.ts";
import { phaseTimes } from "../../../../actors/retriever/pipeline/phase_times.ts";
import { planSearch } from "../../../../actors/retriever/pipeline/plan.ts";
import { SearchContext, type ShownParent } from "../../../../actors/retriever/pipeline/search_context.ts";
import type { SearchRequest } from "../../../../actors/retriever/search.ts";
import { kennelError } from "../../../../runtime/errors.ts";
import { manualClock } from "../../../support/manual_clock.ts";
import { FaultyModel, FaultyStore } from "../faulty_store.ts";
import { countingMetrics, FULL, PATIENT, searchRequest } from "../search_requests.ts";

const test = suite("optional phases");
const REWRITE: OptionalPhase = { name: "rewrite", role: "language_model", share: 0.5 };
const RERANK: OptionalPhase = { name: "rerank", role: "reranker", share: 0.7 };
const PARENTS: OptionalPhase = { name: "parents", role: "document_store", share: 0.5 };
const hang = () => new Promise<never>(() => {});

/** Queries of one collection over what it has learned. */
function startQueries() {
  const clock = manualClock();
  const store = new FaultyStore();
  const parts = {
    clock,
    model: new FaultyModel(),
    metrics: countingMetrics(),
    reranker: null,
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
  const name = { collection: "docs", version: 1 };
  const index = new StoreIndex({ name, store, lexical: store, dimensions: 4, indexVersion: 1, maxPassageBytes: 0 });
  const query = (timeoutMs: number, over: Partial<SearchRequest> = {}, isShedding = false) => {
    const request = searchRequest(over);
    const plan = planSearch(request, { type: "weighted", alpha: 0.3 }, FULL);
    const receivedMs = clock.monotonicMs();
    const search = { request, plan, mode: FULL.mode, notBeforeMs: null, receivedMs, isEmpty: false, isShedding, visible: null };
    return new SearchContext(parts, index, search, new Deadline(clock, receivedMs + timeoutMs), new AbortController().signal);
  };
  const learn = (phase: string, durationMs: number) => {
    for (let count = 0; count < 20; count++) parts.times.note(phase, durationMs);
  };
  return { clock, parts, query, learn };
}

const reasons = ({ failures }: SearchContext) => failures.map(({ stage, reason }) => [stage, reason]);

test("A phase of which nothing is known runs, in its share of the time", async () => {
  const { clock, query } = startQueries();
  assert.is(await runOptional(query(1_000), RERANK, () => 7), 7);
  const context = query(1_000);
  const running = runOptional(context, RERANK, hang);
  await clock.advance(699);
  assert.equal(reasons(context), []);
  await clock.advance(1);
  assert.is(await running, null);
  assert.equal(reasons(context), [["rerank", "deadline_exceeded"]]);
  assert.is(context.timings.rerank, 700);
});

test("A phase gives way to what must follow and to optional phases of greater worth, as they were learned", async () => {
  const { clock, query, learn } = startQueries();
  learn("embed", 100);
  learn("vector", 200);
  learn("bm25", 50); // beside the vectors
  learn("rerank", 300);
  const plain = query(1_000);
  void runOptional(plain, { ...REWRITE, share: 1 }, hang);
  await clock.advance(680);
  assert.equal(reasons(plain), []);
  await clock.advance(40);
  assert.equal(reasons(plain), [["rewrite", "deadline_exceeded"]], "1,000 less 100 and 200, each to 5 %");
  const reranked = query(1_000, { rerank: true });
  void runOptional(reranked, { ...REWRITE, share: 1 }, hang);
  await clock.advance(440);
  assert.equal(reasons(reranked), [["rewrite", "deadline_exceeded"]], "300 less again");
});

test("They are left out in the order rewriting, ranking anew, parents as the time gets shorter", async () => {
  const { query, learn } = startQueries();
  for (const phase of ["rewrite", "rerank", "parents"]) learn(phase, 100);
  const leftOut = async (timeoutMs: number) => {
    const context = query(timeoutMs, { rerank: true, strategy: "parent_document" });
    for (const phase of [REWRITE, RERANK, PARENTS]) await runOptional(context, { ...phase, share: 1 }, () => 1);
    return context.failures.map(({ stage, reason }) => `${stage} ${reason}`);
  };
  assert.equal(await leftOut(1_000), []);
  assert.equal(await leftOut(250), ["rewrite skipped_for_deadline"]);
  assert.equal(await leftOut(150), ["rewrite skipped_for_deadline", "rerank skipped_for_deadline"]);
  assert.equal(
    await leftOut(50),
    ["rewrite", "rerank", "parents"].map((stage) => `${stage} skipped_for_deadline`),
  );
});

test("A phase that has become slow is left out, tried by one query a second, and runs again once it is quick", async () => {
  const { clock, query } = startQueries();
  let isSlow = true;
  const work = () => (isSlow ? hang() : 1);
  const ask = async () => {
    const context = query(300);
    const running = runOptional(context, RERANK, work);
    await clock.advance(210);
    await running;
    return reasons(context)[0]?.[1] ?? "ran";
  };
  const untilIt = async (outcome: string) => {
    for (let asked = 1; asked <= 10; asked++) if ((await ask()) === outcome) return asked;
    throw new Error(`It was never ${outcome}`);
  };
  assert.is(await ask(), "deadline_exceeded");
  await untilIt("skipped_for_deadline");
  assert.is(await untilIt("deadline_exceeded"), 5, "one tries a second after the last run; each takes 210 ms of the clock");
  assert.is(await ask(), "skipped_for_deadline");
  isSlow = false;
  let runs = 0;
  for (let count = 0; count < 400; count++) if ((await ask()) === "ran") runs++;
  assert.ok(runs > 200, `${runs} of 400 have run`);
  assert.is(await ask(), "ran");
});

test("What a service refuses at once teaches nothing of how long its work takes", async () => {
  const { parts, query } = startQueries();
  for (let count = 0; count < 20; count++) await runOptional(query(1_000), RERANK, () => Promise.reject(kennelError("unavailable")));
  assert.is(parts.times.p95("rerank"), null);
});

test("A collection that misses its deadlines leaves out what its answers can do without", async () => {
  const { query } = startQueries();
  const context = query(1_000, {}, true);
  assert.is(await runOptional(context, RERANK, () => 1), null);
  assert.equal(reasons(context), [["rerank", "shed"]]);
});

test("An explanation shows what was learned and what became of each optional phase", async () => {
  const { query, learn } = startQueries();
  learn("rerank", 100);
  const context = query(1_000, { explain: true });
  explainPlanner(context);
  await runOptional(context, RERANK, () => 1);
  await runOptional(context, REWRITE, () => Promise.reject(kennelError("overloaded")));
  const { remaining_ms, learned, optional } = context.explain.planner as {
    remaining_ms: number;
    learned: Record<string, { p50_ms: number; p95_ms: number }>;
    optional: Record<string, unknown>;
  };
  assert.is(remaining_ms, 1_000);
  assert.ok(Math.abs((learned.rerank?.p95_ms ?? 0) - 100) <= 5.1);
  assert.equal(optional, {
    rerank: { limit_ms: 700, chance: 1, outcome: "ran" },
    rewrite: { limit_ms: 500, chance: null, outcome: "overloaded" },
  });
});

test.run();
