import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TailWriter } from "../../../../actors/retriever/pipeline/hit_writer.ts";

const test = suite("hit writer");

const score = fc.oneof(
  fc.double({ min: -1, max: 1, noNaN: true }),
  fc.double({ min: 0, max: 1_000, noNaN: true }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1, 0.000_001, 0.000_000_4, -0.000_001, 0.1, 999_999_999.999_999, 1e9, 1e15, 1e21, 5e-324),
);

const rounded = (value: number) => Math.round(value * 1_000_000) / 1_000_000;

test("TailWriter writes the numbers as JSON.stringify does, rounded to six digits", () => {
  const number = fc.record({ score, fused: score, raw: fc.tuple(score, score), ranks: fc.tuple(fc.nat(10_000), fc.nat(10_000)) });
  fc.assert(
    fc.property(fc.array(number, { maxLength: 5 }), fc.boolean(), fc.boolean(), (hits, withRanks, withScores) => {
      const writer = new TailWriter(hits.length, "weighted", ["vector", "bm25"], { ranks: withRanks, scores: withScores });
      for (const hit of hits) writer.write(hit);
      const expected = hits.map((hit) => {
        const inLists = (["vector", "bm25"] as const).flatMap((branch, list) => ((hit.ranks[list] ?? 0) > 0 ? [{ branch, list }] : []));
        const whole = {
          score: rounded(hit.score),
          score_type: "weighted",
          ...(withRanks ? { ranks: Object.fromEntries(inLists.map(({ branch, list }) => [branch, hit.ranks[list]])) } : {}),
          ...(withScores
            ? {
                scores: {
                  ...Object.fromEntries(inLists.map(({ branch, list }) => [branch, rounded(hit.raw[list] ?? 0)])),
                  fused: rounded(hit.fused),
                },
              }
            : {}),
        };
        return `,${JSON.stringify(whole).slice(1)}`;
      });
      assert.is(new TextDecoder().decode(writer.bytes.subarray(0, writer.at)), expected.join(""));
    }),
    { numRuns: 1_000 },
  );
});

test.run();
