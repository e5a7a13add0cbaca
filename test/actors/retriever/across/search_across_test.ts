import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { mergeAcross } from "../../../../actors/retriever/across/merge.ts";
import { searchAcross } from "../../../../actors/retriever/across/search_across.ts";
import type { EncodedAnswer, Hit, SearchRequest } from "../../../../actors/retriever/search.ts";
import { type KennelError, kennelError } from "../../../../runtime/errors.ts";
import type { MessageHeaders } from "../../../../transport/transport.ts";
import { OPEN_SCOPE } from "../../../../transport/transport.ts";
import { manualClock } from "../../../support/manual_clock.ts";
import { searchRequest } from "../search_requests.ts";

const test = suite("several collections");
const WEIGHTED = { type: "weighted", alpha: 0.3 } as const;
const HEADERS: MessageHeaders = { requestId: "r", timeoutMs: 1_000, traceparent: null, scope: OPEN_SCOPE };
const never = new AbortController().signal;

function hit(id: string, scores: Hit["scores"]): Hit {
  const named = { id, document_id: id, parent_id: null, title: "", url: "", score: 1, score_type: "weighted" as const };
  return { ...named, ...(scores === undefined ? {} : { scores }) };
}

function answerOf(hits: readonly Hit[], rest: Partial<EncodedAnswer["rest"]> = {}): EncodedAnswer {
  return {
    hits: new TextEncoder().encode(JSON.stringify(hits)),
    rest: {
      mode: "full",
      degradations: [],
      timings_ms: {},
      cache: "miss",
      index_version: 1,
      freshness: { index: "store", age_ms: 0 },
      ...rest,
    },
  };
}

/** @param answers by collection; a promise may fail */
function ask(answers: Readonly<Record<string, EncodedAnswer | Promise<EncodedAnswer>>>, over: Partial<SearchRequest> = {}) {
  const searches = Object.keys(answers).map((collection) => searchRequest({ ...over, collection }));
  const asked: { request: SearchRequest; timeoutMs: number }[] = [];
  const search = async (request: SearchRequest, { timeoutMs }: MessageHeaders) => {
    asked.push({ request, timeoutMs });
    return answers[request.collection] as EncodedAnswer;
  };
  return { asked, answer: searchAcross({ clock: manualClock(), search }, { searches, fusion: WEIGHTED }, HEADERS, never) };
}

test("Raw scores decide between collections, not what each made of its own", async () => {
  const good = answerOf([hit("a", { vector: 0.9, bm25: 20, fused: 1 }), hit("b", { vector: 0.8, bm25: 15, fused: 0 })]);
  const poor = answerOf([hit("c", { vector: 0.3, bm25: 2, fused: 1 }), hit("b", { vector: 0.1, bm25: 1, fused: 0 })]);
  const { asked, answer } = ask({ good, poor }, { topK: 3 });
  const { data, mode, degradations, collections } = await answer;
  assert.equal(
    data.map(({ collection, id }) => `${collection}/${id}`),
    ["good/a", "good/b", "poor/c"],
  );
  assert.equal([data[0]?.score, data[0]?.score_type, mode, degradations, collections.length], [1, "weighted", "full", [], 2]);
  assert.equal(
    asked.map(({ request, timeoutMs }) => [request.topK, timeoutMs]),
    [
      [50, 900],
      [50, 900],
    ],
  );
});

test("A collection that fails is a degradation; what the others lack is told with their names", async () => {
  const lexical = { stage: "embed", reason: "unavailable", service: "embedding", breaker: "open" } as const;
  const { answer } = ask({
    broken: Promise.reject(kennelError("deadline_exceeded")),
    whole: answerOf([hit("a", { bm25: 3 })], { mode: "lexical", degradations: [lexical] }),
  });
  const { data, mode, degradations } = await answer;
  assert.equal([data.map(({ id }) => id), data[0]?.score_type, mode], [["a"], "bm25", "lexical"]);
  assert.equal(degradations, [
    { collection: "broken", stage: "collection", reason: "deadline_exceeded", service: "retriever", breaker: "closed" },
    { collection: "whole", ...lexical },
  ]);
});

test("It fails when none has answered, or a degraded answer will not do", async () => {
  const failing = () => Promise.reject(kennelError("overloaded"));
  const failed = await ask({ one: failing(), other: failing() }).answer.catch((thrown: KennelError) => thrown);
  assert.is((failed as KennelError).code, "overloaded");
  const strict = await ask({ one: failing(), other: answerOf([]) }, { allowDegraded: false }).answer.catch((thrown: KennelError) => thrown);
  assert.is((strict as KennelError).code, "overloaded");
});

const score = fc.oneof(fc.constantFrom(0, 0.5, 1), fc.double({ min: 0, max: 1, noNaN: true }));
const hits = fc.uniqueArray(fc.record({ id: fc.constantFrom("a", "b", "c", "d", "e"), vector: fc.option(score), bm25: fc.option(score) }), {
  selector: ({ id }) => id,
});
const fusion = fc.constantFrom(WEIGHTED, { type: "rrf", k: 60, weights: { vector: 1, bm25: 1 } } as const);

test("Scores fall along the list from 0 to 1, each hit stands once, and the same hits give the same list", () => {
  fc.assert(
    fc.property(
      fc.array(hits, { maxLength: 4 }),
      fusion,
      fc.constantFrom("hybrid" as const, "bm25" as const, "vector" as const),
      (found, settings, strategy) => {
        const parts = found.map((list, at) => ({
          collection: `c${at}`,
          hits: list.map(({ id, vector, bm25 }) => hit(id, { ...(vector === null ? {} : { vector }), ...(bm25 === null ? {} : { bm25 }) })),
        }));
        const request = searchRequest({ strategy });
        const merged = mergeAcross(parts, request, settings);
        assert.is(new Set(merged.map(({ collection, id }) => `${collection} ${id}`)).size, merged.length);
        for (const [at, { score: value }] of merged.entries()) {
          assert.ok(value >= 0 && value <= 1);
          assert.ok(at === 0 || value <= (merged[at - 1]?.score ?? 0));
        }
        assert.equal(mergeAcross(parts, request, settings), merged);
      },
    ),
  );
});

test.run();
