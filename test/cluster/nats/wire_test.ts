import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeChange, encodeControl, parseChange, parseControl } from "../../../cluster/nats/wire.ts";

const test = suite("cluster on the wire");

test("What a leader tells is read as it was written, also with more than is known", () => {
  const control = { epoch: 7, sequence: 2, exceptions: new Map([["docs", ["a", "b"]]]), replicas: new Map([["docs", 3]]), mode: "lexical" };
  const read = parseControl(encodeControl(control));
  assert.equal([...(read?.exceptions ?? [])], [["docs", ["a", "b"]]]);
  assert.equal([...(read?.replicas ?? [])], [["docs", 3]]);
  const later = JSON.stringify({ ...JSON.parse(encodeControl(control)), flags: { x: 1 } });
  assert.is(parseControl(later)?.epoch, 7);
});

test("A change is read as it was written", () => {
  for (const isAlias of [false, true]) {
    const change = { node: "a", collection: "docs", stores: "shared", isAlias };
    assert.equal(parseChange(encodeChange(change)), change);
  }
  const before = JSON.stringify({ node: "a", collection: "docs", stores: "shared" });
  assert.is(parseChange(before)?.isAlias, false, "as the version before writes it");
});

test("What is malformed or too large is null and throws nothing", () => {
  const wrong = [
    "",
    "{",
    "[]",
    '{"epoch":1}',
    '{"epoch":-1,"sequence":1,"exceptions":{}}',
    '{"node":"a","collection":"../x"}',
    "9".repeat(600_000),
  ];
  for (const text of wrong) assert.equal([parseControl(text), parseChange(text)], [null, null], text.slice(0, 40));
  const empty = '{"epoch":1,"sequence":1,"exceptions":{"docs":[]}}';
  assert.is(parseControl(empty), null);
  fc.assert(fc.property(fc.json(), (text) => void [parseControl(text), parseChange(text)]));
});

test.run();
