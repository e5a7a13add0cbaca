import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MAX_ROWS, treeMove, treeRows, treeSummary } from "../../../../bridge/http/page/browser/tree_rows.js";
import { child, quietTree, troubledTree } from "./recorded_answers.ts";

const test = suite("page tree");
const open = new Set<string>();
const paths = (closed: ReadonlySet<string> = open) => treeRows(quietTree, closed).rows.map((row) => row.node.path);

test("The tree is drawn parents first, each row with its level and place", () => {
  assert.equal(paths(), [
    "stores",
    "stores/documents",
    "stores/vectors",
    "embedding",
    "retrievers",
    "retrievers/docs",
    "retrievers/kennel",
    "janitor",
  ]);
  const row = treeRows(quietTree, open).rows[2];
  assert.equal([row?.name, row?.level, row?.position, row?.siblings, row?.parent, row?.isOpen], ["vectors", 2, 2, 2, "stores", null]);
});

test("A closed node hides what is below it and nothing else", () => {
  assert.equal(paths(new Set(["stores"])), ["stores", "embedding", "retrievers", "retrievers/docs", "retrievers/kennel", "janitor"]);
});

test("A node with more actors than rows says how many are not drawn", () => {
  const many = Array.from({ length: MAX_ROWS + 25 }, (_, index) => child(`retrievers/c${index}`, "retriever"));
  const { rows, hidden } = treeRows([child("retrievers", "supervisor", { children: many })], open);
  assert.is(rows.length, MAX_ROWS);
  assert.is(hidden, 26);
});

test("Arrow keys move through the rows that are drawn", () => {
  const { rows } = treeRows(quietTree, new Set(["retrievers"]));
  assert.equal(treeMove(rows, "embedding", "ArrowDown"), { kind: "focus", path: "retrievers" });
  assert.equal(treeMove(rows, "retrievers", "ArrowDown"), { kind: "focus", path: "janitor" });
  assert.equal(treeMove(rows, "embedding", "ArrowUp"), { kind: "focus", path: "stores/vectors" });
  assert.equal(treeMove(rows, "embedding", "Home"), { kind: "focus", path: "stores" });
  assert.equal(treeMove(rows, "embedding", "End"), { kind: "focus", path: "janitor" });
  assert.is(treeMove(rows, "janitor", "ArrowDown"), null);
  assert.is(treeMove(rows, "stores", "ArrowUp"), null);
});

test("Right opens and then enters a node, left closes it or leaves for its parent", () => {
  const { rows } = treeRows(quietTree, new Set(["retrievers"]));
  assert.equal(treeMove(rows, "retrievers", "ArrowRight"), { kind: "open", path: "retrievers" });
  assert.equal(treeMove(rows, "stores", "ArrowRight"), { kind: "focus", path: "stores/documents" });
  assert.is(treeMove(rows, "janitor", "ArrowRight"), null);
  assert.equal(treeMove(rows, "stores", "ArrowLeft"), { kind: "close", path: "stores" });
  assert.equal(treeMove(rows, "stores/vectors", "ArrowLeft"), { kind: "focus", path: "stores" });
  assert.is(treeMove(rows, "janitor", "ArrowLeft"), null);
});

test("A key without a meaning, or on a row that is gone, does nothing", () => {
  const { rows } = treeRows(quietTree, open);
  assert.is(treeMove(rows, "stores", "x"), null);
  assert.is(treeMove(rows, "gone", "ArrowDown"), null);
});

test("The summary counts every level and names who is in trouble", () => {
  const summary = treeSummary(troubledTree());
  assert.is(summary.actors, 9);
  assert.is(summary.ready, 4);
  assert.equal(
    summary.troubled.map(({ path }) => path),
    ["stores/vectors", "embedding", "retrievers/gone"],
  );
  assert.is(summary.restarts, 8);
});

test.run();
