import { test } from "uvu";
import * as assert from "uvu/assert";
import { PARTS, staleDocuments, withPart } from "../../tooling/generated_docs.ts";

const part = { file: "X.md", name: "table", render: () => "new\n" };

test("A generated part replaces what stood between its marks and nothing else", () => {
  assert.is(
    withPart("a\n<!-- begin table -->\nold\n<!-- end table -->\nb\n", part),
    "a\n<!-- begin table -->\nnew\n<!-- end table -->\nb\n",
  );
});

test("A file without a place for a generated part is an error that shows the marks", () => {
  assert.throws(() => withPart("a", part), /X\.md has no place for "table": <!-- begin table -->/);
});

test("The documentation in the repository is what the code makes", () => {
  assert.ok(PARTS.length >= 3);
  assert.equal(staleDocuments(), []);
});

test.run();
