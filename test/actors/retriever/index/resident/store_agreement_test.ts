import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadStaticModel } from "../../../../../actors/embedding/static/static_model.ts";
import { loadAnalyzer } from "../../../../../actors/retriever/index/resident/analyzer.ts";
import type { RowHits } from "../../../../../actors/retriever/index/resident/hits.ts";
import type { ResidentIndex } from "../../../../../actors/retriever/index/resident/resident_index.ts";
import type { Filter } from "../../../../../actors/vector_store/filter.ts";
import { openLanceDb } from "../../../../../actors/vector_store/lancedb.ts";
import type { Candidate, ChunkRow } from "../../../../../actors/vector_store/vector_store.ts";
import { systemClock } from "../../../../../runtime/clock.ts";
import { ALL, indexOf } from "./index_rig.ts";

// Both indexes of a collection must tell the same story, since a query may go to either. Tolerances:
//   - BM25 without a language: 1 % of a score (uint8 impacts); 99 of 100 hits the same.
//   - BM25 in English: Porter here, Porter2 in LanceDB, so some words meet others; 95 of 100 hits the same.
//   - Cosine: .005 (int8); 99 of 100 hits the same.
const SCORE_RATIO = 0.01;
const COSINE_DIFFERENCE = 0.005;

const test = suite("resident index and LanceDB");
const never = new AbortController().signal;
const name = { collection: "npl", version: 1 };
const model = await loadStaticModel();
const texts = async (file: string, count: number) =>
  (await readFile(new URL(`../../../../data/npl/${file}`, import.meta.url), "utf8"))
    .split("\n", count)
    .map((line) => JSON.parse(line) as { _id: string; text: string });

const queries = (await texts("queries.jsonl", 40)).map(({ text }) => text);
const rows = (await texts("corpus.jsonl", 2_000)).map(({ _id, text }, at): ChunkRow => {
  const vector = model.embedSync(text);
  const [id, documentId, attributes] = [`${_id}#0`, _id, { part: at % 10 }];
  return {
    id,
    documentId,
    ordinal: 0,
    parentId: null,
    title: "",
    url: "",
    text,
    indexText: text,
    attributes,
    principals: [],
    vector,
    updatedAtMs: 1,
  };
});
const filters: readonly (Filter | null)[] = [null, { type: "lt", key: "part", value: 3 }];

interface Agreement {
  /** Mean part of the store's hits that the resident index has, too. */
  readonly overlap: number;
  readonly pairs: readonly { readonly stored: number; readonly resident: number }[];
}

async function compare(
  index: ResidentIndex,
  fromStore: (query: string, filter: Filter | null) => Promise<readonly Candidate[]>,
  fromMemory: (query: string, filter: Filter | null) => RowHits,
): Promise<Agreement> {
  const overlaps: number[] = [];
  const pairs: { stored: number; resident: number }[] = [];
  for (const filter of filters) {
    for (const query of queries) {
      const stored = await fromStore(query, filter);
      const hits = fromMemory(query, filter);
      assert.is(hits.rows.length, stored.length, query);
      const scores = new Map([...hits.rows].map((row, at) => [index.names(row).id, hits.scores[at] as number]));
      const shared = stored.filter(({ id }) => scores.has(id));
      overlaps.push(shared.length / stored.length);
      pairs.push(...shared.map(({ id, score }) => ({ stored: score, resident: scores.get(id) as number })));
    }
  }
  return { overlap: overlaps.reduce((sum, part) => sum + part, 0) / overlaps.length, pairs };
}

/**
 * What was found beside what is allowed, so that a run shows how near to its bounds it is.
 * @param difference null: the two stem alike but for a few words, whose scores may be anything
 */
function state(what: string, { overlap, pairs }: Agreement, minOverlap: number, difference: Difference | null): void {
  console.log(`${what}: overlap ${overlap.toFixed(4)} of at least ${minOverlap}`);
  assert.ok(overlap >= minOverlap, `${what}: overlap ${overlap}`);
  if (difference === null) return;
  const worst = pairs.reduce((most, pair) => Math.max(most, difference.of(pair)), 0);
  console.log(`${what}: ${difference.name} ${worst.toFixed(4)} of at most ${difference.max}`);
  assert.ok(worst <= difference.max, `${what}: ${difference.name} ${worst}`);
}

interface Difference {
  readonly name: string;
  readonly max: number;
  readonly of: (pair: { readonly stored: number; readonly resident: number }) => number;
}

const BY_RATIO: Difference = {
  name: "relative difference of scores",
  max: SCORE_RATIO,
  of: ({ stored, resident }) => Math.abs(resident / stored - 1),
};
const BY_COSINE: Difference = {
  name: "difference of cosines",
  max: COSINE_DIFFERENCE,
  of: ({ stored, resident }) => Math.abs(resident - stored),
};
async function withBoth(
  language: string,
  use: (store: Awaited<ReturnType<typeof openLanceDb>>, index: ResidentIndex) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "kennel-agreement-"));
  const store = await openLanceDb({ directory, maxOpenTables: 4, minVectorIndexRows: 20_000, retentionMs: 60_000, clock: systemClock() });
  try {
    await store.createIndex(name, { dimensions: model.dimensions, language, attributes: { part: "number" } }, never);
    for (let from = 0; from < rows.length; from += 1_000) {
      const page = rows.slice(from, from + 1_000);
      await store.replaceDocuments(
        name,
        page.map(({ documentId }) => documentId),
        page,
        never,
      );
    }
    await store.optimize(name, never);
    await use(store, indexOf(rows, { dimensions: model.dimensions, analyzer: await loadAnalyzer(language) }));
  } finally {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  }
}

test("Both give the same hits and scores by words, without a language", () =>
  withBoth("none", async (store, index) => {
    const byWords = await compare(
      index,
      (query, filter) => store.searchText(name, query, { ...ALL, filter }, never),
      (query, filter) => index.searchText(query, { ...ALL, filter }),
    );
    state("words, no language", byWords, 0.99, BY_RATIO);
  }));

test("Both give nearly the same hits by words in English, and the same by cosine", () =>
  withBoth("english", async (store, index) => {
    const byWords = await compare(
      index,
      (query, filter) => store.searchText(name, query, { ...ALL, filter }, never),
      (query, filter) => index.searchText(query, { ...ALL, filter }),
    );
    state("words, English", byWords, 0.95, null);
    const vectorOf = (query: string) => model.embedSync(query) as Float32Array;
    const byCosine = await compare(
      index,
      (query, filter) => store.searchVector(name, vectorOf(query), { ...ALL, filter }, never),
      (query, filter) => index.searchVector(vectorOf(query), { ...ALL, filter }),
    );
    state("cosine", byCosine, 0.99, BY_COSINE);
  }));

test.run();
