import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AnswerCache } from "../../../../actors/retriever/answers/answer_cache.ts";
import type { EncodedAnswer } from "../../../../actors/retriever/search.ts";
import { manualClock } from "../../../support/manual_clock.ts";

const test = suite("answer cache");

function answerOf(indexVersion: number, bytes = 10): EncodedAnswer {
  return {
    hits: new Uint8Array(bytes),
    rest: {
      mode: "full",
      degradations: [],
      timings_ms: {},
      cache: "miss",
      index_version: indexVersion,
      freshness: { index: "store", age_ms: 0 },
    },
  };
}

test("AnswerCache gives an answer for its own index version and for no other", () => {
  const cache = new AnswerCache(manualClock(), { maxBytes: 100_000, ttlMs: 1_000 });
  const answer = answerOf(3);
  cache.keep("q", "docs", answer);
  assert.is(cache.find("q", 3), answer);
  assert.is(cache.find("q", 4), null);
  assert.is(cache.find("q", 2), null);
  assert.is(cache.find("other", 3), null);
  assert.equal([cache.stats.hits, cache.stats.misses], [1, 3]);
});

test("AnswerCache does not let a late answer of an older index version displace a newer one", () => {
  const cache = new AnswerCache(manualClock(), { maxBytes: 100_000, ttlMs: 1_000 });
  const newer = answerOf(4);
  cache.keep("q", "docs", newer);
  cache.keep("q", "docs", answerOf(3));
  assert.is(cache.find("q", 4), newer);
});

test("AnswerCache gives a stale answer of whatever version with its age", async () => {
  const clock = manualClock();
  const cache = new AnswerCache(clock, { maxBytes: 100_000, ttlMs: 1_000 });
  cache.keep("q", "docs", answerOf(3));
  await clock.advance(400);
  assert.is(cache.findStale("q")?.ageMs, 400);
});

test("AnswerCache forgets an answer at the end of its life", async () => {
  const clock = manualClock();
  const cache = new AnswerCache(clock, { maxBytes: 100_000, ttlMs: 1_000 });
  cache.keep("q", "docs", answerOf(3));
  await clock.advance(999);
  assert.is.not(cache.find("q", 3), null);
  await clock.advance(1);
  assert.is(cache.find("q", 3), null);
  assert.is(cache.findStale("q"), null);
  assert.is(cache.stats.entries, 0);
});

test("AnswerCache stays within its bytes, least recently used out first, and keeps nothing larger than all of them", () => {
  const cache = new AnswerCache(manualClock(), { maxBytes: 10_000, ttlMs: 1_000 });
  for (let i = 0; i < 100; i++) {
    cache.keep(`q${i}`, "docs", answerOf(1, 1_000));
    cache.find("q0", 1);
    assert.ok(cache.stats.bytes <= 10_000);
  }
  assert.is.not(cache.find("q0", 1), null);
  assert.is(cache.find("q1", 1), null);
  cache.keep("huge", "docs", answerOf(1, 20_000));
  assert.is(cache.find("huge", 1), null);
});

test("AnswerCache drops the answers of one collection and leaves the others'", () => {
  const cache = new AnswerCache(manualClock(), { maxBytes: 100_000, ttlMs: 1_000 });
  cache.keep("a", "docs", answerOf(1));
  cache.keep("b", "notes", answerOf(1));
  cache.dropCollection("docs");
  assert.is(cache.findStale("a"), null);
  assert.is.not(cache.findStale("b"), null);
});

test("AnswerCache of no bytes keeps nothing", () => {
  const cache = new AnswerCache(manualClock(), { maxBytes: 0, ttlMs: 1_000 });
  cache.keep("q", "docs", answerOf(1));
  assert.is(cache.isOn, false);
  assert.is(cache.find("q", 1), null);
});

test.run();
