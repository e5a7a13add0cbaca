import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SearchBodies } from "../../../bridge/http/search_bodies.ts";
import { KennelError } from "../../../runtime/errors.ts";

const test = suite("search bodies");
const bytes = (text: string) => new TextEncoder().encode(text);

test("The same body to the same collection is the same request; anything else is another one", () => {
  const bodies = new SearchBodies();
  const attributes = { lang: "string" } as const;
  const text = '{"query":"what is a kennel?"}';
  const first = bodies.read(bytes(text)).toRequest("docs", attributes, true);
  assert.is(bodies.read(bytes(text)).toRequest("docs", attributes, true), first);
  assert.equal([first.query, first.collection, first.useCache, first.topK], ["what is a kennel?", "docs", true, 10]);
  assert.is(bodies.read(bytes(text)).toRequest("other", attributes, true).collection, "other");
  assert.is(bodies.read(bytes(text)).toRequest("docs", attributes, false).useCache, false);
  assert.is(bodies.read(bytes('{"query":"what is a kennel?","top_k":3}')).toRequest("docs", attributes, true).topK, 3);
});

test("A filter that was accepted is refused again once the collection's attributes are others", () => {
  const bodies = new SearchBodies();
  const text = '{"query":"x","filters":{"type":"eq","key":"lang","value":"en"}}';
  bodies.read(bytes(text)).toRequest("docs", { lang: "string" }, true);
  assert.throws(
    () => bodies.read(bytes(text)).toRequest("docs", { lang: "number" }, true),
    (error: unknown) => error instanceof KennelError && error.code === "invalid_request",
  );
});

test("Bodies that differ only in bytes beyond ASCII are not taken for one another", () => {
  const bodies = new SearchBodies();
  const queries = ["é", "Ã©", "\u00c3\u00a9 ", "e"];
  for (let round = 0; round < 2; round++) {
    for (const query of queries) assert.is(bodies.read(bytes(JSON.stringify({ query }))).toRequest("docs", {}, true).query, query);
  }
});

test("What is wrong stays wrong however often it comes, and long bodies are read like short ones", () => {
  const bodies = new SearchBodies();
  const isInvalid = (error: unknown) => error instanceof KennelError && error.code === "invalid_request";
  for (const body of ["", "{", '{"query":""}', '{"query":"x","top_k":0}']) {
    for (let time = 0; time < 3; time++) assert.throws(() => bodies.read(bytes(body)), isInvalid);
  }
  for (let time = 0; time < 2; time++) assert.throws(() => bodies.read(Uint8Array.of(0x22, 0xff, 0x22)), isInvalid);
  const long = "word ".repeat(5_000);
  for (let time = 0; time < 2; time++) {
    assert.is(bodies.read(bytes(JSON.stringify({ query: long }))).toRequest("docs", {}, true).query, long);
  }
});

test.run();
