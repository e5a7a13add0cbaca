import type { MilvusClient, QueryReq } from "@zilliz/milvus2-sdk-node";
import { kennelError } from "../../../runtime/errors.ts";
import { SharedSlots } from "../../../runtime/shared_slots.ts";
import { isOneOf, milvusFilter, milvusLiteral } from "../milvus_filter.ts";
import type { Candidate, ChunkRow, FoundChunk, SearchOptions, StoredChunk } from "../vector_store.ts";
import { type CollectionLayout, FIELDS } from "./collection.ts";
import { METRIC } from "./collections.ts";
import { succeeded } from "./failures.ts";
import { type Answered, CANDIDATE_FIELDS, CHUNK_FIELDS, decodeCandidate, decodeChunk, decodeRow, ROW_FIELDS } from "./rows.ts";
import { type NearestRequest, SearchBatches } from "./search_batches.ts";

/**
 * Milvus' consistency levels, given on every call: without one a query is Strong, which waits about 200 ms for the next
 * tick of the server's clock. A write ends with a Strong read that has seen it, so that Bounded reads see it afterwards.
 */
export const CONSISTENCY = { strong: 0, bounded: 2 } as const;
export type Consistency = (typeof CONSISTENCY)[keyof typeof CONSISTENCY];

/** Ids in one expression. */
export const IDS_PER_QUERY = 1_000;
/** Rows in one answer; Milvus allows 16,384. */
export const MAX_PAGE_ROWS = 10_000;

export interface Reader {
  readonly client: MilvusClient;
  /** Candidates that the graph weighs for a search, at least. */
  readonly efSearch: number;
  readonly nearest: SearchBatches;
  /** Searches of texts by collection: channels are given out in the order of asking, and one collection could have them all. */
  readonly texts: SharedSlots<string>;
}

/** Texts of one collection that wait; how many calls the store is given at all is bounded before. */
const MAX_WAITING_TEXTS = 10_000;

/**
 * @param maxSearchCalls at once, in each of which one vector is searched for, or those of all that waited for it
 * @param channels to Milvus, each with one call at a time
 */
export function createReader(client: MilvusClient, efSearch: number, maxSearchCalls: number, channels: number): Reader {
  const nearest = new SearchBatches({
    maxCalls: maxSearchCalls,
    send: async ({ collection, field, metric, filter, fields, limit, params }, vectors) => {
      const answer = await client.search({
        collection_name: collection,
        anns_field: field,
        data: (vectors.length === 1 ? vectors[0] : vectors) as number[],
        metric_type: metric,
        params,
        limit,
        filter,
        output_fields: [...fields],
        consistency_level: CONSISTENCY.bounded as never,
      });
      const results: unknown = succeeded(answer).results;
      return (vectors.length === 1 ? [results] : results) as readonly (readonly Answered[])[];
    },
  });
  return { client, efSearch, nearest, texts: new SharedSlots({ places: channels, maxShare: 1, maxWaiting: MAX_WAITING_TEXTS }) };
}

const CANDIDATES_WITH_FLAG = [...CANDIDATE_FIELDS, FIELDS.hasVector];
const CHUNKS_WITH_FLAG = [...CHUNK_FIELDS, FIELDS.hasVector];

export async function searchVector(
  { efSearch, nearest }: Reader,
  layout: CollectionLayout,
  vector: Float32Array,
  options: SearchOptions,
  signal: AbortSignal,
): Promise<(Candidate | FoundChunk)[]> {
  if (vector.length !== layout.dimensions) {
    throw kennelError("invalid_request", {
      param: "vector",
      message: `vector has ${vector.length} dimensions; allowed: ${layout.dimensions}`,
    });
  }
  const direction = unitVector(vector);
  if (direction === null) return []; // near to nothing
  const showsAll = options.needed !== null;
  const request: NearestRequest = {
    collection: layout.name,
    field: FIELDS.vector,
    metric: METRIC,
    filter: filterOf(layout, options, null),
    fields: showsAll ? CHUNKS_WITH_FLAG : CANDIDATES_WITH_FLAG,
    limit: Math.min(options.limit, options.needed ?? options.limit),
    params: { ef: Math.max(efSearch, options.limit) },
  };
  const decode = (row: Answered) => {
    const candidate = decodeCandidate(row, row.score as number);
    return showsAll ? { ...candidate, chunk: decodeChunk(row) } : candidate;
  };
  const found = await nearest.search(request, direction, signal);
  if (found.every((row) => row[FIELDS.hasVector] === true)) return ranked(found.map(decode));
  // A condition is checked on every row of the collection, so it is asked for only where a row without a vector came up.
  const filter = filterOf(layout, options, `${FIELDS.hasVector} == true`);
  return ranked((await nearest.search({ ...request, filter }, direction, signal)).map(decode));
}

/** Null for zeros, which have no direction. Throws `invalid_request` for what is no vector. */
export function unitVector(vector: Float32Array): number[] | null {
  let squares = 0;
  for (const component of vector) squares += component * component;
  if (!Number.isFinite(squares)) throw kennelError("invalid_request", { param: "vector", message: "vector is not finite everywhere" });
  if (squares === 0) return null;
  const norm = Math.sqrt(squares);
  return Array.from(vector, (component) => component / norm);
}

