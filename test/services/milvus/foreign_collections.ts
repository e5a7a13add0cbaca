/** Collections as applications make them, without Kennel. */
import { type CreateCollectionReq, DataType, FunctionType, MilvusClient } from "@zilliz/milvus2-sdk-node";
import * as assert from "uvu/assert";
import { loadStaticModel } from "../../../actors/embedding/static/static_model.ts";
import type { Attributes } from "../../../actors/vector_store/filter.ts";

const never = new AbortController().signal;

export const ARTICLES = [
  "The beagle is a small scent hound that was bred to hunt hare",
  "A manx is a cat without a tail that comes from the Isle of Man",
  "Milvus keeps vectors and finds those that are nearest to another one",
  "A retriever brings back the birds that a hunter has shot",
  "Bread is baked from flour, water, salt and yeast",
  "The lighthouse warns ships at night with its light",
] as const;

/** What each article has beside its text, as a filter sees it: the second has no year where the server knows nothing of null. */
export function attributesOf(place: number, hasNull: boolean): Attributes {
  return {
    ...(hasNull && place === 1 ? {} : { year: 1990 + place }),
    small: place - 2,
    price: Math.fround(1.1 * place),
    ok: place % 2 === 0,
    ...(place === 3 ? {} : { lang: place % 2 === 0 ? "en" : 'de"\\' }),
    rank: place / 2,
  };
}

export class ForeignMaker {
  readonly #client: MilvusClient;
  readonly #hasText: boolean;

  private constructor(client: MilvusClient, hasText: boolean) {
    this.#client = client;
    this.#hasText = hasText;
  }

  static async connect(address: string, hasText: boolean): Promise<ForeignMaker> {
    const client = new MilvusClient({ address, telemetry: { enabled: false }, logLevel: "error" });
    await client.connectPromise;
    return new ForeignMaker(client, hasText);
  }

  async close(): Promise<void> {
    await this.#client.closeConnection();
  }

