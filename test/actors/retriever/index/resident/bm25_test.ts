import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  countOfImpact,
  IMPACT_STEP,
  inverseDocumentFrequency,
  quantizedImpact,
} from "../../../../../actors/retriever/index/resident/bm25.ts";

const test = suite("bm25");
const length = fc.integer({ min: 1, max: 2_000 });
const average = fc.double({ min: 20, max: 400, noNaN: true });

test("quantizedImpact is BM25's term part within half a step, and never nothing", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), length, average, (count, length, average) => {
      const exact = (count * 2.2) / (count + 1.2 * (0.25 + (0.75 * length) / average));
      const quantized = quantizedImpact(count, length, average);
      assert.ok(quantized >= 1 && quantized <= 255);
      if (quantized > 1) assert.ok(Math.abs(quantized * IMPACT_STEP - exact) <= IMPACT_STEP / 2 + 1e-9);
    }),
  );
});

test("countOfImpact gives back the counts of ordinary texts exactly", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), average, fc.double({ min: 0.5, max: 8, noNaN: true }), (count, average, relative) => {
      const length = Math.max(count, Math.round(average * relative));
      assert.is(countOfImpact(quantizedImpact(count, length, average), length, average), count);
    }),
  );
});

test("countOfImpact gives a count of the same impact, so that merging again and again changes nothing", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 255 }), length, average, (count, length, average) => {
      const quantized = quantizedImpact(count, length, average);
      const again = quantizedImpact(countOfImpact(quantized, length, average), length, average);
      assert.ok(Math.abs(again - quantized) <= 1, `${again} of ${quantized}`);
    }),
  );
});

test("inverseDocumentFrequency falls with the chunks that have a term and stays above 0 when all have it", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 100_000 }), (chunks) => {
      assert.ok(inverseDocumentFrequency(chunks, 1) > inverseDocumentFrequency(chunks, 2));
      assert.ok(inverseDocumentFrequency(chunks, chunks) > 0);
    }),
  );
});

test.run();
