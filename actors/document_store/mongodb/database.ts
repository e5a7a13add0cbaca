import type { Collection, Filter, MongoClient, WithId } from "mongodb";
import { KennelError } from "../../../runtime/errors.ts";
import type { AttributeSchema } from "../../vector_store/filter.ts";
import type { CollectionRecord } from "../collection_record.ts";
import type { IndexVersion } from "../index_version.ts";
import { noCollection } from "../rules.ts";
import type { WorkClaims } from "../work_claims.ts";
import { MongoClaims } from "./claims.ts";
import { type Lease, Leases, type Unfinished } from "./lease.ts";
import { type CollectionDocument, type LeaseDocument, prepareDatabase, type Stores, storesOf } from "./schema.ts";
import { finishOperation, UnitOfWork } from "./unit_of_work.ts";

/** What the server can do beyond what is asked of every one. */
export interface Capabilities {
  /** Finds documents by an index when a filter says more than one `_id`: `$in`, and `_id` with another condition. */
  readonly hasIndexedFilters: boolean;
}

export interface DatabaseOptions {
  readonly client: MongoClient;
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly onCreated: () => void;
  /** Longest that opening waits for what others have begun; it is ended all the same. */
  readonly settleMs: number;
  /** Told of each collection for which that was too short, once what was begun has ended: its record may have changed. */
  readonly onSettled: (collection: string) => void;
  readonly leases: ConstructorParameters<typeof Leases>[0] extends infer Options ? Omit<Options, "leases"> : never;
}

/** Lookups of one `_id` each that are under way together. */
const MAX_LOOKUPS = 8;
/** Ids of one `$in`. */
const MAX_IDS = 500;
/** Leases looked at by one recovery. */
const MAX_RECOVERED = 1_000;

/** The stores of one database, read by `_id` and written under the lease of a collection. */
export class Database {
  readonly stores: Stores;
  readonly capabilities: Capabilities;
  readonly claims: WorkClaims;
  readonly #leases: Leases;
  /** Collections with an operation that this node has begun and not ended. */
  readonly #unfinished = new Set<string>();
  readonly #owner: string;

  private constructor(options: DatabaseOptions) {
    const database = options.client.db(options.name);
    this.stores = storesOf(database);
    this.capabilities = options.capabilities;
    this.#owner = options.leases.owner;
    this.#leases = new Leases({ ...options.leases, leases: this.stores.leases });
    this.claims = new MongoClaims(this.stores, options.leases);
  }

