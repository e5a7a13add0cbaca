import { join } from "node:path";
import type { WatchedService } from "../../actors/coordinator/coordinator.ts";
import type { DocumentStore } from "../../actors/document_store/document_store.ts";
import { loadAnalyzer } from "../../actors/retriever/index/resident/analyzer.ts";
import { AdoptedWords } from "../../actors/vector_store/adopted_words.ts";
import { Adoptions, type ForeignCollections } from "../../actors/vector_store/adoption.ts";
import { openLanceDb } from "../../actors/vector_store/lancedb.ts";
import { LexicalReplica } from "../../actors/vector_store/lexical_replica.ts";
import type { MilvusOptions, MilvusStore } from "../../actors/vector_store/milvus.ts";
import { openMilvusFailover } from "../../actors/vector_store/milvus_failover.ts";
import { ReplicaLevels } from "../../actors/vector_store/replica_levels.ts";
import { superviseVectorStore, type VectorStoreTimeouts } from "../../actors/vector_store/supervised.ts";
import type { LexicalIndex, VectorStore } from "../../actors/vector_store/vector_store.ts";
import { parseMilvusAddresses } from "../../config/milvus_addresses.ts";
import type { Bulkhead } from "../../supervisor/bulkhead.ts";
import { type Service, superviseService } from "../../supervisor/service.ts";
import type { ServiceParts } from "./parts.ts";
import { makeBulkhead } from "./sharing.ts";

const VECTORS_FOLDER = "vectors";
/** Texts of indexes whose vectors are in a Milvus that does not rank texts. */
const LEXICAL_FOLDER = "lexical";
/** Up to which index versions they go. */
const LEVELS_FOLDER = "lexical_levels";
/** Merging files and building indexes may take this long. */
const OPTIMIZE_LIMIT_MS = 600_000;
/** Of Milvus: searches that wait for a channel go through it together, where LanceDB's calls would only wait for one another. */
const CALLS_PER_CHANNEL = 8;

type Store = VectorStore & LexicalIndex;

export interface VectorServices {
  readonly service: WatchedService;
  /** Who answers text searches: the same, or another. */
  readonly lexicalService: WatchedService;
  readonly vectors: Store;
  readonly bulkhead: Bulkhead;
  /** Whether it is another process, so that a second attempt of a slow call may find a quicker way. */
  readonly isRemote: boolean;
  /** Told of each new version of a collection's index that this node has written. */
  readonly onIndexChanged: (collection: string, indexVersion: number) => void;
  /** Which of Kennel's collections lie in one of others; the catalog, which is made later, is told to. */
  readonly adoptions: Adoptions;
  /** Null: the store holds nothing of others. */
  readonly foreign: ForeignCollections | null;
  /** The collection is gone: whatever was kept for its adoption goes. */
  readonly forgetAdopted: (collection: string) => void;
}

/** LanceDB in the data folder, or the Milvus that the configuration names. */
export function superviseVectors(parts: ServiceParts, documents: Pick<DocumentStore, "getCollection">): VectorServices {
  const addresses = parseMilvusAddresses(parts.config.milvus.url) ?? [];
  const limits = timeouts(parts);
  if (addresses.length > 0) return milvus(parts, addresses, limits, documents);
  const service = lancedb(parts, "vector_store", VECTORS_FOLDER);
  const bulkhead = makeBulkhead(parts, "vector_store", parts.config.supervision.vectorStore.maxInFlight);
  const vectors = superviseVectorStore(service, limits, bulkhead);
  const own = { forgetAdopted: () => {}, adoptions: new Adoptions(), foreign: null, onIndexChanged: () => {} };
  return { service, lexicalService: service, vectors, bulkhead, isRemote: false, ...own };
}

function timeouts({ config }: ServiceParts): VectorStoreTimeouts {
  const { callTimeoutMs } = config.vectorStore;
  return { searchMs: callTimeoutMs, writeMs: callTimeoutMs, optimizeMs: OPTIMIZE_LIMIT_MS };
}

function lancedb({ supervisor, config, clock, tap }: ServiceParts, name: string, folder: string): Service<Store> {
  return superviseService<Store>(supervisor, {
    name,
    kind: "vector_store",
    limits: config.supervision.vectorStore,
    open: async () => tap.vectors(await openLanceDb({ ...config.vectorStore, directory: join(config.dataDir, folder), clock })),
    close: (store) => store.close(),
    probe: (store, signal) => store.probe(signal),
  });
}

/**
 * Two services, so that text is still searched while Milvus is gone: the replica idles where the server ranks texts itself.
 * Which server it is shows only once it has been reached.
 */
