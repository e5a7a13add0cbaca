import { join } from "node:path";
import type { Role } from "../actors/coordinator/modes.ts";
import type { DocumentStore } from "../actors/document_store/document_store.ts";
import { openLibsqlDocumentStore } from "../actors/document_store/libsql.ts";
import { superviseDocumentStore } from "../actors/document_store/supervised.ts";
import { batchEmbeddings } from "../actors/embedding/batching.ts";
import { EmbeddingCache } from "../actors/embedding/cache.ts";
import type { EmbeddingModel } from "../actors/embedding/embedding.ts";
import { loadStaticModel, STATIC_MODEL_FACTS } from "../actors/embedding/static/static_model.ts";
import { superviseEmbeddingModel } from "../actors/embedding/supervised.ts";
import { openLanceDb } from "../actors/vector_store/lancedb.ts";
import { superviseVectorStore } from "../actors/vector_store/supervised.ts";
import type { LexicalIndex, VectorStore } from "../actors/vector_store/vector_store.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";
import { type Service, superviseService } from "../supervisor/service.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";

/** The document store's file in the data folder. Where it is missing, a start is the first one. */
export const DATABASE_FILE = "kennel.db";
const VECTORS_FOLDER = "vectors";
/** Merging files and building indexes may take this long. */
const OPTIMIZE_LIMIT_MS = 600_000;

export interface Services {
  readonly documentService: Service<DocumentStore>;
  readonly documents: DocumentStore;
  readonly vectors: VectorStore & LexicalIndex;
  readonly embedding: EmbeddingModel;
  readonly embeddingCache: EmbeddingCache;
  readonly roles: ReadonlyMap<Role, Service<unknown>>;
}

/** Every external resource is a child that owns it; what the rest of the node holds are the ports in front. */
export function superviseServices(supervisor: Supervisor, config: Config, clock: Clock): Services {
  const documentService = superviseService<DocumentStore>(supervisor, {
    name: "document_store",
    kind: "document_store",
    limits: config.supervision.documentStore,
    open: () => openLibsqlDocumentStore({ ...config.documentStore, path: join(config.dataDir, DATABASE_FILE), maxPages: 0, clock }),
    close: (store) => store.close(),
    probe: (store, signal) => store.probe(signal),
  });
  const vectorService = superviseService<VectorStore & LexicalIndex>(supervisor, {
    name: "vector_store",
    kind: "vector_store",
    limits: config.supervision.vectorStore,
    open: () => openLanceDb({ ...config.vectorStore, directory: join(config.dataDir, VECTORS_FOLDER), clock }),
    close: (store) => store.close(),
    probe: (store, signal) => store.probe(signal),
  });
  const embeddingService = superviseService<EmbeddingModel>(supervisor, {
    name: "embedding",
    kind: "embedding",
    limits: config.supervision.embedding,
    open: () => loadStaticModel(),
    close: async () => {},
    probe: async (model, signal) => void (await model.embed(["probe"], "query", signal)),
  });
  const { queryEmbeddingBytes: maxQueryBytes, documentEmbeddingBytes: maxDocumentBytes } = config.cache;
  const embeddingCache = new EmbeddingCache({ maxQueryBytes, maxDocumentBytes });
  const model = superviseEmbeddingModel(embeddingService, STATIC_MODEL_FACTS, config.embeddingCalls.callTimeoutMs);
  const { callTimeoutMs } = config.vectorStore;
  return {
    documentService,
    documents: superviseDocumentStore(documentService, config.documentStore.callTimeoutMs),
    vectors: superviseVectorStore(vectorService, { searchMs: callTimeoutMs, writeMs: callTimeoutMs, optimizeMs: OPTIMIZE_LIMIT_MS }),
    embedding: embeddingCache.wrap(batchEmbeddings(model, { ...config.embeddingCalls, clock })),
    embeddingCache,
    roles: new Map<Role, Service<unknown>>([
      ["vector_store", vectorService],
      ["lexical_index", vectorService],
      ["embedding", embeddingService],
      ["document_store", documentService],
    ]),
  };
}
