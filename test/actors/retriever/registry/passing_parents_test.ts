import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PassingParents } from "../../../../actors/retriever/registry/passing_parents.ts";

const test = suite("parents on their way");
const docs = { collection: "docs", version: 1 };
const family = (id: string, text: string) => ({ id, parents: [{ id: `${id}#p0`, text }] });

test("Parents that were noted are taken once, by build and document", () => {
  const parents = new PassingParents(10_000);
  parents.note(docs, [family("a", "all of a"), family("b", "all of b")]);
  parents.note({ ...docs, version: 2 }, [family("a", "another cut")]);
  assert.equal(
    [...(parents.take(docs, ["a", "b"]) ?? [])],
    [
      ["a#p0", "all of a"],
      ["b#p0", "all of b"],
    ],
  );
  assert.is(parents.take(docs, ["a"]), null, "the document store has to be asked");
  assert.equal([...(parents.take({ ...docs, version: 2 }, ["a"]) ?? [])], [["a#p0", "another cut"]]);
  assert.is(parents.bytes, 0);
});

test("One document that is not known is enough to have the document store asked for all", () => {
  const parents = new PassingParents(10_000);
  parents.note(docs, [family("a", "all of a")]);
  assert.is(parents.take(docs, ["a", "b"]), null);
  assert.equal([...(parents.take(docs, []) ?? [])], [], "a write without rows needs none");
});

test("What is noted again is the newest, and the oldest make room", () => {
  const parents = new PassingParents(2_000);
  parents.note(docs, [family("a", "x".repeat(300)), family("b", "x".repeat(300))]);
  parents.note(docs, [family("b", "y".repeat(300)), family("c", "x".repeat(300)), family("huge", "x".repeat(3_000))]);
  assert.ok(parents.bytes <= 2_000);
  assert.is(parents.take(docs, ["a"]), null);
  assert.is(parents.take(docs, ["huge"]), null);
  assert.is(parents.take(docs, ["b"])?.get("b#p0"), "y".repeat(300));
});

test.run();
