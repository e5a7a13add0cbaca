import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  encodeWord,
  NOTHING_SAID,
  newerWord,
  nextEpoch,
  type OperatorWord,
  parseWord,
} from "../../../cluster/configuration/operator_word.ts";

const test = suite("operators' word");

const reason = fc.string({ maxLength: 100 });
const said = fc.record({ enabled: fc.boolean(), reason, atMs: fc.nat(), node: fc.constantFrom("a", "b") }).map((flag) => ({ ...flag }));
const words: fc.Arbitrary<OperatorWord> = fc.record({
  epoch: fc.integer({ min: 1, max: 2 ** 50 }),
  node: fc.constantFrom("a", "b", "c"),
  mode: fc.constantFrom(null, "lexical", "of_a_later_version"),
  flags: fc.dictionary(fc.constantFrom("hedging", "rerank", "of_a_later_version"), said).map((flags) => new Map(Object.entries(flags))),
  others: fc.constantFrom({}, { v: 2, added_later: [1] }),
});

test("A word is read as it was written, with what a later version has put into it", () => {
  fc.assert(fc.property(words, (word) => assert.equal(parseWord(encodeWord(word)), { ...word })));
});

test("A word of the version before is heard, and what this version says anew keeps what a later one has said", () => {
  const before = parseWord('{"v":1,"epoch":5,"node":"old","mode":"lexical"}');
  assert.equal([before?.mode, before?.flags.size], ["lexical", 0]);
  const later = parseWord(
    '{"v":3,"epoch":6,"node":"new","mode":null,"flags":{"quantum":{"enabled":false,"sure":true}},"quota":{"docs":5}}',
  );
  const again = JSON.parse(encodeWord({ ...(later as OperatorWord), epoch: 7, mode: "basic" }));
  assert.equal([again.v, again.epoch, again.quota, again.flags.quantum.enabled], [3, 7, { docs: 5 }, false]);
});

test("Of any words in any order all nodes end with the same one, and none goes back to an older epoch", () => {
  fc.assert(
    fc.property(fc.array(words, { maxLength: 8 }), (told) => {
      let known = NOTHING_SAID;
      for (const word of told) {
        const next = newerWord(known, word);
        assert.ok(next.epoch >= known.epoch);
        known = next;
      }
      const backwards = [...told].reverse().reduce(newerWord, NOTHING_SAID);
      assert.equal([backwards.epoch, backwards.node], [known.epoch, known.node]);
    }),
  );
});

test("An epoch is above all that are known, whatever the clock does", () => {
  const now = 1_800_000_000_000;
  assert.is(nextEpoch(now), now);
  assert.is(nextEpoch(now - 86_400_000, now), now + 1, "a clock that jumped back");
  const far = nextEpoch(now * 10, now);
  assert.is(nextEpoch(now, far), far + 1, "others count on from a clock that jumped ahead");
  assert.is(nextEpoch(-5), 1);
});

test("What is malformed, without an epoch or too large is null and throws nothing", () => {
  const wrong = ["", "null", "[]", "{}", '{"v":1,"epoch":0,"node":"a"}', '{"v":1,"epoch":1e300,"node":"a"}', '{"v":1,"epoch":1,"node":"a","flags":[1]}', `{"v":1,"epoch":1,"node":"a","x":"${"y".repeat(300_000)}"}`]; // biome-ignore format: one thought
  for (const text of wrong) assert.is(parseWord(text), null, text.slice(0, 60));
});

test.run();
