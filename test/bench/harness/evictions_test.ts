import { suite } from "uvu";
import * as assert from "uvu/assert";
import { classify, livesOf } from "../../../bench/harness/evictions.ts";

const evictions = suite("bench evictions");

const event = (atMs: number, collection: string, what: string) => ({ atMs, path: `bench/retrievers/${collection}.v1`, event: what });
/** `one` is loaded from 100 to 130 and leaves from 500 to 540, `two` is there all the time. */
const LIVES = livesOf([
  event(100, "one", "started"),
  event(130, "one", "ready"),
  { atMs: 200, path: "bench/vector_store", event: "suspended" },
  event(500, "one", "draining"),
  event(540, "one", "stopped"),
]);
const asked = (collection: string, atMs: number, durationMs: number) => ({ collection, atMs, durationMs });

evictions("Loads and evictions are read from the supervisor's events", () => {
  assert.equal(LIVES.loads, [{ collection: "one", atMs: 100, durationMs: 30 }]);
  assert.equal(LIVES.evictions, [{ collection: "one", atMs: 500, durationMs: 40 }]);
});

evictions("A search is a hit, a reload, or one that has met its collection leaving, by when it was sent", () => {
  const { hits, reloads, ownEviction } = classify(
    [
      asked("one", 99, 32),
      asked("one", 110, 25),
      asked("one", 200, 1),
      asked("one", 499, 60),
      asked("one", 510, 50),
      asked("one", 600, 40),
      asked("two", 600, 2),
    ],
    LIVES,
  );
  assert.equal(hits, [1, 2]);
  assert.equal(reloads, [32, 25, 40]);
  assert.equal(ownEviction, [60, 50]);
});

evictions("A hit beside another collection's eviction is told from one without, and one that ended within it is counted", () => {
  const { beside, without, withinAnEviction } = classify([asked("two", 400, 1), asked("two", 510, 2), asked("two", 539, 3)], LIVES);
  assert.equal(without, [1]);
  assert.equal(beside, [2, 3]);
  assert.is(withinAnEviction, 1);
});

evictions.run();