  /** An Int64 key that Milvus gives, L2 over unit vectors, an inverted file, fields of many types and keys beside the schema. */
  async makeArticles(): Promise<void> {
    const hasText = this.#hasText;
    await this.#create({
      collection_name: "articles",
      enable_dynamic_field: true,
      fields: [
        { name: "pk", data_type: DataType.Int64, is_primary_key: true, autoID: true },
        { name: "embedding", data_type: DataType.FloatVector, dim: 256 },
        { name: "body", data_type: DataType.VarChar, max_length: 1_000, ...(hasText ? { enable_analyzer: true } : {}) },
        { name: "year", data_type: DataType.Int64, ...(hasText ? { nullable: true } : {}) },
        { name: "small", data_type: DataType.Int8 },
        { name: "price", data_type: DataType.Float },
        { name: "ok", data_type: DataType.Bool },
        { name: "meta", data_type: DataType.JSON },
        ...(hasText ? [{ name: "sparse", data_type: DataType.SparseFloatVector, is_function_output: true }] : []),
      ],
      ...(hasText
        ? { functions: [{ name: "f", type: FunctionType.BM25, input_field_names: ["body"], output_field_names: ["sparse"], params: {} }] }
        : {}),
    } as never);
    await this.index("articles", "embedding", "IVF_FLAT", "L2", { nlist: 4 });
    if (hasText) await this.index("articles", "sparse", "SPARSE_INVERTED_INDEX", "BM25");
    await this.addArticles(ARTICLES);
  }

  async addArticles(texts: readonly string[], from = 0): Promise<void> {
    const vectors = await embedded(texts);
    const rows = texts.map((body, place) => {
      const { year = this.#hasText ? null : 0, ...others } = attributesOf(from + place, this.#hasText);
      return { embedding: vectors[place], body, year, ...others, meta: { a: place }, "we-ird": 1 };
    });
    await this.insert("articles", rows);
  }

  /** A VarChar key, cosine, a graph, and nothing beside the schema: rows that somebody else may write. */
  async makeNotes(name: string): Promise<void> {
    const text = (field: string, bytes: number) => ({ name: field, data_type: DataType.VarChar, max_length: bytes });
    await this.#create({
      collection_name: name,
      fields: [
        { ...text("id", 64), is_primary_key: true },
        { name: "vector", data_type: DataType.FloatVector, dim: 256 },
        text("doc_id", 64),
        text("text", 400),
        text("lang", 8),
        { name: "year", data_type: DataType.Int32 },
      ],
    } as never);
    await this.index(name, "vector", "HNSW", "COSINE", { M: 8, efConstruction: 64 });
    const vectors = await embedded(ARTICLES);
    const rows = ARTICLES.map((each, place) => ({
      id: `old${place}`,
      vector: vectors[place],
      doc_id: `article${Math.floor(place / 2)}`,
      text: each,
      lang: place < 4 ? "en" : "de",
      year: 2_000 + place,
    }));
    await this.insert(name, rows);
  }

  /** Vectors of four dimensions and any length under the inner product, two texts, no index unless asked for. */
  async makePlain(name: string, fields: readonly string[], isIndexed = true): Promise<void> {
    await this.#create({
      collection_name: name,
      fields: [
        { name: "id", data_type: DataType.Int64, is_primary_key: true, autoID: false },
        { name: "vector", data_type: DataType.FloatVector, dim: 4 },
        ...fields.map((field) => ({ name: field, data_type: DataType.VarChar, max_length: 1_000 })),
      ],
    } as never);
    if (isIndexed) await this.index(name, "vector", "FLAT", "IP");
    const row = (id: number) => ({ id, vector: [id, 1, 0, 0], ...Object.fromEntries(fields.map((field) => [field, `${field} ${id}`])) });
    await this.insert(name, [row(1), row(2), row(3)]);
  }

  async index(name: string, field: string, type: string, metric: string, params: object = {}): Promise<void> {
    succeeded(
      await this.#client.createIndex({ collection_name: name, field_name: field, index_type: type, metric_type: metric, params } as never),
    );
  }

  async insert(name: string, rows: readonly object[]): Promise<void> {
    succeeded((await this.#client.insert({ collection_name: name, data: rows as never })).status);
  }

  async rows(name: string, filter: string, fields: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const { status, data } = await this.#client.query({
      collection_name: name,
      filter,
      output_fields: [...fields],
      consistency_level: 0 as never,
    });
    succeeded(status);
    return data;
  }

  async count(name: string): Promise<number> {
    const { data } = await this.#client.query({
      collection_name: name,
      filter: "",
      output_fields: ["count(*)"],
      consistency_level: 0 as never,
    });
    return Number(data[0]?.["count(*)"]);
  }

  /** All that the server has, whoever made it. */
  async names(): Promise<readonly string[]> {
    const { data } = await this.#client.showCollections();
    return data.map(({ name }) => name).sort();
  }

  /** What the server says of the collection, apart from what time and rows change. */
  async describe(name: string): Promise<object> {
    const { schema, properties, aliases } = await this.#client.describeCollection({ collection_name: name });
    const { index_descriptions: indexes } = await this.#client.describeIndex({ collection_name: name });
    return { fields: schema.fields.map((field) => field.name), properties, aliases, indexes: indexes.map(({ params }) => params) };
  }

  async alias(alias: string, name: string): Promise<void> {
    succeeded(await this.#client.createAlias({ collection_name: name, alias }));
  }

  async release(name: string): Promise<void> {
    succeeded(await this.#client.releaseCollection({ collection_name: name }));
  }

  async drop(name: string): Promise<void> {
    succeeded(await this.#client.dropCollection({ collection_name: name }));
  }

  async #create(request: CreateCollectionReq): Promise<void> {
    succeeded(await this.#client.createCollection(request));
  }
}

/** As Kennel's own model makes them, so that its queries find them. */
export async function embedded(texts: readonly string[]): Promise<readonly number[][]> {
  const vectors = await (await loadStaticModel()).embed(texts, "document", never);
  return vectors.map((vector) => Array.from(vector as Float32Array));
}

function succeeded(status: { readonly error_code?: unknown; readonly reason?: string }): void {
  assert.is(status.error_code, "Success", status.reason);
}
