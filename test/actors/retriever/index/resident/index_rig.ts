import { MemoryIndex, type SearchMeans } from "../../../../../actors/retriever/index/memory_index.ts";
import { type Analyzer, loadAnalyzer } from "../../../../../actors/retriever/index/resident/analyzer.ts";
import { assembleImage } from "../../../../../actors/retriever/index/resident/assemble.ts";
import type { RowHits } from "../../../../../actors/retriever/index/resident/hits.ts";
import type { IndexImage } from "../../../../../actors/retriever/index/resident/image.ts";
import { loadKernels } from "../../../../../actors/retriever/index/resident/kernels.ts";
import { type ParentTexts, ParentWriter } from "../../../../../actors/retriever/index/resident/parent_texts.ts";
import { prepareRow } from "../../../../../actors/retriever/index/resident/prepared_row.ts";
import { type MergeInput, ResidentIndex } from "../../../../../actors/retriever/index/resident/resident_index.ts";
import { ScanThreads } from "../../../../../actors/retriever/index/resident/scan_threads.ts";
import { Turns } from "../../../../../actors/retriever/index/turns.ts";
import { type Attributes, type Filter, matches } from "../../../../../actors/vector_store/filter.ts";
import type { ChunkRow, SearchOptions } from "../../../../../actors/vector_store/vector_store.ts";
import { systemClock } from "../../../../../runtime/clock.ts";

const kernels = await loadKernels();
const clock = systemClock();
const means: SearchMeans = {
  turns: new Turns({ maxTurnMs: 1_000, maxWaiting: 1_000, clock }),
  // It starts no thread before the first scan, and no index here is large enough for one.
  scans: new ScanThreads({ threads: 1, fromRows: Number.POSITIVE_INFINITY, maxWaiting: 1, timeoutMs: 60_000, clock }),
};
export const analyzer = await loadAnalyzer("english");

export const ALL: SearchOptions = { limit: 100, needed: null, filter: null, notBeforeMs: null };

export interface RowFields {
  readonly id: string;
  readonly text: string;
  readonly vector?: readonly number[] | null;
  readonly principals?: readonly string[];
  readonly attributes?: Attributes;
  readonly updatedAtMs?: number;
}

/** A row of the document that its id names: `a#0` is the first chunk of `a`. */
export function rowOf({ id, text, vector = [1, 0, 0, 0], attributes = {}, principals = [], updatedAtMs = 1_000 }: RowFields): ChunkRow {
  const documentId = id.slice(0, id.lastIndexOf("#"));
  return {
    id,
    documentId,
    ordinal: Number(id.slice(id.lastIndexOf("#") + 1)),
    parentId: `${documentId}/parent`,
    title: `Title of ${documentId}`,
    url: `https://example.org/${documentId}`,
    text,
    indexText: text,
    attributes,
    principals,
    vector: vector === null ? null : Float32Array.from(vector),
    updatedAtMs,
  };
}

export interface RigOptions {
  readonly dimensions?: number;
  readonly bitsFromRows?: number;
  readonly mergeFromRows?: number;
  readonly analyzer?: Analyzer;
  /** @default they could not be asked for */
  readonly parents?: ParentTexts;
}

export function imageOf(rows: readonly ChunkRow[], options: RigOptions = {}): IndexImage {
  const { dimensions = 4, bitsFromRows = 20_000, analyzer: own = analyzer } = options;
  const writer = new ParentWriter(options.parents ?? null);
  const prepared = rows.map((row) => prepareRow(row, own, dimensions, writer));
  return assembleImage(null, prepared, { indexVersion: 1, language: own.language, dimensions, bitsFromRows });
}

export function indexOf(rows: readonly ChunkRow[], options: RigOptions = {}): ResidentIndex {
  return openImage(imageOf(rows, options), options);
}

export function openImage(image: IndexImage, options: RigOptions = {}): ResidentIndex {
  const { bitsFromRows = 20_000, mergeFromRows = 1_000, analyzer: own = analyzer } = options;
  return new ResidentIndex(image, { kernels, analyzer: own, bitsFromRows, mergeFromRows });
}

/** As the pipeline sees it: searches of one turn, and no threads. */
export function inMemory(index: ResidentIndex): MemoryIndex {
  return new MemoryIndex(index, means);
}

export function idsOf(index: ResidentIndex, { rows }: RowHits): string[] {
  return [...rows].map((row) => index.names(row).id);
}

/** Merges as the index thread does, but at once. */
export function mergeNow(index: ResidentIndex): void {
  index.completeMerge(mergedImage(index.beginMerge()));
}

export function mergedImage({ base, fresh, options }: MergeInput): IndexImage {
  return assembleImage(base, fresh, options);
}

export interface Scored {
  readonly id: string;
  readonly score: number;
}

/** Exact cosine in floats over every row: the reference. */
export function exactVectorSearch(rows: Iterable<ChunkRow>, query: Float32Array, options: SearchOptions): Scored[] {
  const found: Scored[] = [];
  for (const row of rows) {
    if (row.vector === null || !passes(row, options)) continue;
    const score = dot(row.vector, query) / Math.sqrt(dot(row.vector, row.vector) * dot(query, query));
    if (Number.isFinite(score)) found.push({ id: row.id, score });
  }
  return best(found, options.limit);
}

/** BM25 (k1 1.2, b .75) in floats with the same analysis: the reference. */
export function exactTextSearch(rows: Iterable<ChunkRow>, query: string, options: SearchOptions, own: Analyzer = analyzer): Scored[] {
  const all = [...rows].map((row) => ({ row, ...own.analyze(row.indexText) }));
  const averageLength = all.reduce((sum, { length }) => sum + length, 0) / all.length;
  const scores = new Map<ChunkRow, number>();
  for (const term of own.analyze(query).counts.keys()) {
    const having = all.filter(({ counts }) => counts.has(term));
    const idf = Math.log(1 + (all.length - having.length + 0.5) / (having.length + 0.5));
    for (const { row, counts, length } of having) {
      const count = counts.get(term) as number;
      const part = (count * 2.2) / (count + 1.2 * (0.25 + (0.75 * length) / averageLength));
      scores.set(row, (scores.get(row) ?? 0) + idf * part);
    }
  }
  const found = [...scores].filter(([row]) => passes(row, options)).map(([row, score]) => ({ id: row.id, score }));
  return best(found, options.limit);
}

function passes(row: ChunkRow, { filter, notBeforeMs }: { readonly filter: Filter | null; readonly notBeforeMs: number | null }): boolean {
  return (filter === null || matches(filter, row.attributes)) && (notBeforeMs === null || row.updatedAtMs >= notBeforeMs);
}

function best(found: Scored[], limit: number): Scored[] {
  return found.sort((left, right) => right.score - left.score || (left.id < right.id ? -1 : 1)).slice(0, limit);
}

function dot(left: Float32Array, right: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < left.length; at++) sum += (left[at] as number) * (right[at] as number);
  return sum;
}
