import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { allocateMemory, bytesOf, MemoryArena, uint32Of } from "../../../../../actors/retriever/index/resident/memory.ts";
import { encodeTerms, TermTable } from "../../../../../actors/retriever/index/resident/term_table.ts";

const test = suite("term table");

function tableOf(terms: readonly string[]): TermTable {
  const { text, starts, slots } = encodeTerms(terms);
  const arena = new MemoryArena(allocateMemory(1), 0);
  const [textAt, startsAt, slotsAt] = [arena.reserve(text.length), arena.reserve(starts.byteLength), arena.reserve(slots.byteLength)];
  bytesOf(arena.memory, textAt).set(text);
  uint32Of(arena.memory, startsAt).set(starts);
  uint32Of(arena.memory, slotsAt).set(slots);
  return new TermTable(arena.memory, textAt, startsAt, slotsAt);
}

test("TermTable finds every term under its number and no other, in any script", () => {
  const term = fc.oneof(
    fc.string({ minLength: 1, maxLength: 8 }),
    fc.string({ unit: "binary", minLength: 1, maxLength: 8 }),
    fc.constantFrom("a", "ab", "abc", "ä", "äb", "日本", "日", "🐕", "x".repeat(300)),
  );
  const isTerm = (text: string) => !text.includes("\n") && text.isWellFormed();
  const list = fc.uniqueArray(term.filter(isTerm), { maxLength: 60 });
  fc.assert(
    fc.property(list, fc.array(term.filter(isTerm), { maxLength: 10 }), (terms, others) => {
      const table = tableOf(terms);
      for (const [number, each] of terms.entries()) assert.is(table.numberOf(each), number, JSON.stringify(each));
      for (const other of [...others, ""]) {
        const number = terms.indexOf(other);
        assert.is(table.numberOf(other), number < 0 ? undefined : number);
      }
    }),
  );
});

test("TermTable of nothing finds nothing", () => {
  assert.is(tableOf([]).numberOf("a"), undefined);
});

test.run();
