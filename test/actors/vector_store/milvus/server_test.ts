import { suite } from "uvu";
import * as assert from "uvu/assert";
import { aliasName, collectionName } from "../../../../actors/vector_store/milvus/collection.ts";
import { readCapabilities } from "../../../../actors/vector_store/milvus/connection.ts";
import { isMissing, isNotLoaded, succeeded, translateFailure } from "../../../../actors/vector_store/milvus/failures.ts";
import { KennelError } from "../../../../runtime/errors.ts";

const test = suite("what a Milvus says");

const refusal = (answer: object): unknown => {
  try {
    succeeded(answer);
  } catch (thrown) {
    return thrown;
  }
  return null;
};

test("Its version says whether it ranks texts; one that can't be read is an old one", () => {
  for (const version of ["v2.3.5-lite", "v2.3.5", "2.4.17", "milvus_lite-2.5.1", "", "master-20260101"]) {
    assert.is(readCapabilities(version).hasText, false, version);
  }
  for (const version of ["v2.5.0", "2.6.17", "v3.0.1", "milvus_lite-3.2.2"]) assert.is(readCapabilities(version).hasText, true, version);
});

test("An answer without a status is a failure, as a method that the server lacks gives one", () => {
  assert.is(refusal({ status: { error_code: "Success", code: 0 } }), null);
  assert.is(refusal({ error_code: "Success" }), null);
  for (const answer of [{}, { status: {} }, { status: undefined }, { error_code: "Success", code: 65_535 }, { code: 0 }]) {
    assert.ok(refusal(answer), JSON.stringify(answer));
  }
});

test("Refusals are told apart by their codes, and none shows Milvus' words", () => {
  const missing = refusal({ error_code: "UnexpectedError", code: 100, reason: "secret" });
  assert.ok(isMissing(missing) && isMissing(refusal({ error_code: "CollectionNotExists" })));
  assert.ok(isNotLoaded(refusal({ error_code: "UnexpectedError", code: 101, reason: "collection not loaded" })));
  const codes: readonly (readonly [unknown, string])[] = [
    [missing, "not_found"],
    [refusal({ error_code: "RateLimit", code: 8, reason: "secret" }), "overloaded"],
    [refusal({ error_code: "UnexpectedError", code: 65_535, reason: "secret: no space left on device" }), "storage_full"],
    [refusal({ error_code: "UnexpectedError", code: 65_535, reason: "secret" }), "unavailable"],
    [new Error("14 UNAVAILABLE: secret"), "unavailable"],
  ];
  for (const [thrown, code] of codes) {
    const error = translateFailure(thrown, "search", { collection: "docs", version: 1 });
    assert.instance(error, KennelError);
    assert.is(error.code, code);
    assert.not.match(error.message, "secret");
  }
});

test("No two indexes share a collection or an alias, and names stay within what Milvus takes", () => {
  const names = ["a-b", "a_b", "a_hb", "a-_b", "a_-b", "a__b", "A-b", "ab_v1", "ab-v1", "ab"];
  const taken = names.flatMap((collection) => [
    aliasName(collection),
    ...[1, 11].map((version) => collectionName({ collection, version })),
  ]);
  assert.is(new Set(taken).size, taken.length);
  for (const name of taken) assert.match(name, /^[A-Za-z_][A-Za-z0-9_]{0,254}$/);
  for (const collection of ["", "a.b", "a/b", "é", "x".repeat(65)]) assert.throws(() => aliasName(collection), /Cannot name an index/);
});

test.run();
