import { suite } from "uvu";
import * as assert from "uvu/assert";
import { superviseVectorStore } from "../../actors/vector_store/supervised.ts";
import type { LexicalIndex, VectorStore } from "../../actors/vector_store/vector_store.ts";
import type { KennelError } from "../../runtime/errors.ts";
import { kennelError } from "../../runtime/errors.ts";
import { Bulkhead } from "../../supervisor/bulkhead.ts";
import { superviseService } from "../../supervisor/service.ts";
import { FaultyStore, textRow } from "../actors/retriever/faulty_store.ts";
import { startSupervisor, testLimits } from "../support/supervision.ts";

const test = suite("bulkhead");
const never = new AbortController().signal;
const OPTIONS = { limit: 10, needed: null, filter: null, notBeforeMs: null };
const PLACES = 8;

/** A store under supervision that takes eight calls at once, with or without a bulkhead before it. */
async function startStore(hasBulkhead = true) {
  const { supervisor, clock } = startSupervisor();
  const store = new FaultyStore([textRow("a", "cat")]);
  const service = superviseService<VectorStore & LexicalIndex>(supervisor, {
    name: "store",
    kind: "vector_store",
    limits: testLimits({ maxInFlight: PLACES, mailboxCapacity: 1_000, minCalls: 1_000, slowCallMs: 60_000 }),
    open: async () => store as unknown as VectorStore & LexicalIndex,
    close: async () => {},
    probe: async () => {},
  });
  await clock.flush();
  const bulkhead = new Bulkhead("vector_store", { places: PLACES, maxShare: 0.75, maxWaiting: 100, maxHoldMs: 30_000, clock });
  const timeouts = { searchMs: 30_000, writeMs: 30_000, optimizeMs: 30_000 };
  const shared = superviseVectorStore(service, timeouts, hasBulkhead ? bulkhead : null);
  const outcomes: string[] = [];
  const search = (collection: string, signal = never) =>
    shared.searchText({ collection, version: 1 }, "cat", OPTIONS, signal).then(
      (found) => void outcomes.push(`${collection} found ${found.length}`),
      ({ code }: KennelError) => void outcomes.push(`${collection} ${code}`),
    );
  return { clock, store, bulkhead, service, outcomes, search };
}

test("A collection whose calls hang leaves places to others, also when its callers have left", async () => {
  const { clock, store, bulkhead, outcomes, search } = await startStore();
  store.set("searchText", { kind: "hang" }, "sick");
  const callers = new AbortController();
  for (let call = 0; call < 40; call++) void search("sick", callers.signal);
  await clock.flush();
  assert.equal([bulkhead.status.taken, bulkhead.status.waiting], [6, 34]);
  callers.abort(kennelError("deadline_exceeded"));
  await clock.flush();
  assert.equal([bulkhead.status.taken, bulkhead.status.waiting], [6, 0], "the store works on what nobody waits for any more");
  for (let call = 0; call < 40; call++) void search("sick", AbortSignal.any([callers.signal]));
  outcomes.length = 0;
  for (let call = 0; call < 5; call++) {
    void search("well");
    await clock.flush();
  }
  assert.equal(outcomes.filter((outcome) => outcome.startsWith("well")), new Array(5).fill("well found 1")); // biome-ignore format: one line
  await clock.advance(30_000);
  assert.is(bulkhead.status.taken, 0, "a place is not lost for ever");
});

test("Without one, a collection whose calls hang takes all that the store can do", async () => {
  const { clock, store, outcomes, search } = await startStore(false);
  store.set("searchText", { kind: "hang" }, "sick");
  for (let call = 0; call < 40; call++) void search("sick");
  void search("well");
  await clock.flush();
  assert.equal(outcomes, []);
});

test("A service that refuses gives the places back at once", async () => {
  const { clock, bulkhead, service, outcomes, search } = await startStore();
  const stopped = service.stop("the end");
  await clock.advance(1_000);
  await stopped;
  for (let call = 0; call < 20; call++) void search("docs");
  await clock.flush();
  assert.equal([outcomes.length, new Set(outcomes).size, bulkhead.status.taken], [20, 1, 0]);
});

test.run();
