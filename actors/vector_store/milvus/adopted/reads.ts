import type { MilvusClient } from "@zilliz/milvus2-sdk-node";
import { cancellationOf } from "../../../../runtime/cancellation.ts";
import { kennelError } from "../../../../runtime/errors.ts";
import type { AdoptedColumn, AdoptedDocument, Adoption } from "../../adoption.ts";
import type { Filter } from "../../filter.ts";
import type { Candidate, ChunkRow, FoundChunk, SearchOptions, StoredChunk } from "../../vector_store.ts";
import { succeeded } from "../failures.ts";
import { CONSISTENCY, type Consistency, IDS_PER_QUERY, IN_ORDER, MAX_PAGE_ROWS, type Reader, ranked, unitVector } from "../reads.ts";
import type { Answered } from "../rows.ts";
import { adoptedFilter, columnName, everyRow, idLiteral, isOneOfIds } from "./filter.ts";
import { candidateFields, chunkFields, decodeAdoptedCandidate, decodeAdoptedChunk } from "./rows.ts";
import { searchParameters, toCosine } from "./scores.ts";

/** Rows of one document that are put together. */
const MAX_DOCUMENT_ROWS = 1_000;

export async function searchAdoptedVector(
  { nearest, efSearch }: Reader,
  adoption: Adoption,
  vector: Float32Array,
  options: SearchOptions,
  signal: AbortSignal,
): Promise<(Candidate | FoundChunk)[]> {
  if (vector.length !== adoption.dimensions) {
    throw kennelError("invalid_request", {
      param: "vector",
      message: `vector has ${vector.length} dimensions; allowed: ${adoption.dimensions}`,
    });
  }
  const direction = unitVector(vector);
  if (direction === null) return []; // near to nothing
  const showsAll = options.needed !== null;
  const request = {
    collection: adoption.collection,
    field: adoption.fields.vector,
    metric: adoption.metric,
    filter: conditionOf(adoption, options.filter),
    fields: showsAll ? chunkFields(adoption) : candidateFields(adoption),
    limit: Math.min(options.limit, options.needed ?? options.limit),
    params: searchParameters(adoption, efSearch, options.limit),
  };
  const found = await nearest.search(request, direction, signal);
  return ranked(
    found.map((row) => {
      const candidate = decodeAdoptedCandidate(row, adoption, toCosine(adoption, row.score as number));
      return showsAll ? { ...candidate, chunk: decodeAdoptedChunk(row, adoption) } : candidate;
    }),
  );
}

/** By the words that the server itself makes of the query. Milvus Lite gives its scores below 0. */
export async function searchAdoptedText(
  { client }: Reader,
  adoption: Adoption,
  query: string,
  options: SearchOptions,
): Promise<Candidate[]> {
  if (adoption.textSearch === null) throw new TypeError("The server does not rank the texts of this adopted collection");
  if (query.trim() === "") return [];
  const { results } = succeeded(
    await client.search({
      collection_name: adoption.collection,
      anns_field: adoption.textSearch,
      data: query,
      metric_type: "BM25",
      params: {},
      limit: options.limit,
      filter: conditionOf(adoption, options.filter),
      output_fields: [...candidateFields(adoption)],
      consistency_level: CONSISTENCY.bounded,
    }),
  );
  const found = (results as readonly Answered[]).map((row) => decodeAdoptedCandidate(row, adoption, Math.abs(row.score as number)));
  return ranked(found.filter(({ score }) => score > 0));
}

export async function fetchAdoptedChunks({ client }: Reader, adoption: Adoption, ids: readonly string[]): Promise<StoredChunk[]> {
  const found: StoredChunk[] = [];
  for (let start = 0; start < ids.length; start += IDS_PER_QUERY) {
    const part = ids.slice(start, start + IDS_PER_QUERY);
    const condition = isOneOfIds(adoption.fields.id, idColumn(adoption), part);
    const rows = await queryAdopted(client, adoption, { condition, fields: chunkFields(adoption), limit: part.length });
    found.push(...rows.map((row) => decodeAdoptedChunk(row, adoption)));
  }
  return found;
}

