import type { MilvusClient } from "@zilliz/milvus2-sdk-node";
import type { Clock } from "../../../runtime/clock.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { Changes } from "../changes.ts";
import type { AttributeSchema } from "../filter.ts";
import type { IndexName, IndexSchema, VectorIndex } from "../vector_store.ts";
import {
  aliasName,
  type CollectionLayout,
  collectionFields,
  collectionName,
  type Described,
  FIELDS,
  missingAttributes,
  readLayout,
  SCHEMA_PROPERTY,
  schemaProperty,
} from "./collection.ts";
import type { MilvusConnection } from "./connection.ts";
import { isMissing, isNotLoaded, isWithoutIndex, succeeded } from "./failures.ts";
import { loadCollection } from "./loading.ts";

export interface IndexParameters {
  /** `HNSW`: a graph; `FLAT`: every vector is compared. */
  readonly indexType: "HNSW" | "FLAT";
  /** Neighbours of each node of the graph. */
  readonly m: number;
  /** Candidates weighed when a node is added. */
  readonly efConstruction: number;
}

/** Of unit vectors the inner product is the cosine, and zeros, which stand for no vector, are no special case. */
export const METRIC = "IP";
const MAX_LAYOUTS = 10_000;
const INDEX_TYPES: Readonly<Record<VectorIndex, IndexParameters["indexType"]>> = { hnsw: "HNSW", flat: "FLAT" };

/**
 * The collections that indexes lie in: made, dropped, described once, loaded. Invariants:
 *   C1. A collection is described and loaded once, however many ask at the same time, until it is forgotten.
 *   C2. Changes of one index run one after the other; reads never wait for them.
 */
export class Collections {
  readonly #connection: MilvusConnection;
  readonly #parameters: IndexParameters;
  readonly #clock: Clock;
  /** Outlives callers that go away: one load serves all. */
  readonly #closing: AbortSignal;
  readonly #layouts = new Map<string, Promise<CollectionLayout>>();
  readonly #changes = new Changes();
  #lastName: string | null = null;

  constructor(connection: MilvusConnection, parameters: IndexParameters, clock: Clock, closing: AbortSignal) {
    this.#connection = connection;
    this.#parameters = parameters;
    this.#clock = clock;
    this.#closing = closing;
  }

