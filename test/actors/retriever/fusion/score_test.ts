import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { normalizedScore } from "../../../../actors/retriever/fusion/score.ts";
import type { ScoreType } from "../../../../actors/retriever/search.ts";

const test = suite("score");

test("normalizedScore maps each kind of score as the interface documents it", () => {
  assert.is(normalizedScore("weighted", 0.42), 0.42);
  assert.is(normalizedScore("rrf", 0.01, 0.02), 0.5);
  assert.is(normalizedScore("cosine", -1), 0);
  assert.is(normalizedScore("cosine", 0.5), 0.75);
  assert.is(normalizedScore("bm25", 10), 0.5);
  assert.is(normalizedScore("bm25", 0), 0);
});

test("normalizedScore stays in 0..1 and never turns two scores around", () => {
  const kinds: readonly ScoreType[] = ["weighted", "rrf", "cosine", "bm25"];
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.double({ min: -2, max: 100, noNaN: true }),
      fc.double({ min: -2, max: 100, noNaN: true }),
      (kind, a, b) => {
        const [low, high] = [normalizedScore(kind, Math.min(a, b), 3), normalizedScore(kind, Math.max(a, b), 3)];
        assert.ok(low >= 0 && high <= 1 && low <= high);
      },
    ),
  );
});

test.run();