/** All rows, without vectors, in the order of their ids; each page is of its own moment. It ends only where a count agrees. */
export async function* scanAdoptedRows(client: MilvusClient, adoption: Adoption, pageRows: number): AsyncGenerator<readonly ChunkRow[]> {
  let seen = 0;
  const size = Math.min(pageRows, MAX_PAGE_ROWS);
  for await (const page of adoptedPages(client, adoption, everyRowOf(adoption), chunkFields(adoption), { pageRows: size })) {
    seen += page.length;
    yield page.map((row) => {
      const chunk = decodeAdoptedChunk(row, adoption);
      return { ...chunk, indexText: [chunk.title, chunk.text].filter((part) => part !== "").join("\n"), vector: null };
    });
  }
  if (seen >= (await countAdoptedRows(client, adoption))) return;
  const count = await countAdoptedRows(client, adoption, CONSISTENCY.strong);
  if (seen < count)
    throw kennelError("unavailable", { message: `Milvus ended a scan after ${seen} rows, but the collection has ${count}` });
}

export async function countAdoptedRows(
  client: MilvusClient,
  adoption: Adoption,
  consistency: Consistency = CONSISTENCY.bounded,
): Promise<number> {
  const [row] = await queryAdopted(client, adoption, { condition: everyRowOf(adoption), fields: ["count(*)"], limit: null, consistency });
  const count = Number(row?.["count(*)"]);
  if (!Number.isSafeInteger(count)) throw new TypeError("A count from Milvus is no number");
  return count;
}

/** The rows that belong to one of these documents: by their field, and where a row has none by its id. */
export function rowsOfDocuments(adoption: Adoption, ids: readonly string[]): string {
  const { documentId, id } = adoption.fields;
  const byId = isOneOfIds(id, idColumn(adoption), ids);
  const column = documentId === null ? undefined : adoption.columns[documentId];
  if (documentId === null || column === undefined) return byId;
  const byDocument = isOneOfIds(documentId, column, ids);
  const name = columnName(documentId, column);
  const isNone = column.type === "string" ? `${name} == ""` : null; // as `decodeAdoptedCandidate` has it
  if (column.isDynamic)
    return documentsOrRows({ isPresent: `(exists ${name})`, isAbsent: `(not (exists ${name}))`, isNone, byDocument, byId });
  if (column.isNullable)
    return documentsOrRows({ isPresent: `(${name} is not null)`, isAbsent: `(${name} is null)`, isNone, byDocument, byId });
  return isNone === null ? byDocument : `(${byDocument} or (${isNone} and ${byId}))`;
}

interface DocumentConditions {
  readonly isPresent: string;
  readonly isAbsent: string;
  /** Null: a value always names a document. */
  readonly isNone: string | null;
  readonly byDocument: string;
  readonly byId: string;
}

function documentsOrRows({ isPresent, isAbsent, isNone, byDocument, byId }: DocumentConditions): string {
  const named = `(${isPresent} and ${byDocument})`;
  const nameless = `(${isAbsent} and ${byId})`;
  return isNone === null ? `(${named} or ${nameless})` : `(${named} or ${nameless} or (${isPresent} and ${isNone} and ${byId}))`;
}

export async function heldDocuments(
  client: MilvusClient,
  adoption: Adoption,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const held = new Set<string>();
  for await (const page of adoptedPages(client, adoption, rowsOfDocuments(adoption, ids), candidateFields(adoption), { signal })) {
    for (const row of page) held.add(decodeAdoptedCandidate(row, adoption, 0).documentId);
  }
  return ids.filter((id) => held.has(id));
}

/** Documents whose rows match, from as many rows as that takes. */
export async function matchDocuments(
  client: MilvusClient,
  adoption: Adoption,
  filter: Filter,
  limit: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const found = new Set<string>();
  for await (const page of adoptedPages(client, adoption, adoptedFilter(filter, adoption), candidateFields(adoption), { signal })) {
    for (const row of page) {
      if (found.size >= limit) return [...found];
      found.add(decodeAdoptedCandidate(row, adoption, 0).documentId);
    }
  }
  return [...found];
}

