import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { FusionSettings } from "../../../../actors/document_store/collection_record.ts";
import type { IndexCandidate } from "../../../../actors/retriever/fusion/ranked.ts";
import { ByteCache } from "../../../../actors/retriever/index/byte_cache.ts";
import type { CalledIndex, RetrievalIndex } from "../../../../actors/retriever/index/index.ts";
import type { RowHits } from "../../../../actors/retriever/index/resident/hits.ts";
import type { ResidentIndex } from "../../../../actors/retriever/index/resident/resident_index.ts";
import { phaseTimes } from "../../../../actors/retriever/pipeline/phase_times.ts";
import { runPipeline } from "../../../../actors/retriever/pipeline/pipeline.ts";
import { planSearch } from "../../../../actors/retriever/pipeline/plan.ts";
import type { PipelineParts, ShownParent } from "../../../../actors/retriever/pipeline/search_context.ts";
import { DEFAULT_OPTIONS, ENSEMBLE_PARTS, type SearchRequest, STRATEGIES } from "../../../../actors/retriever/search.ts";
import type { ChunkRow } from "../../../../actors/vector_store/vector_store.ts";
import { KennelError, kennelError } from "../../../../runtime/errors.ts";
import { manualClock } from "../../../support/manual_clock.ts";
import { FaultyModel } from "../faulty_store.ts";
import { indexOf, inMemory, mergeNow, rowOf } from "../index/resident/index_rig.ts";
import { countingMetrics, FULL, PATIENT, searchRequest } from "../search_requests.ts";
import { asksForPassage, scriptedLanguageModel } from "../strategies/scripted_language_model.ts";

const test = suite("find rows");
const never = new AbortController().signal;

/** The same index behind the port of indexes that are called: an object a candidate, ranked as candidates of a store are. */
function asCalled(index: ResidentIndex): CalledIndex {
  const candidates = ({ rows, scores }: RowHits): readonly IndexCandidate[] =>
    Array.from(rows, (row, at) => ({ ...index.names(row), key: String(row), score: scores[at] as number }));
  return {
    kind: "store",
    indexVersion: index.indexVersion,
    bytes: 0,
    warm: async () => {},
    refresh: () => {},
    close: async () => {},
    searchVector: async (vector, options) => candidates(index.searchVector(vector, options)),
    searchText: async (query, options) => candidates(index.searchText(query, options)),
    passages: async (found) => found.map(({ key }) => index.passage(Number(key))),
  };
}

function partsOf(model: FaultyModel): PipelineParts {
  const clock = manualClock();
  return {
    clock,
    model,
    metrics: countingMetrics(),
    reranker: null,
    languageModel: scriptedLanguageModel((request) => (asksForPassage(request) ? "cat dog dog" : "dog\nbird fish\nfish")),
    documents: {
      getParents: async (_collection, _version, ids) =>
        ids.flatMap((id) => {
          const text = parentText(id);
          return text === null ? [] : [{ id, text, principals: [] }];
        }),
    },
    modes: { serviceOf: (role) => ({ service: role, breaker: "closed" }) },
    times: phaseTimes(clock, 60_000),
    ageMs: () => 0,
    limits: PATIENT,
    collection: "docs",
    version: 1,
    parentTexts: new ByteCache(100_000, ({ text }: ShownParent) => text.length),
  };
}

/** All of an answer that does not tell of time or of where it came from; or why there is none. */
async function outcome(parts: PipelineParts, index: RetrievalIndex, request: SearchRequest, fusion: FusionSettings): Promise<unknown> {
  const plan = planSearch(request, fusion, FULL);
  const nowMs = parts.clock.monotonicMs();
  const search = { request, plan, mode: FULL.mode, notBeforeMs: null, receivedMs: nowMs, isEmpty: false, isShedding: false, visible: null };
  try {
    const { answer, isKeepable } = await runPipeline(parts, index, search, nowMs + 10_000, never);
    const { mode, degradations, index_version, explain } = answer.rest;
    const { planner: _, ...told } = (explain ?? {}) as Readonly<Record<string, unknown>>;
    return { hits: new TextDecoder().decode(answer.hits), isKeepable, mode, degradations, index_version, told };
  } catch (thrown) {
    if (!(thrown instanceof KennelError)) throw thrown;
    return { code: thrown.code };
  }
}

