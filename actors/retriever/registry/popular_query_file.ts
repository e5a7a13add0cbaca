import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { z } from "zod";
import { DEFAULT_OPTIONS, INCLUDES, type SearchRequest, STRATEGIES } from "../search.ts";
import type { PopularByCollection, PopularQuery, PopularQueryStore } from "./popular_queries.ts";

/** A larger file was not written by this code. */
const MAX_BYTES = 256 * 1_048_576;

const share = z.number().min(0);
const fusionSchema = z.union([
  z.object({ type: z.literal("weighted"), alpha: share.max(1) }),
  z.object({ type: z.literal("rrf"), k: z.number().positive(), weights: z.object({ vector: share, bm25: share }) }),
]);

/** A filter is of any shape here: it is checked against its collection's attributes before it is used. */
const querySchema = z.object({
  count: z.int().min(1),
  tenant: z.string(),
  principals: z.array(z.string()).nullable(),
  collection: z.string(),
  query: z.string(),
  strategy: z.enum(STRATEGIES),
  top_k: z.int().min(1).max(1_000),
  candidate_k: z.int().min(1).max(1_000),
  filter: z.unknown(),
  fusion: fusionSchema.nullable(),
  group_by: z.literal("document").nullable(),
  score_threshold: z.number().nullable(),
  include: z.array(z.enum(INCLUDES)),
});
const fileSchema = z.object({ version: z.literal(1), collections: z.record(z.string(), z.array(querySchema)) });

type WrittenQuery = z.infer<typeof querySchema>;

/**
 * The most asked questions in one JSON file, readable for its owner alone: what people ask is theirs. It is replaced as a
 * whole, and one that is missing, of another version or damaged counts for an empty one.
 */
export class PopularQueryFile implements PopularQueryStore {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<PopularByCollection> {
    const text = await readBounded(this.#path);
    const parsed = fileSchema.safeParse(parseJson(text));
    if (!parsed.success) return new Map();
    return new Map(Object.entries(parsed.data.collections).map(([name, queries]) => [name, queries.map(fromFile)]));
  }

  async write(queries: PopularByCollection): Promise<void> {
    const collections = Object.fromEntries([...queries].map(([name, list]) => [name, list.map(toFile)]));
    const draft = `${this.#path}.draft`;
    await writeFile(draft, JSON.stringify({ version: 1, collections }), { mode: 0o600 });
    await rename(draft, this.#path);
  }

  async clear(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

async function readBounded(path: string): Promise<string> {
  try {
    return (await stat(path)).size > MAX_BYTES ? "" : await readFile(path, "utf8");
  } catch (thrown) {
    if ((thrown as { code?: string }).code === "ENOENT") return "";
    throw thrown;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function toFile({ scope, request, count }: PopularQuery): WrittenQuery {
  return {
    count,
    tenant: scope.tenant,
    principals: scope.principals === null ? null : [...scope.principals],
    collection: request.collection,
    query: request.query ?? "",
    strategy: request.strategy,
    top_k: request.topK,
    candidate_k: request.candidateK,
    filter: request.filter,
    fusion: request.fusion,
    group_by: request.groupBy,
    score_threshold: request.scoreThreshold,
    include: [...request.include],
  };
}

function fromFile(written: WrittenQuery): PopularQuery {
  const { count, tenant, principals } = written;
  const request: SearchRequest = {
    collection: written.collection,
    query: written.query,
    vector: null,
    strategy: written.strategy,
    options: DEFAULT_OPTIONS,
    topK: written.top_k,
    candidateK: written.candidate_k,
    filter: written.filter as SearchRequest["filter"],
    fusion: written.fusion,
    groupBy: written.group_by,
    scoreThreshold: written.score_threshold,
    rerank: false,
    allowDegraded: null,
    minVersion: null,
    include: written.include,
    explain: false,
    useCache: true,
  };
  return { scope: { tenant, principals }, request, count };
}