export async function readDocument(client: MilvusClient, adoption: Adoption, id: string): Promise<AdoptedDocument | null> {
  const condition = rowsOfDocuments(adoption, [id]);
  const rows = await queryAdopted(client, adoption, {
    condition,
    fields: chunkFields(adoption),
    limit: MAX_DOCUMENT_ROWS,
    isInOrder: true,
  });
  const chunks = rows.map((row) => decodeAdoptedChunk(row, adoption)).sort((a, b) => inOrder(a.id, b.id));
  const [first] = chunks;
  if (first === undefined) return null;
  const text = chunks.map((chunk) => chunk.text).join("\n\n");
  return { title: first.title, url: first.url, text, attributes: first.attributes, rows: chunks.length };
}

const NUMBERS_AS_SUCH = new Intl.Collator("en", { numeric: true });

/** `doc#2` before `doc#10`: ids that end in numbers are counted. */
function inOrder(left: string, right: string): number {
  return NUMBERS_AS_SUCH.compare(left, right);
}

export interface PageOptions {
  /** @default as many as Milvus gives at once */
  readonly pageRows?: number;
  /** @default bounded */
  readonly consistency?: Consistency;
  /** No page is asked for any more once it aborts. @default whoever reads the pages ends that */
  readonly signal?: AbortSignal;
}

/** Pages of an expression by a cursor on the primary key. */
export async function* adoptedPages(
  client: MilvusClient,
  adoption: Adoption,
  condition: string,
  fields: readonly string[],
  { pageRows = MAX_PAGE_ROWS, consistency = CONSISTENCY.bounded, signal }: PageOptions = {},
): AsyncGenerator<readonly Answered[]> {
  const { id } = adoption.fields;
  let after: string | null = null;
  for (;;) {
    if (signal?.aborted) throw cancellationOf(signal);
    const position: string = after === null ? condition : `(${condition}) and ${id} > ${after}`;
    const rows = await queryAdopted(client, adoption, { condition: position, fields, limit: pageRows, isInOrder: true, consistency });
    if (rows.length === 0) return;
    yield rows;
    if (rows.length < pageRows) return;
    after = lastKey(rows, adoption);
  }
}

/** The greatest primary key of the rows, as a literal. Milvus compares strings by the bytes of UTF-8. */
function lastKey(rows: readonly Answered[], adoption: Adoption): string {
  const { id } = adoption.fields;
  const isGreater =
    idColumn(adoption).type === "integer"
      ? (a: string, b: string) => BigInt(a) > BigInt(b)
      : (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b)) > 0;
  const keys = rows.map((row) => String(row[id]));
  const last = keys.reduce((greatest, key) => (isGreater(key, greatest) ? key : greatest));
  const literal = idLiteral(idColumn(adoption), last);
  if (literal === null) throw new TypeError("A primary key of an adopted collection is not of its type");
  return literal;
}

interface AdoptedQuery {
  readonly condition: string;
  readonly fields: readonly string[];
  readonly limit: number | null;
  readonly isInOrder?: boolean;
  readonly consistency?: Consistency;
}

async function queryAdopted(client: MilvusClient, { collection }: Adoption, query: AdoptedQuery): Promise<readonly Answered[]> {
  const { condition, fields, limit, isInOrder = false, consistency = CONSISTENCY.bounded } = query;
  const answer = await client.query({
    collection_name: collection,
    filter: condition,
    output_fields: [...fields],
    consistency_level: consistency as never,
    params: isInOrder ? IN_ORDER : {},
    ...(limit === null ? {} : { limit }),
  });
  return succeeded(answer).data;
}

function conditionOf(adoption: Adoption, filter: Filter | null): string {
  return filter === null ? "" : adoptedFilter(filter, adoption);
}

function everyRowOf(adoption: Adoption): string {
  return everyRow(adoption.fields.id, idColumn(adoption).type);
}

export function idColumn({ columns, fields }: Adoption): AdoptedColumn {
  return columns[fields.id] ?? { type: "string", isDynamic: false, isNullable: false, isRequired: true, maxBytes: null };
}