const WORDS = ["cat", "dog", "bird", "fish"] as const;
const text = fc.array(fc.constantFrom(...WORDS, "zebra"), { maxLength: 4 }).map((words) => words.join(" "));
// Few different vectors, so that many scores are equal.
const vector = fc.array(fc.constantFrom(0, 1), { minLength: 4, maxLength: 4 });
const rows = fc.uniqueArray(fc.record({ document: fc.integer({ min: 0, max: 12 }), ordinal: fc.nat(3), text, vector, part: fc.nat(4) }), {
  selector: ({ document, ordinal }) => `${document}#${ordinal}`,
  minLength: 1,
  maxLength: 40,
});
/** Whether the index holds parents' texts, or has to leave them to the document store. */
const held = fc.record({ inBase: fc.boolean(), inDelta: fc.boolean() });

/** Some parents say what their chunks say, some are not there, as the document store has it. */
function parentText(id: string): string | null {
  const document = Number(id.slice(1, id.indexOf("/")));
  return document % 4 === 0 ? null : document % 4 === 1 ? "cat" : `All of "${id}"`;
}

function parentsOf(chunks: readonly ChunkRow[]): ReadonlyMap<string, string> {
  const texts = chunks.map(({ parentId }) => [parentId ?? "", parentText(parentId ?? "")] as const);
  return new Map(texts.filter((entry): entry is [string, string] => entry[1] !== null));
}

const fusion = fc.oneof(
  fc.record({ type: fc.constant("weighted" as const), alpha: fc.constantFrom(0, 0.3, 0.5, 1) }),
  fc.record({
    type: fc.constant("rrf" as const),
    k: fc.constantFrom(1, 60),
    weights: fc.record({ vector: fc.constantFrom(0.3, 1), bm25: fc.constant(1) }),
  }),
);
const ensemble = fc.uniqueArray(fc.record({ strategy: fc.constantFrom(...ENSEMBLE_PARTS), weight: fc.constantFrom(0.5, 1, 3) }), {
  selector: ({ strategy }) => strategy,
  minLength: 1,
});
const request = fc.record({
  query: fc.oneof(text, fc.constant("unknown words")),
  vector: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: vector.map((list) => Float32Array.from(list)) }),
  strategy: fc.constantFrom(...STRATEGIES),
  ensemble,
  refined: fc.record({ deduplicate: fc.boolean(), diversity: fc.constantFrom(null, null, 0.3, 1), mergeNeighbors: fc.boolean() }),
  topK: fc.integer({ min: 1, max: 30 }),
  candidateK: fc.constantFrom(1, 5, 100),
  filter: fc.constantFrom(
    null,
    { type: "lt" as const, key: "part", value: 0 },
    { type: "lt" as const, key: "part", value: 3 },
    { type: "gte" as const, key: "part", value: 0 },
  ),
  groupBy: fc.constantFrom(null, "document" as const),
  scoreThreshold: fc.constantFrom(null, 0, 0.2, 0.5, 1),
  include: fc.constantFrom(
    ["text", "attributes", "scores", "ranks"] as const,
    ["scores"] as const,
    ["ranks", "text"] as const,
    [] as const,
  ),
  explain: fc.boolean(),
});

