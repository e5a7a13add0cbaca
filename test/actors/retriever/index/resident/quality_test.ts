import { readFile } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadStaticModel } from "../../../../../actors/embedding/static/static_model.ts";
import { ndcg } from "../../../../../actors/retriever/evaluation/metrics.ts";
import { weightedFusion } from "../../../../../actors/retriever/fusion/weighted.ts";
import type { RowHits } from "../../../../../actors/retriever/index/resident/hits.ts";
import type { ResidentIndex } from "../../../../../actors/retriever/index/resident/resident_index.ts";
import type { ChunkRow } from "../../../../../actors/vector_store/vector_store.ts";
import { ALL, analyzer, exactVectorSearch, idsOf, indexOf, type Scored } from "./index_rig.ts";

const test = suite("resident index on NPL");
const model = await loadStaticModel();
const lines = async (name: string) =>
  (await readFile(new URL(`../../../../data/npl/${name}`, import.meta.url), "utf8")).trimEnd().split("\n");

interface NplText {
  readonly _id: string;
  readonly text: string;
}

const documents = (await lines("corpus.jsonl")).map((line) => JSON.parse(line) as NplText);
const queries = (await lines("queries.jsonl")).map((line) => {
  const { _id, text } = JSON.parse(line) as NplText;
  return { id: _id, text, vector: model.embedSync(text) as Float32Array };
});
const judgements = new Map<string, Map<string, number>>();
for (const line of (await lines("qrels.tsv")).slice(1)) {
  const [query, document, grade] = line.split("\t") as [string, string, string];
  const judged = judgements.get(query) ?? new Map<string, number>();
  judgements.set(query, judged.set(`${document}#0`, Number(grade)));
}

function rowOfText(documentId: string, text: string): ChunkRow {
  const attributes = {};
  const vector = model.embedSync(text);
  return {
    id: `${documentId}#0`,
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
}

const rows = documents.map(({ _id, text }) => rowOfText(_id, text));
const index = indexOf(rows, { dimensions: model.dimensions });

/** BM25 in floats with the same analysis, over an inverted index of its own. */
const exactText = ((): ((query: string) => Scored[]) => {
  const postings = new Map<string, { row: ChunkRow; count: number; length: number }[]>();
  let total = 0;
  for (const row of rows) {
    const { counts, length } = analyzer.analyze(row.indexText);
    total += length;
    for (const [term, count] of counts) {
      const list = postings.get(term) ?? [];
      postings.set(term, list);
      list.push({ row, count, length });
    }
  }
  const average = total / rows.length;
  return (query) => {
    const scores = new Map<string, number>();
    for (const term of analyzer.analyze(query).counts.keys()) {
      const list = postings.get(term) ?? [];
      const idf = Math.log(1 + (rows.length - list.length + 0.5) / (list.length + 0.5));
      for (const { row, count, length } of list) {
        const part = (count * 2.2) / (count + 1.2 * (0.25 + (0.75 * length) / average));
        scores.set(row.id, (scores.get(row.id) ?? 0) + idf * part);
      }
    }
    const found = [...scores].map(([id, score]) => ({ id, score }));
    return found.sort((left, right) => right.score - left.score || (left.id < right.id ? -1 : 1)).slice(0, ALL.limit);
  };
})();

const exact = queries.map(({ text, vector }) => ({ text: exactText(text), vector: exactVectorSearch(rows, vector, ALL) }));

function meanNdcg(rank: (at: number) => readonly string[]): number {
  return queries.reduce((sum, { id }, at) => sum + ndcg(rank(at), judgements.get(id) ?? new Map(), 10), 0) / queries.length;
}

function fuseExactly(text: readonly Scored[], vector: readonly Scored[]): string[] {
  const list = (candidates: readonly Scored[], weight: number) => ({
    candidates: candidates.map(({ id, score }) => ({ key: id, id, documentId: id, parentId: null, score })),
    weight,
  });
  return weightedFusion([list(text, 0.7), list(vector, 0.3)]).map(({ chunk }) => chunk.id);
}

function fuse(own: ResidentIndex, text: RowHits, vector: RowHits): string[] {
  const lists = [
    { hits: text, weight: 0.7 },
    { hits: vector, weight: 0.3 },
  ];
  return own.fuse(lists, { type: "weighted" }, 10).best.map(({ row }) => own.names(row).id);
}

/** The part of the reference's 100 that is found. */
function meanRecall(own: ResidentIndex, references: readonly (readonly Scored[])[]): number {
  const parts = queries.map(({ vector }, at) => {
    const found = new Set(idsOf(own, own.searchVector(vector, ALL)));
    const reference = references[at] as readonly Scored[];
    return reference.filter(({ id }) => found.has(id)).length / reference.length;
  });
  return parts.reduce((sum, part) => sum + part, 0) / parts.length;
}

test("Every strategy's nDCG@10 is within .003 of the exact float computation", () => {
  const strategies = {
    bm25: [
      meanNdcg((at) => idsOf(index, index.searchText(queries[at]?.text ?? "", ALL))),
      meanNdcg((at) => exact[at]?.text.map(({ id }) => id) ?? []),
    ],
    vector: [
      meanNdcg((at) => idsOf(index, index.searchVector(queries[at]?.vector as Float32Array, ALL))),
      meanNdcg((at) => exact[at]?.vector.map(({ id }) => id) ?? []),
    ],
    hybrid: [
      meanNdcg((at) => {
        const { text, vector } = queries[at] as (typeof queries)[number];
        return fuse(index, index.searchText(text, ALL), index.searchVector(vector, ALL));
      }),
      meanNdcg((at) => fuseExactly(exact[at]?.text ?? [], exact[at]?.vector ?? [])),
    ],
  } as const;
  for (const [strategy, [found, reference]] of Object.entries(strategies)) {
    assert.ok(Math.abs(found - reference) <= 0.003, `${strategy}: ${found.toFixed(4)}, exact ${reference.toFixed(4)}`);
  }
  assert.ok(strategies.bm25[0] >= 0.42 && strategies.vector[0] >= 0.345 && strategies.hybrid[0] >= 0.445, JSON.stringify(strategies));
});

test("Scanning int8 vectors finds .99 of the exact 100 nearest", () => {
  const found = meanRecall(
    index,
    exact.map(({ vector }) => vector),
  );
  assert.ok(found >= 0.99, `recall@100 ${found.toFixed(4)}`);
});

test("The index takes at most 500 bytes a chunk beside its text", () => {
  const beside = (index.bytes - index.image.header.sections.passages.bytes) / rows.length;
  assert.ok(beside <= 500, `${beside.toFixed(0)} bytes a chunk`);
});

test("Filtering by bits finds .98 of the exact 100 nearest among more than 20,000 chunks", () => {
  // Halves of two neighbouring abstracts make texts that none of the originals is.
  const mixed = documents.map(({ _id, text }, at) => {
    const other = documents[(at + 1) % documents.length]?.text ?? "";
    return rowOfText(`${_id}~`, `${text.slice(0, text.length >> 1)} ${other.slice(other.length >> 1)}`);
  });
  const all = [...rows, ...mixed];
  const large = indexOf(all, { dimensions: model.dimensions });
  assert.ok(large.image.header.sections.bits.bytes > 0);
  const found = meanRecall(
    large,
    queries.map(({ vector }) => exactVectorSearch(all, vector, ALL)),
  );
  assert.ok(found >= 0.98, `recall@100 ${found.toFixed(4)}`);
  const beside = (large.bytes - large.image.header.sections.passages.bytes) / all.length;
  assert.ok(beside <= 500, `${beside.toFixed(0)} bytes a chunk`);
});

test.run();
