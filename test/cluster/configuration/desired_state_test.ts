import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type DesiredCollection,
  encodeAlias,
  encodeCollection,
  isLevel,
  parseAlias,
  parseCollection,
} from "../../../cluster/configuration/desired_state.ts";
import { worstMode } from "../../../cluster/configuration/mode_of_all.ts";

const test = suite("desired state");

const docs: DesiredCollection = { node: "a", createdAtMs: 5, version: 2, indexVersion: 9, replicas: 3, settingsDigest: "abc" };

test("Entries are read as they were written", () => {
  assert.equal(parseCollection(encodeCollection(docs)), docs);
  for (const version of [null, 4]) {
    const alias = { node: "a", collection: "docs", version };
    assert.equal(parseAlias(encodeAlias(alias)), alias);
  }
});

test("Entries of an older and of a later version of the wire are read", () => {
  const older = parseCollection('{"v":1,"node":"a","created_at_ms":5,"version":2}');
  assert.equal(older, { node: "a", createdAtMs: 5, version: 2, indexVersion: 0, replicas: 1, settingsDigest: "" });
  assert.equal(parseCollection(JSON.stringify({ ...JSON.parse(encodeCollection(docs)), v: 2, quota: 7 })), docs);
});

test("The store is read where what was told differs, not where it was overtaken or does not say", () => {
  assert.is(isLevel(docs, docs), true);
  assert.is(isLevel(docs, { ...docs, node: "b", indexVersion: 8 }), true, "overtaken");
  assert.is(isLevel(docs, { ...docs, settingsDigest: "" }), true, "not said");
  assert.is(isLevel(null, docs), false);
  for (const change of [{ createdAtMs: 6 }, { version: 1 }, { indexVersion: 10 }, { replicas: 1 }, { settingsDigest: "abd" }])
    assert.is(isLevel(docs, { ...docs, ...change }), false, JSON.stringify(change));
});

test("What is malformed or too large is null", () => {
  for (const text of ["", "{", "{}", '{"v":1,"node":"../x","created_at_ms":1,"version":1}', `{"v":1,"x":"${"y".repeat(5_000)}"}`]) {
    assert.is(parseCollection(text), null);
    assert.is(parseAlias(text), null);
  }
});

test("The mode of all is the worst that any node has told of; one that this version does not know says nothing", () => {
  assert.is(worstMode([]), "");
  assert.is(worstMode(["", "of_a_later_version"]), "");
  assert.is(worstMode(["full", "lexical", "no_rerank", ""]), "lexical");
  assert.is(worstMode(["full", "full"]), "full");
});

test.run();
