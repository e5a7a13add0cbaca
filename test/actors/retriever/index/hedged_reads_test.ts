import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hedgedParents, hedgedSearches } from "../../../../actors/retriever/index/hedged_reads.ts";
import { HedgeBudget } from "../../../../runtime/hedge.ts";
import { manualClock } from "../../../support/manual_clock.ts";
import { FaultyStore, textRow } from "../faulty_store.ts";

const test = suite("hedged reads");
const never = new AbortController().signal;
const index = { collection: "docs", version: 1 };
const OPTIONS = { limit: 10, needed: null, filter: null, notBeforeMs: null };

test("A search of which the first attempt hangs is answered by the second; each kind of read learns for itself", async () => {
  const clock = manualClock();
  const budget = new HedgeBudget(0.05);
  const inner = new FaultyStore([textRow("a", "cat")]);
  const store = hedgedSearches(inner, { clock, budget, minDelayMs: 10, halfLifeMs: 15_000 });
  for (let call = 0; call < 40; call++) await store.searchText(index, "cat", OPTIONS, never);
  inner.set("searchText", { kind: "hang" });
  const answer = store.searchText(index, "cat", OPTIONS, never);
  await clock.advance(9);
  inner.set("searchText", null);
  assert.is(inner.count("searchText"), 41);
  await clock.advance(1);
  assert.is((await answer).length, 1);
  assert.is(inner.count("searchText"), 42);
  assert.is(inner.calls.at(-2)?.signal.aborted, true, "the loser is cancelled");
  assert.equal(budget.stats, { calls: 41, hedged: 1, won: 1, refused: 0 });
  inner.set("fetchChunks", { kind: "hang" });
  const caller = new AbortController();
  const unknown = store.fetchChunks(index, ["a#0"], caller.signal).catch(() => "given up");
  await clock.advance(60_000);
  caller.abort();
  assert.is(await unknown, "given up");
  assert.is(inner.count("fetchChunks"), 1, "nothing is known of such reads");
});

test("Parents are read the same way", async () => {
  const clock = manualClock();
  const budget = new HedgeBudget(0.05);
  let calls = 0;
  let hangs = false;
  const documents = {
    getParents: async () => {
      calls++;
      return hangs ? new Promise<never>(() => {}) : [];
    },
  };
  const hedged = hedgedParents(documents, { clock, budget, minDelayMs: 10, halfLifeMs: 15_000 });
  for (let call = 0; call < 40; call++) await hedged.getParents("docs", 1, ["p"], never);
  hangs = true;
  const answer = hedged.getParents("docs", 1, ["p"], never);
  await clock.flush();
  hangs = false;
  await clock.advance(10);
  assert.equal(await answer, []);
  assert.is(calls, 42);
});

test.run();