  /**
   * Makes the indexes and ends what an earlier life of a node has left half done. Who left it counts as alive for a lease's
   * time, for which a start does not wait: until then it reads what every other node reads.
   */
  static async open(options: DatabaseOptions): Promise<Database> {
    const { leases, settleMs, onSettled } = options;
    if (await prepareDatabase(options.client.db(options.name))) options.onCreated();
    const database = new Database(options);
    const held = await database.stores.leases.find({ owner: { $ne: null } }, { limit: MAX_RECOVERED }).toArray();
    const waited = new AbortController();
    const settling = held.map(async (lease) => {
      await database.#settle(lease);
      if (waited.signal.aborted) onSettled(lease._id);
    });
    for (const [at, late] of settling.entries()) late.catch(() => database.#unfinished.add((held[at] as LeaseDocument)._id)); // `heal` tries again
    const limit = leases.clock.sleep(settleMs, waited.signal).catch(() => {});
    await Promise.race([Promise.all(settling), limit]).finally(() => waited.abort());
    return database;
  }

  /** Ends what a failure in this life has left half done. */
  async heal(): Promise<void> {
    for (const name of [...this.#unfinished]) await this.#recover(name);
  }

  /** Runs `work` while nobody else writes to the collection of this name, whether there is one or not, and commits what it has collected. */
  writeName<Result>(name: string, work: (unit: UnitOfWork) => Promise<Result>): Promise<Result> {
    const finish = (unfinished: Unfinished, lease: Lease) => finishOperation(this, unfinished, lease);
    return this.#leases.hold(name, finish, async (lease) => {
      this.#unfinished.delete(name);
      const unit = new UnitOfWork(this, lease);
      try {
        const result = await work(unit);
        await unit.commit();
        return result;
      } finally {
        // Once done, a lease that cannot be let go is taken over by whoever needs it next and leaves nothing to do.
        if (unit.hasWritten || !(await isDone(lease.release()))) this.#unfinished.add(name);
      }
    });
  }

  /** The same for a collection that is there. @throws `not_found` */
  async write<Result>(name: string, work: (unit: UnitOfWork, collection: CollectionDocument) => Promise<Result>): Promise<Result> {
    await this.collection(name); // a name that is nobody's gets no lease
    return this.writeName(name, async (unit) => work(unit, await this.collection(name)));
  }

  /** @throws `not_found` */
  async collection(name: string): Promise<CollectionDocument> {
    const found = await this.stores.collections.findOne({ _id: name });
    if (found === null || found.isDeleting) throw noCollection(name);
    return found;
  }

  /** Keys of collections that are being removed. */
  async deletingKeys(): Promise<readonly string[]> {
    const found = await this.stores.collections.find({ isDeleting: true }, { projection: { c: 1 } }).toArray();
    return found.map(({ c }) => c);
  }

  /** Those of the documents that are there, by id. */
  async getMany<Document extends { readonly _id: string }>(
    store: Collection<Document>,
    ids: readonly string[],
  ): Promise<ReadonlyMap<string, WithId<Document>>> {
    const found = new Map<string, WithId<Document>>();
    const keep = (document: WithId<Document> | null) => document !== null && found.set(document._id as string, document);
    if (this.capabilities.hasIndexedFilters) {
      for (let at = 0; at < ids.length; at += MAX_IDS) {
        const filter = { _id: { $in: ids.slice(at, at + MAX_IDS) } } as unknown as Filter<Document>;
        for await (const document of store.find(filter)) keep(document);
      }
      return found;
    }
    const queue = [...new Set(ids)];
    const work = async () => {
      for (let id = queue.pop(); id !== undefined; id = queue.pop()) keep(await store.findOne({ _id: id } as Filter<Document>));
    };
    await Promise.all(Array.from({ length: Math.min(MAX_LOOKUPS, queue.length) }, work));
    return found;
  }

  /** An operation that another node's holder has left, or goes on with. */
  async #settle(lease: LeaseDocument): Promise<void> {
    try {
      await this.#leases.settle(lease, (unfinished, taken) => finishOperation(this, unfinished, taken));
    } catch (thrown) {
      // Another node that starts, or wants to write, was first: it ends what was left.
      if (!(thrown instanceof KennelError)) throw thrown;
    }
  }

  async #recover(name: string): Promise<void> {
    const found = await this.stores.leases.findOne({ _id: name });
    if (found === null || found.owner === null) this.#unfinished.delete(name);
    else if (found.owner !== this.#owner || this.#unfinished.has(name)) await this.writeName(name, async () => {});
  }
}

async function isDone(step: Promise<void>): Promise<boolean> {
  return step.then(
    () => true,
    () => false,
  );
}

export function toCollectionRecord(document: CollectionDocument): CollectionRecord {
  return {
    name: document._id,
    settings: JSON.parse(document.settings) as CollectionRecord["settings"],
    attributes: attributesOf(document),
    version: document.version,
    versions: versionsOf(document),
    indexVersion: document.indexVersion,
    documents: document.documents,
    chunks: document.chunks,
    createdAtMs: document.createdAtMs,
    updatedAtMs: document.updatedAtMs,
  };
}

export function attributesOf(document: CollectionDocument): AttributeSchema {
  return JSON.parse(document.attributes) as AttributeSchema;
}

export function versionsOf(document: CollectionDocument): readonly IndexVersion[] {
  return JSON.parse(document.versions) as IndexVersion[];
}
