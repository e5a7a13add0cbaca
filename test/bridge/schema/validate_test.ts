import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseDocument } from "../../../bridge/schema/documents.ts";
import { parseSearch } from "../../../bridge/schema/search.ts";
import { describe, paramOf } from "../../../bridge/schema/validate.ts";
import { KennelError } from "../../../runtime/errors.ts";

const test = suite("Checks of requests");

test("A path is written as a program would write it", () => {
  assert.is(paramOf(["filters", "filters", 0, "key"]), "filters.filters[0].key");
  assert.is(paramOf([]), "");
  assert.is(paramOf([3, "a"]), "[3].a");
});

test("What was given is described shortly, however long it is", () => {
  fc.assert(fc.property(fc.anything(), (value) => describe(value).length < 500));
  assert.is(describe("x".repeat(1_000)), "a string of 1000 characters");
});

/** Anything JSON can carry, with fields that the schema knows more often than chance would have them. */
function bodies(fields: readonly string[]) {
  return fc.oneof(fc.jsonValue(), fc.dictionary(fc.oneof(fc.constantFrom(...fields), fc.string()), fc.jsonValue()));
}

function takesOrRefuses(check: () => unknown): void {
  try {
    check();
  } catch (thrown) {
    assert.ok(thrown instanceof KennelError, String(thrown));
    assert.is(thrown.code, "invalid_request");
    assert.ok(thrown.message.length < 1_000, thrown.message);
  }
}

test("Any body at all is taken or refused as invalid, never failed on", () => {
  const search = ["query", "vector", "top_k", "candidate_k", "filters", "fusion", "include", "explain", "__proto__"];
  fc.assert(
    fc.property(bodies(search), (body) => takesOrRefuses(() => parseSearch(body).toRequest("docs", { lang: "string" }, true))),
    { numRuns: 2_000 },
  );
  const document = ["id", "title", "text", "url", "attributes", "principals", "vector", "format", "__proto__"];
  fc.assert(
    fc.property(bodies(document), (body) => takesOrRefuses(() => parseDocument(body, 0))),
    { numRuns: 2_000 },
  );
});

test.run();