function milvus(
  parts: ServiceParts,
  addresses: MilvusOptions["addresses"],
  limits: VectorStoreTimeouts,
  documents: Pick<DocumentStore, "getCollection">,
): VectorServices {
  const { supervisor, config, clock, tap } = parts;
  const { minPoolSize: min, maxPoolSize: max, maxWaiting, requestTimeoutMs, ...index } = config.milvus;
  const pool = { min, max, maxWaiting, acquireTimeoutMs: requestTimeoutMs };
  const maxCalls = Math.max(config.supervision.vectorStore.maxInFlight, max * CALLS_PER_CHANNEL);
  const bulkhead = makeBulkhead(parts, "vector_store", maxCalls);
  let opened: MilvusStore | null = null;
  const adoptions = new Adoptions();
  const service = superviseService<Store>(supervisor, {
    name: "vector_store",
    kind: "vector_store",
    limits: { ...config.supervision.vectorStore, maxInFlight: maxCalls },
    open: async (signal) => {
      opened = await openMilvusFailover({ ...index, addresses, requestTimeoutMs, pool, loadWords, adoptions, clock }, signal);
      return tap.vectors(opened);
    },
    close: (store) => store.close(),
    probe: (store, signal) => store.probe(signal),
    pool: () => opened?.pool ?? { size: 0, idle: 0, inUse: 0, waiting: 0, limit: max, max },
    details: () =>
      opened === null
        ? { store: "milvus" }
        : {
            store: "milvus",
            version: opened.capabilities.version,
            address: opened.address,
            lexical: opened.capabilities.hasText ? "milvus" : "local_replica",
          },
  });
  const replica = lancedb(
    { ...parts, tap: { ...tap, vectors: (store) => tap.lexical?.(store) ?? store } },
    "lexical_index",
    LEXICAL_FOLDER,
  );
  const lexicalOf = (): WatchedService => (opened?.capabilities.hasText === true ? service : replica);
  const onMilvus = <Result>(
    work: (store: MilvusStore, call: AbortSignal) => Promise<Result>,
    signal: AbortSignal,
    timeoutMs = limits.searchMs,
  ): Promise<Result> =>
    service.call(
      async (_, call) => {
        if (opened === null) throw new TypeError("An open Milvus has no store");
        return work(opened, call);
      },
      { timeoutMs, signal },
    );
  const texts = superviseVectorStore(replica, limits);
  const own = new LexicalReplica({
    store: superviseVectorStore(service, limits, bulkhead),
    describe: (name, signal) => onMilvus((store, call) => store.describe(name, call), signal),
    replica: texts,
    levels: new ReplicaLevels(join(config.dataDir, LEVELS_FOLDER)),
    indexVersionOf: async (collection, signal) => (await documents.getCollection(collection, signal))?.indexVersion ?? null,
  });
  const vectors = new AdoptedWords({ store: own, adoptions, replica: texts, maxCopiedRows: config.resident.maxChunks, clock });
  return {
    service,
    lexicalService: {
      get name() {
        return lexicalOf().name;
      },
      get isAvailable() {
        return lexicalOf().isAvailable;
      },
      get breaker() {
        return lexicalOf().breaker;
      },
    },
    vectors,
    bulkhead,
    isRemote: true,
    onIndexChanged: (collection, indexVersion) => void own.changed(collection, indexVersion),
    adoptions,
    forgetAdopted: (collection) => void vectors.forget(collection),
    foreign: {
      list: (signal) => onMilvus(({ foreign }, call) => foreign.list(call), signal),
      inspect: (...[name, isToLoad, signal]) =>
        onMilvus(({ foreign }, call) => foreign.inspect(name, isToLoad, call), signal, isToLoad ? limits.optimizeMs : limits.searchMs),
      matchDocuments: (...[adoption, filter, limit, signal]) =>
        onMilvus(({ foreign }, call) => foreign.matchDocuments(adoption, filter, limit, call), signal, limits.writeMs),
      heldDocuments: (...[adoption, ids, signal]) => onMilvus(({ foreign }, call) => foreign.heldDocuments(adoption, ids, call), signal),
      readDocument: (...[adoption, id, signal]) => onMilvus(({ foreign }, call) => foreign.readDocument(adoption, id, call), signal),
    },
  };
}

async function loadWords(language: string): Promise<(text: string) => readonly string[]> {
  const analyzer = await loadAnalyzer(language);
  return (text) => [...analyzer.analyze(text).counts].flatMap(([term, count]) => new Array<string>(count).fill(term));
}
