import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { FusionSettings } from "../../../../actors/document_store/collection_record.ts";
import { planSearch } from "../../../../actors/retriever/pipeline/plan.ts";
import { DEFAULT_OPTIONS, ENSEMBLE_PARTS, type SearchRequest, STRATEGIES } from "../../../../actors/retriever/search.ts";
import { legsOf, NOTHING_WRITTEN, type Rewriting } from "../../../../actors/retriever/strategies/legs.ts";
import { FULL, searchRequest } from "../search_requests.ts";

const test = suite("legs");
const WEIGHTED: FusionSettings = { type: "weighted", alpha: 0.3 };
const known = { ok: true, vector: Float32Array.of(1, 0, 0, 0) } as const;
const WRITTEN: Rewriting = { subQueries: ["dog", "bird"], vectors: [known, known, known], hypothetical: known };

function legs(over: Partial<SearchRequest>, written = NOTHING_WRITTEN, mode = FULL): Record<string, number> {
  const request = searchRequest(over);
  const made = legsOf(request, planSearch(request, WEIGHTED, mode), written);
  return Object.fromEntries(made.map(({ name, weight }) => [name, Math.round(weight * 1e6) / 1e6]));
}

test("Each strategy searches what it is made of, with weights that tell what counts", () => {
  assert.equal(legs({ strategy: "vector" }), { vector: 1 });
  assert.equal(legs({ strategy: "bm25" }), { bm25: 1 });
  assert.equal(legs({ strategy: "hybrid" }), { vector: 0.3, bm25: 0.7 });
  assert.equal(legs({ strategy: "hyde" }, WRITTEN), { hyde: 0.3, bm25: 0.7 });
  assert.equal(legs({ strategy: "multi_query" }, WRITTEN), {
    vector: 0.15,
    bm25: 0.35,
    vector_1: 0.075,
    bm25_1: 0.175,
    vector_2: 0.075,
    bm25_2: 0.175,
  });
});

test("Where nothing was written the question alone is searched, as hybrid searches it", () => {
  for (const strategy of ["hyde", "multi_query"] as const) assert.equal(legs({ strategy }), { vector: 0.3, bm25: 0.7 });
});

test("What several parts of an ensemble search is one leg that has the shares of all", () => {
  const options = {
    ...DEFAULT_OPTIONS,
    ensemble: [
      { strategy: "hybrid", weight: 6 },
      { strategy: "bm25", weight: 3 },
      { strategy: "hyde", weight: 1 },
    ],
  } as const;
  assert.equal(legs({ strategy: "ensemble", options }, WRITTEN), { vector: 0.18, hyde: 0.03, bm25: 0.79 });
});

test("A branch that the mode rules out is no leg, whatever wanted it", () => {
  const lexical = { ...FULL, canEmbed: false, canSearchVectors: false };
  assert.equal(Object.keys(legs({ strategy: "multi_query" }, WRITTEN, lexical)), ["bm25", "bm25_1", "bm25_2"]);
  assert.equal(Object.keys(legs({ strategy: "hyde" }, WRITTEN, lexical)), ["bm25"]);
});

test("Weights of a weighted fusion add up to 1, and no leg stands twice", () => {
  const ensemble = fc.uniqueArray(
    fc.record({ strategy: fc.constantFrom(...ENSEMBLE_PARTS), weight: fc.double({ min: 0.01, max: 1_000, noNaN: true }) }),
    {
      selector: ({ strategy }) => strategy,
      minLength: 1,
    },
  );
  fc.assert(
    fc.property(fc.constantFrom(...STRATEGIES), ensemble, fc.double({ min: 0, max: 1, noNaN: true }), (strategy, parts, alpha) => {
      const options = { ...DEFAULT_OPTIONS, ensemble: strategy === "ensemble" ? parts : [] };
      const request = searchRequest({ strategy, options });
      const made = legsOf(request, planSearch(request, { type: "weighted", alpha }, FULL), WRITTEN);
      assert.is(new Set(made.map(({ name }) => name)).size, made.length);
      assert.ok(Math.abs(made.reduce((sum, { weight }) => sum + weight, 0) - 1) < 1e-9);
    }),
  );
});

test.run();
