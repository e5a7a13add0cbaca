import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decideMode, degradationsOf, type FailedService } from "../../../actors/coordinator/mode.ts";
import { ROLES, type Role } from "../../../actors/coordinator/modes.ts";

const open: FailedService = { service: "x", breaker: "open" };
const failed = (...roles: Role[]) => new Map(roles.map((role) => [role, open] as const));
const stored = { residency: "store", hasCachedAnswers: true } as const;
const resident = { residency: "resident", hasCachedAnswers: true } as const;

const TABLE = [
  [[], "full"],
  [["document_store"], "full"],
  [["language_model"], "no_rewrite"],
  [["reranker"], "no_rerank"],
  [["reranker", "language_model"], "no_rerank"],
  [["lexical_index"], "basic"],
  [["lexical_index", "reranker", "language_model"], "basic"],
  [["vector_store"], "lexical"],
  [["embedding"], "lexical"],
  [["embedding", "language_model"], "lexical"],
  [["vector_store", "lexical_index"], "stale"],
  [["vector_store", "lexical_index", "embedding"], "stale"],
  [["embedding", "lexical_index"], "down"],
] as const;

for (const [roles, mode] of TABLE) {
  test(`A collection in the store is ${mode} when ${roles.length === 0 ? "nothing" : roles.join(", ")} fails`, () => {
    assert.is(decideMode(failed(...roles), stored), mode);
  });
}

test("A store's outage without cached answers leaves nothing", () => {
  assert.is(decideMode(failed("vector_store", "lexical_index"), { residency: "store", hasCachedAnswers: false }), "down");
});

test("A resident collection does not notice its stores, but notices its model", () => {
  assert.is(decideMode(failed("vector_store", "lexical_index"), resident), "full");
  assert.equal(degradationsOf(failed("vector_store", "lexical_index", "document_store"), resident), []);
  assert.is(decideMode(failed("vector_store", "lexical_index", "embedding"), resident), "lexical");
});

test("Residence never makes a mode worse, and every failed service that matters stands in the degradations", () => {
  const order = ["full", "no_rewrite", "no_rerank", "basic", "lexical", "stale", "down"];
  fc.assert(
    fc.property(fc.subarray([...ROLES]), (roles) => {
      const failures = failed(...roles);
      assert.ok(order.indexOf(decideMode(failures, resident)) <= order.indexOf(decideMode(failures, stored)));
      assert.is(degradationsOf(failures, stored).length, roles.length);
    }),
  );
});

test.run();