  get #client(): MilvusClient {
    return this.#connection.client;
  }

  /** Runs `work` on the index's collection. One that a restarted server has not loaded is loaded, and asked once more. */
  use<Result>(index: IndexName, work: (layout: CollectionLayout) => Promise<Result>): Promise<Result> {
    return this.#use(collectionName(index), work);
  }

  /** The same on the collection that was used last; null: none was, or it is gone. */
  async useLast<Result>(work: (layout: CollectionLayout) => Promise<Result>): Promise<Result | null> {
    if (this.#lastName === null) return null;
    try {
      return await this.#use(this.#lastName, work);
    } catch (thrown) {
      if (!isMissing(thrown)) throw thrown;
      this.#lastName = null;
      return null;
    }
  }

  async #use<Result>(name: string, work: (layout: CollectionLayout) => Promise<Result>): Promise<Result> {
    try {
      return await work(await this.#layout(name));
    } catch (thrown) {
      if (isMissing(thrown) || isNotLoaded(thrown)) this.#layouts.delete(name);
      if (!isNotLoaded(thrown)) throw thrown;
    }
    return work(await this.#layout(name));
  }

  /** Like `use`, after every earlier change of this index has ended. C2 */
  change<Result>(index: IndexName, work: (layout: CollectionLayout) => Promise<Result>): Promise<Result> {
    return this.#alone(index, () => this.use(index, work));
  }

  create(index: IndexName, schema: IndexSchema): Promise<void> {
    return this.#alone(index, async () => {
      const name = collectionName(index);
      const described = await this.#describe(name);
      if (described === null) await this.#createCollection(name, schema);
      // A process may have died between the collection and what belongs to it.
      if (described === null || !described.properties.some(({ key }) => key === SCHEMA_PROPERTY)) {
        await this.#keepSchema(name, schema.language, schema.attributes);
      }
      const hasText = described === null ? this.#connection.capabilities.hasText : readLayout(name, described).hasText;
      await this.#createIndexes(name, hasText, schema.vectorIndex);
      this.#layouts.delete(name);
      await this.#layout(name);
      await this.#placeAlias(aliasName(index.collection), name);
    });
  }

  drop(index: IndexName): Promise<void> {
    return this.#alone(index, async () => {
      const name = collectionName(index);
      this.#layouts.delete(name);
      if ((await this.#describe(name)) === null) return;
      await this.#moveAlias(index, name);
      succeeded(await this.#client.dropCollection({ collection_name: name }));
      this.#layouts.delete(name); // a search may have opened it again before it was gone
    });
  }

  extend(index: IndexName, attributes: AttributeSchema): Promise<void> {
    return this.change(index, async (layout) => {
      // Another node may have added some since it was described.
      const current = await this.#read(layout.name);
      const missing = missingAttributes(current, attributes);
      if (Object.keys(missing).length > 0) {
        await this.#keepSchema(layout.name, current.language, { ...Object.fromEntries(current.attributes), ...missing });
      }
      this.#layouts.delete(layout.name);
    });
  }

  /** Attributes that other nodes have added since the collection was described. */
  refresh(index: IndexName): Promise<CollectionLayout> {
    const name = collectionName(index);
    this.#layouts.delete(name);
    return this.#layout(name);
  }

  #alone<Result>(index: IndexName, work: () => Promise<Result>): Promise<Result> {
    return this.#changes.alone(collectionName(index), work);
  }

  #layout(name: string): Promise<CollectionLayout> {
    this.#lastName = name;
    const held = this.#layouts.get(name);
    if (held !== undefined) {
      this.#layouts.delete(name); // to the end: most recently used
      this.#layouts.set(name, held);
      return held;
    }
    const opening = this.#open(name);
    this.#layouts.set(name, opening);
    for (const oldest of this.#layouts.keys()) {
      if (this.#layouts.size <= MAX_LAYOUTS) break;
      this.#layouts.delete(oldest);
    }
    opening.catch(() => {
      if (this.#layouts.get(name) === opening) this.#layouts.delete(name);
    });
    return opening;
  }

  async #open(name: string): Promise<CollectionLayout> {
    const layout = await this.#read(name);
    await loadCollection(this.#client, name, this.#clock, this.#closing);
    return layout;
  }

  async #read(name: string): Promise<CollectionLayout> {
    return readLayout(name, succeeded(await this.#client.describeCollection({ collection_name: name })) as unknown as Described);
  }

  /** Null: there is no such collection. */
  async #describe(name: string): Promise<Described | null> {
    try {
      return succeeded(await this.#client.describeCollection({ collection_name: name })) as unknown as Described;
    } catch (thrown) {
      if (isMissing(thrown)) return null;
      throw thrown;
    }
  }

  async #createCollection(name: string, schema: IndexSchema): Promise<void> {
    const { DataType, FunctionType } = await import("@zilliz/milvus2-sdk-node");
    const { hasText } = this.#connection.capabilities;
    const bm25 = {
      name: "bm25",
      type: FunctionType.BM25,
      input_field_names: [FIELDS.terms],
      output_field_names: [FIELDS.termWeights],
      params: {},
    };
    try {
      await this.#client.createCollection({
        collection_name: name,
        fields: collectionFields(schema, hasText, DataType) as never,
        enable_dynamic_field: true,
        consistency_level: "Bounded",
        ...(hasText ? { functions: [bm25] } : {}),
      });
    } catch (thrown) {
      throw asRefusal(thrown);
    }
  }

  async #createIndexes(name: string, hasText: boolean, asked: VectorIndex | undefined): Promise<void> {
    const { m, efConstruction } = this.#parameters;
    const indexType = asked === undefined ? this.#parameters.indexType : INDEX_TYPES[asked];
    const params = indexType === "HNSW" ? { M: m, efConstruction } : {};
    const indexed = await this.#indexedFields(name);
    const create = async (request: { field_name: string; index_type: string; metric_type?: string; params?: object }) => {
      if (!indexed.has(request.field_name)) succeeded(await this.#client.createIndex({ collection_name: name, ...request } as never));
    };
    await create({ field_name: FIELDS.vector, index_type: indexType, metric_type: METRIC, params });
    if (hasText) await create({ field_name: FIELDS.termWeights, index_type: "SPARSE_INVERTED_INDEX", metric_type: "BM25", params: {} });
    if (this.#connection.capabilities.hasInverted) await create({ field_name: FIELDS.documentId, index_type: "INVERTED" });
  }

  async #indexedFields(name: string): Promise<ReadonlySet<string>> {
    const answer = await this.#client.describeIndex({ collection_name: name });
    if (isWithoutIndex(answer.status)) return new Set();
    return new Set(succeeded(answer).index_descriptions.map(({ field_name }) => field_name));
  }

  async #keepSchema(name: string, language: string, attributes: AttributeSchema): Promise<void> {
    const properties = { [SCHEMA_PROPERTY]: schemaProperty(language, attributes) };
    succeeded(await this.#client.alterCollectionProperties({ collection_name: name, properties } as never));
  }

  /** The first version that there is has the alias; the next one gets it when that is dropped, once it is in service. */
  async #placeAlias(alias: string, name: string): Promise<void> {
    if ((await this.#describe(alias)) !== null) return;
    succeeded(await this.#client.createAlias({ collection_name: name, alias }));
  }

  async #moveAlias(index: IndexName, name: string): Promise<void> {
    const alias = aliasName(index.collection);
    if ((await this.#describe(alias)) === null) return;
    const { data } = succeeded(await this.#client.showCollections());
    const versions = data
      .map((collection) => collection.name)
      .filter((other) => other !== name && other.startsWith(`${alias}_v`))
      .map((other) => Number(other.slice(alias.length + 2)))
      .filter((version) => Number.isSafeInteger(version));
    const next = versions.length === 0 ? null : Math.max(...versions);
    // Where the alias stands elsewhere already, moving it to the newest version is right too.
    if (next === null) succeeded(await this.#client.dropAlias({ alias } as never));
    else succeeded(await this.#client.alterAlias({ collection_name: `${alias}_v${next}`, alias }));
  }
}

/** The client throws an answer as it is, which is no error. */
function asRefusal(thrown: unknown): unknown {
  if (thrown instanceof Error || typeof thrown !== "object" || thrown === null) return thrown;
  try {
    succeeded(thrown);
  } catch (refusal) {
    return refusal;
  }
  return kennelError("internal", { cause: thrown });
}
