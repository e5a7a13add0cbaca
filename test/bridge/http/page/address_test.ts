import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type AskState, DEFAULT_TOP_K, readAsk, readView, STRATEGIES, writeAsk } from "../../../../bridge/http/page/browser/address.js";

const test = suite("page address");

test("A question written to the address is read back the same", () => {
  const state = fc.record<AskState>(
    {
      collection: fc.option(fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/)),
      query: fc.string({ unit: "binary" }).map((text) => text.toWellFormed()),
      strategy: fc.constantFrom(...STRATEGIES),
      topK: fc.integer({ min: 1, max: 1000 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(fc.property(state, (given) => assert.equal(readAsk(writeAsk(given)), given)));
});

test("An address that names no allowed strategy or number falls back to the defaults", () => {
  for (const topK of ["0", "1001", "-1", "1.5", "1e400", "ten", "NaN", ""]) {
    assert.equal(readAsk(`?strategy=__proto__&top_k=${topK}`), { collection: null, query: "", strategy: "hybrid", topK: DEFAULT_TOP_K });
  }
});

test("A question with the defaults makes a short address", () => {
  assert.is(writeAsk({ collection: "docs", query: "why?", strategy: "hybrid", topK: DEFAULT_TOP_K }), "?collection=docs&q=why%3F");
  assert.is(writeAsk({ collection: null, query: "", strategy: "hybrid", topK: DEFAULT_TOP_K }), "");
});

test("A hash that is no view shows the first one", () => {
  assert.is(readView("#latency"), "latency");
  assert.is(readView("#nothing"), "ask");
  assert.is(readView(""), "ask");
});

test.run();
