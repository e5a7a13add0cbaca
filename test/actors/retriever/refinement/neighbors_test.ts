import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readyPassage, readyText, textOf } from "../../../../actors/retriever/index/passage.ts";
import type { ReadyHit } from "../../../../actors/retriever/pipeline/answer.ts";
import { joined, mergeNeighbors } from "../../../../actors/retriever/refinement/neighbors.ts";
import { textRow } from "../faulty_store.ts";

const test = suite("neighbours");

function hitOf(documentId: string, ordinal: number, text: string, parent: { id: string; text: string } | null = null): ReadyHit {
  const passage = readyPassage(textRow(documentId, text, { id: `${documentId}#${ordinal}`, ordinal, parentId: parent?.id ?? null }));
  const hit = { score: 0.5, fused: 0.5, ranks: [1], raw: [0.5], parentId: parent?.id ?? null };
  return { hit, passage, parentText: parent === null ? null : readyText(parent.text) };
}

const shown = ({ passage, parentText }: ReadyHit) =>
  parentText === null ? textOf(passage) : textOf({ bytes: parentText, textAt: 0, attributesAt: parentText.length });

test("Chunks next to one another become one at the best one's place, in the document's order", () => {
  const hits = [hitOf("a", 4, "four"), hitOf("b", 4, "elsewhere"), hitOf("a", 3, "three"), hitOf("a", 6, "six"), hitOf("a", 5, "five")];
  assert.equal(mergeNeighbors(hits).map(shown), ["three\nfour\nfive\nsix", "elsewhere"]);
});

test("What two chunks have in common stands once", () => {
  assert.is(joined("one two three four five", "three four five six"), "one two three four five six");
  assert.is(joined("it ends in a", "a new one"), "it ends in a\na new one");
});

test("Parents are merged with parents, and not with chunks of the same number", () => {
  const hits = [
    hitOf("a", 7, "seven", { id: "a#p1", text: "the second" }),
    hitOf("a", 1, "one"),
    hitOf("a", 0, "zero", { id: "a#p0", text: "the first" }),
  ];
  assert.equal(mergeNeighbors(hits).map(shown), ["the first\nthe second", "one"]);
});

test("No more than 16 become one, and a name without a number has no neighbours", () => {
  const many = Array.from({ length: 20 }, (_, at) => hitOf("a", at, `part ${at}`));
  assert.is(mergeNeighbors(many).length, 2);
  const odd = [hitOf("a", 0, "x"), hitOf("a", 1, "y")].map((hit) => ({
    ...hit,
    passage: readyPassage(textRow("a", "odd", { id: "no number" })),
  }));
  assert.is(mergeNeighbors(odd).length, 2);
});

test.run();
