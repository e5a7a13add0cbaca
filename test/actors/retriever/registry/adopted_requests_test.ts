import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fitToAdopted } from "../../../../actors/retriever/registry/adopted_requests.ts";
import { DEFAULT_OPTIONS, type SearchRequest, type Strategy } from "../../../../actors/retriever/search.ts";
import type { Adoption } from "../../../../actors/vector_store/adoption.ts";
import type { KennelError } from "../../../../runtime/errors.ts";
import { adoptionOf } from "../../vector_store/adoptions.ts";
import { searchRequest } from "../search_requests.ts";

const test = suite("requests to an adopted collection");

const ADOPTION = adoptionOf({ dimensions: 768, textSearch: "sparse", lexical: "store" });

function asked(strategy: Strategy, vector: Float32Array | null = null): SearchRequest {
  return searchRequest({ collection: "news", query: "dogs", strategy, vector });
}

const becomes = (request: SearchRequest, changes: Partial<Adoption>) =>
  fitToAdopted(request, { ...ADOPTION, ...changes }, "static-minilm-256").strategy;

function refusedFor(param: string, request: SearchRequest, changes: Partial<Adoption>): void {
  try {
    becomes(request, changes);
    assert.unreachable("it was taken");
  } catch (thrown) {
    assert.equal([(thrown as KennelError).code, (thrown as KennelError).param], ["invalid_request", param]);
  }
}

test("With words and a model that fits, it is asked what was asked, and for the chunk where a parent was", () => {
  for (const strategy of ["vector", "bm25", "hybrid"] as const) assert.is(becomes(asked(strategy), {}), strategy);
  assert.is(becomes(asked("parent_document"), {}), "hybrid");
});

test("Without words hybrid is vector, and bm25 is refused", () => {
  assert.is(becomes(asked("hybrid"), { lexical: "none" }), "vector");
  assert.is(becomes(asked("parent_document"), { lexical: "none" }), "vector");
  refusedFor("strategy", asked("bm25"), { lexical: "none" });
});

test("Without a model that fits, words are searched by words, a vector by the vector, and no text by a vector", () => {
  assert.is(becomes(asked("hybrid"), { canEmbed: false }), "bm25");
  assert.is(becomes(asked("hybrid", new Float32Array(768)), { canEmbed: false }), "hybrid");
  refusedFor("vector", asked("vector"), { canEmbed: false });
  refusedFor("vector", asked("hybrid"), { canEmbed: false, lexical: "none" });
});

test("Strategies of several searches need words and a model, and no parents", () => {
  for (const strategy of ["multi_query", "hyde", "ensemble"] as const) {
    assert.is(becomes(asked(strategy), {}), strategy);
    refusedFor("strategy", asked(strategy), { lexical: "none" });
    refusedFor("strategy", asked(strategy), { canEmbed: false });
  }
  const ensemble = [{ strategy: "parent_document", weight: 1 }] as const;
  refusedFor("strategy", { ...asked("ensemble"), options: { ...DEFAULT_OPTIONS, ensemble } }, {});
});

test.run();