test("Rows are ranked and written as candidates are, byte for byte: every strategy, fusion, filter, group, threshold and tie", async () => {
  await fc.assert(
    fc.asyncProperty(
      rows,
      rows,
      fc.boolean(),
      held,
      request,
      fusion,
      async (base, written, isMerged, isHeld, { ensemble, refined, ...over }, settings) => {
        const chunks = (list: typeof base) =>
          list.map(({ document, ordinal, ...fields }) =>
            rowOf({ id: `d${document}#${ordinal}`, text: fields.text, vector: fields.vector, attributes: { part: fields.part } }),
          );
        const [before, after] = [chunks(base), chunks(written)];
        const index = indexOf(before, { parents: isHeld.inBase ? parentsOf(before) : null });
        const documentIds = [...new Set(written.map(({ document }) => `d${document}`)), "d5"];
        index.replaceDocuments(documentIds, after, 2, isHeld.inDelta ? parentsOf(after) : null);
        if (isMerged) mergeNow(index);
        const options = { ...DEFAULT_OPTIONS, ...refined, ensemble: over.strategy === "ensemble" ? ensemble : [] };
        const wanted = searchRequest({ ...over, options });
        const found = await outcome(partsOf(new FaultyModel()), inMemory(index), wanted, settings);
        const called = await outcome(partsOf(new FaultyModel()), asCalled(index), wanted, settings);
        assert.equal(found, called);
        assert.equal(await outcome(partsOf(new FaultyModel()), inMemory(index), wanted, settings), found, "the same query, the same list");
      },
    ),
    { numRuns: 600 },
  );
});

test("Parents that the index holds are shown without the document store, which is asked for the others alone", async () => {
  const rows = [rowOf({ id: "d2#0", text: "cat" }), rowOf({ id: "d3#0", text: "cat dog" }), rowOf({ id: "d4#0", text: "cat cat dog" })];
  const index = indexOf(rows, { parents: parentsOf(rows) });
  const asked: string[][] = [];
  const parts: PipelineParts = {
    ...partsOf(new FaultyModel()),
    documents: {
      async getParents(_collection, _version, ids) {
        asked.push([...ids]);
        throw kennelError("unavailable");
      },
    },
  };
  const wanted = searchRequest({ strategy: "parent_document" });
  const weighted = { type: "weighted", alpha: 0.3 } as const;
  const texts = async () => {
    const { hits, degradations } = (await outcome(parts, inMemory(index), wanted, weighted)) as { hits: string; degradations: unknown[] };
    const shown = (JSON.parse(hits) as { id: string; text: string }[]).map(({ id, text }) => [id, text]);
    return { shown: Object.fromEntries(shown), degradations: degradations.length };
  };
  const all = { "d2#0": 'All of "d2/parent"', "d3#0": 'All of "d3/parent"', "d4#0": "cat cat dog" };
  assert.equal(await texts(), { shown: all, degradations: 0 });
  const late = rowOf({ id: "d6#0", text: "dog" });
  index.replaceDocuments(["d6"], [late], 2, parentsOf([late]));
  const unread = rowOf({ id: "d7#0", text: "bird cat" });
  index.replaceDocuments(["d7"], [unread], 3);
  const more = { ...all, "d6#0": 'All of "d6/parent"', "d7#0": "bird cat" };
  assert.equal(await texts(), { shown: more, degradations: 1 });
  mergeNow(index);
  assert.equal(await texts(), { shown: more, degradations: 1 });
  assert.equal(asked, [["d7/parent"], ["d7/parent"]]);
});

test("A model that fails is reported by both, and the words alone answer; a vector that is not finite is refused by both", async () => {
  const index = indexOf([rowOf({ id: "a#0", text: "cat" }), rowOf({ id: "b#0", text: "cat dog" })]);
  const weighted = { type: "weighted", alpha: 0.3 } as const;
  const broken = new FaultyModel();
  broken.fault = "fail";
  for (const strategy of ["hybrid", "vector"] as const) {
    const wanted = searchRequest({ strategy, explain: true });
    assert.equal(
      await outcome(partsOf(broken), inMemory(index), wanted, weighted),
      await outcome(partsOf(broken), asCalled(index), wanted, weighted),
    );
  }
  const wanted = searchRequest({ query: null, vector: Float32Array.of(1, Number.NaN, 0, 0) });
  for (const each of [inMemory(index), asCalled(index)]) {
    assert.equal(await outcome(partsOf(new FaultyModel()), each, wanted, weighted), { code: "invalid_request" });
  }
});

test.run();
