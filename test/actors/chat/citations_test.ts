import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Citation } from "../../../actors/chat/chat.ts";
import { CitationReader } from "../../../actors/chat/citations.ts";

const test = suite("citations of an answer");
const passage = (text: string) => ({ id: "pets#0", documentId: "pets", title: "Pets", url: "", text });
const PASSAGES = [passage("The Manx is a cat.\nIt has no tail, and “hunts mice”."), passage("Beagles hunt [hares].")];

function read(pieces: readonly string[]) {
  const reader = new CitationReader(PASSAGES);
  const written = [...pieces.flatMap((piece) => reader.read(piece)), ...reader.read("", true)];
  const text = written.map((event) => (event.kind === "text" ? event.text : "")).join("");
  const citations: Citation[] = [];
  for (const event of written) if (event.kind === "citation") citations.push(event.citation);
  return { text, citations, dropped: reader.dropped };
}

test("A quotation is found in its passage whatever its case and spacing, and its range is the passage's own", () => {
  const { text, citations } = read(['It lacks one [1: "IT has  no tail"]. Mice [1: "hunts mice"]! Hares [2: "hunt [hares]"]']);
  assert.is(text, "It lacks one [1]. Mice [1]! Hares [2]");
  const quoted = citations.map(({ passageStart, passageEnd }, at) => PASSAGES[at < 2 ? 0 : 1]?.text.slice(passageStart, passageEnd));
  assert.equal(quoted, ["It has no tail", "hunts mice", "hunt [hares]"]);
  assert.equal(
    citations.map(({ start, end }) => text.slice(start, end)),
    ["[1]", "[1]", "[2]"],
  );
});

test("A mark whose words or passage are not there is left out and counted", () => {
  const { text, citations, dropped } = read(['Dogs fly [1: "dogs fly"], and swim [9: "swim"][0] [2].']);
  assert.is(text, "Dogs fly , and swim  .");
  assert.equal([citations.length, dropped], [0, 4]);
});

test("A mark without words stands on those of the statement before it", () => {
  const { text, citations } = read(["Cats are nice. The Manx cat has no tail [1]."]);
  assert.is(text, "Cats are nice. The Manx cat has no tail [1].");
  assert.is(citations.length, 1);
});

test("Brackets that are no mark stay, and a mark that was never ended is text", () => {
  for (const text of ["a[i] and [note]", "[", '[1: "never ended', "[1", `[1: "${"x".repeat(700)}`]) assert.is(read([text]).text, text);
});

test("However an answer is cut into pieces, the same is read", () => {
  const whole = 'A [1: "no tail"] b [2: "nothing"] c [x] [1: "a cat"] [';
  const expected = read([whole]);
  fc.assert(
    fc.property(fc.array(fc.nat(whole.length), { maxLength: 12 }), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), whole.length];
      const pieces = places.slice(1).map((place, at) => whole.slice(places[at], place));
      assert.equal(read(pieces), expected);
    }),
  );
});

test.run();