/** BM25 on a server that has it. Milvus Lite gives its scores below 0. */
export async function searchText(
  reader: Reader,
  layout: CollectionLayout,
  words: readonly string[],
  options: SearchOptions,
  signal: AbortSignal,
): Promise<Candidate[]> {
  if (words.length === 0) return [];
  const filter = filterOf(layout, options, null);
  const release = await reader.texts.take(layout.name, signal);
  const { results } = succeeded(
    await reader.client
      .search({
        collection_name: layout.name,
        anns_field: FIELDS.termWeights,
        data: words.join(" "),
        metric_type: "BM25", // Lite does not look it up
        params: {},
        limit: options.limit,
        filter,
        output_fields: [...CANDIDATE_FIELDS],
        consistency_level: CONSISTENCY.bounded,
      })
      .finally(release),
  );
  const found = (results as readonly Answered[]).map((row) => decodeCandidate(row, Math.abs(row.score as number)));
  return ranked(found.filter(({ score }) => score > 0));
}

/** Empty: every row. */
function filterOf(layout: CollectionLayout, { filter, notBeforeMs }: SearchOptions, condition: string | null): string {
  const conditions: string[] = [];
  if (filter !== null) conditions.push(milvusFilter(filter, layout.attributes));
  if (notBeforeMs !== null) conditions.push(`${FIELDS.updatedAtMs} >= ${milvusLiteral(notBeforeMs)}`);
  if (condition !== null) conditions.push(condition);
  return conditions.join(" and ");
}

/** Best first, equal scores by id. */
export function ranked<Found extends Candidate>(found: Found[]): Found[] {
  return found.sort((left, right) => right.score - left.score || (left.id < right.id ? -1 : 1));
}

export async function fetchChunks({ client }: Reader, layout: CollectionLayout, ids: readonly string[]): Promise<StoredChunk[]> {
  const found: StoredChunk[] = [];
  for (let start = 0; start < ids.length; start += IDS_PER_QUERY) {
    const part = ids.slice(start, start + IDS_PER_QUERY);
    const rows = await query(client, layout, isOneOf(FIELDS.id, part), CHUNK_FIELDS, CONSISTENCY.bounded, part.length);
    found.push(...rows.map(decodeChunk));
  }
  return found;
}

export async function countRows(
  client: MilvusClient,
  layout: CollectionLayout,
  consistency: Consistency = CONSISTENCY.bounded,
): Promise<number> {
  const [row] = await query(client, layout, EVERY_ROW, ["count(*)"], consistency, null);
  const count = Number(row?.["count(*)"]);
  if (!Number.isSafeInteger(count)) throw new TypeError("A count from Milvus is no number");
  return count;
}

const EVERY_ROW = `${FIELDS.id} >= ""`;

/**
 * All rows in pages, in the order of their ids. Milvus shows no row of one moment: a row that is there from the first page
 * to the last comes once, others may come or not. An empty page ends it only where a count agrees.
 */
export async function* scanRows(client: MilvusClient, layout: CollectionLayout, pageRows: number): AsyncGenerator<readonly ChunkRow[]> {
  let seen = 0;
  for await (const rows of pages(client, layout, EVERY_ROW, ROW_FIELDS, Math.min(pageRows, MAX_PAGE_ROWS), CONSISTENCY.bounded)) {
    seen += rows.length;
    yield rows.map(decodeRow);
  }
  if (seen === 0 || seen < (await countRows(client, layout))) {
    const count = await countRows(client, layout, CONSISTENCY.strong);
    if (seen < count) {
      throw kennelError("unavailable", { message: `Milvus ended a scan after ${seen} rows, but the collection has ${count}` });
    }
  }
}

/** Pages of an expression by a cursor on the primary key: an offset would cost more with each page, and is limited. */
export async function* pages(
  client: MilvusClient,
  layout: CollectionLayout,
  condition: string,
  fields: readonly string[],
  pageRows: number,
  consistency: Consistency,
): AsyncGenerator<readonly Answered[]> {
  let after: string | null = null;
  for (;;) {
    const position: string = after === null ? condition : `${condition} and ${FIELDS.id} > ${milvusLiteral(after)}`;
    const rows = await query(client, layout, position, fields, consistency, pageRows, IN_ORDER);
    if (rows.length === 0) return;
    yield rows;
    if (rows.length < pageRows) return;
    after = lastId(rows);
  }
}

/** Milvus gives the rows of the lowest ids anyway, Milvus Lite only to those that it takes for an iterator. */
export const IN_ORDER = { iterator: "True", reduce_stop_for_best: "True" } as const;

function lastId(rows: readonly Answered[]): string {
  let last: Buffer | null = null;
  for (const row of rows) {
    const id = Buffer.from(row[FIELDS.id] as string); // Milvus compares bytes of UTF-8
    if (last === null || Buffer.compare(id, last) > 0) last = id;
  }
  return String(last);
}

async function query(
  client: MilvusClient,
  { name }: CollectionLayout,
  filter: string,
  fields: readonly string[],
  consistency: Consistency,
  limit: number | null,
  params: Readonly<Record<string, string>> = {},
): Promise<readonly Answered[]> {
  const request: QueryReq = {
    collection_name: name,
    filter,
    output_fields: [...fields],
    consistency_level: consistency as never,
    params,
    ...(limit === null ? {} : { limit }),
  };
  return succeeded(await client.query(request)).data;
}
