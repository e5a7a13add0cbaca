import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { connect, MatchQuery, type Table } from "@lancedb/lancedb";
import { loadStaticModel, type StaticModel } from "../../actors/embedding/static/static_model.ts";
import { weightedFusion } from "../../actors/retriever/fusion/weighted.ts";
import { serveCommands } from "../harness/side_process.ts";

/**
 * The thinnest server on a LanceDB table: it reads a query from a POST, embeds it, asks both indexes side by side, fuses,
 * reads the texts of ten hits and writes them as JSON. No checks, limits, metrics, logs, filters or deadlines. At most two
 * searches run at once, which suits LanceDB best on two cores: each of its calls runs on all of them.
 */
export interface ThinCommand {
  /** Where the tables lie. */
  readonly directory: string;
  readonly table: string;
}

const MAX_IN_FLIGHT = 2;
const CANDIDATES = 100;
const HITS = 10;
const ALPHA = 0.3;
const RESULT_COLUMNS = ["id", "document_id", "title", "url", "text"];

interface Row {
  readonly id: string;
  readonly [column: string]: unknown;
}

async function search(table: Table, model: StaticModel, query: string): Promise<string> {
  const vector = model.embedSync(query);
  const [lexical, dense] = await Promise.all([
    rows(table.query().fullTextSearch(new MatchQuery(query, "index_text")).select(["id", "_score"]).limit(CANDIDATES)),
    vector === null ? [] : rows(table.query().nearestTo(vector).column("vector").distanceType("l2").select(["id", "_distance"]).limit(CANDIDATES)), // biome-ignore format: one call
  ]);
  const list = (found: readonly Row[], weight: number, scoreOf: (row: Row) => number) => ({
    candidates: found.map((row) => ({ key: row.id, id: row.id, documentId: row.id, parentId: null, score: scoreOf(row) })),
    weight,
  });
  const fused = weightedFusion([
    list(dense, ALPHA, (row) => 1 - (row._distance as number) / 2),
    list(lexical, 1 - ALPHA, (row) => row._score as number),
  ]).slice(0, HITS);
  const ids = fused.map(({ chunk }) => `'${chunk.id.replaceAll("'", "''")}'`).join(",");
  const texts = new Map((await rows(table.query().where(`id IN (${ids})`).select(RESULT_COLUMNS))).map((row) => [row.id, row]));
  return JSON.stringify({ object: "list", data: fused.map(({ chunk, fused: score }) => ({ ...texts.get(chunk.id), score })) });
}

/** Rows as plain objects, column by column: Arrow's own row objects cost more than the search. */
async function rows(query: AsyncIterable<unknown>): Promise<Row[]> {
  const found: Row[] = [];
  for await (const batch of query) {
    const { schema, numRows, getChildAt } = batch as {
      readonly schema: { readonly fields: readonly { readonly name: string }[] };
      readonly numRows: number;
      getChildAt(place: number): { get(row: number): unknown } | null;
    };
    const columns = schema.fields.map(({ name }, place) => [name, getChildAt.call(batch, place)] as const);
    for (let row = 0; row < numRows; row += 1) {
      found.push(Object.fromEntries(columns.map(([name, column]) => [name, column?.get(row)])) as Row);
    }
  }
  return found;
}

async function readBody(request: AsyncIterable<unknown>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString("utf8");
}

/** Runs at most `limit` works at once, the others in the order they came. */
function limited(limit: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}

if (import.meta.main) {
  const model = await loadStaticModel();
  const inTurn = limited(MAX_IN_FLIGHT);
  let table: Table | null = null;
  const server = createServer(async (request, response) => {
    try {
      const { query } = JSON.parse(await readBody(request)) as { query: string };
      const answer = await inTurn(async () => search(table as Table, model, query));
      response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(answer) }).end(answer);
    } catch (thrown) {
      const text = String(thrown);
      response.writeHead(500, { "content-length": Buffer.byteLength(text) }).end(text);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await serveCommands<ThinCommand>(async ({ directory, table: name }) => {
    table?.close();
    table = await (await connect(directory)).openTable(name);
    return (server.address() as AddressInfo).port;
  });
}
