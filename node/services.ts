import type { WatchedService } from "../actors/coordinator/coordinator.ts";
import type { Role } from "../actors/coordinator/modes.ts";
import type { DocumentStore } from "../actors/document_store/document_store.ts";
import type { CachedEmbeddingModel } from "../actors/embedding/embedding.ts";
import type { LanguageModel } from "../actors/language_model/language_model.ts";
import type { Reranker } from "../actors/reranker/reranker.ts";
import type { SharedAnswers } from "../actors/retriever/answers/shared_answers.ts";
import type { RegistryParts } from "../actors/retriever/registry/options.ts";
import type { Adoptions, ForeignCollections } from "../actors/vector_store/adoption.ts";
import type { LexicalIndex, VectorStore } from "../actors/vector_store/vector_store.ts";
import { HedgeBudget } from "../runtime/hedge.ts";
import type { Bulkhead } from "../supervisor/bulkhead.ts";
import type { Service } from "../supervisor/service.ts";
import type { MetricSources } from "../telemetry/observed_metrics.ts";
import type { AnswerServices } from "./services/answers.ts";
import { superviseDocuments } from "./services/documents.ts";
import { superviseEmbedding } from "./services/embedding.ts";
import { superviseChat } from "./services/language_model.ts";
import type { ServiceParts } from "./services/parts.ts";
import { superviseReranking } from "./services/reranker.ts";
import { superviseRescoring } from "./services/rescoring.ts";
import { hedging, makeBulkhead } from "./services/sharing.ts";
import { superviseVectors } from "./services/vectors.ts";

export interface Services {
  readonly documentService: Service<DocumentStore>;
  readonly documents: DocumentStore;
  /** Known once the document service is ready. */
  isFirstStart(): boolean;
  /** Tells of collections that something has changed which was begun before this start and has ended after it. */
  followSettled(listener: (collection: string) => void): void;
  /** Rejects when the document store's database is one that this Kennel must not use; never resolves. */
  readonly documentsRefused: Promise<never>;
  /** Resolves when what a start need not wait for long was reached, or was waited for long enough; never rejects. */
  readonly settled: Promise<void>;
  readonly vectors: VectorStore & LexicalIndex;
  /** Told of each new version of a collection's index that this node has written. */
  readonly onIndexChanged: (collection: string, indexVersion: number) => void;
  readonly adoptions: Adoptions;
  readonly foreign: ForeignCollections | null;
  readonly forgetAdopted: (collection: string) => void;
  readonly embedding: CachedEmbeddingModel;
  /** Caches that have metrics of their own. */
  readonly caches: MetricSources["caches"];
  /** Null: there is nowhere to keep them. */
  readonly sharedAnswers: SharedAnswers | null;
  /** The model that ingest's threads run themselves; null: embedding is asked of the service. */
  readonly modelInThreads: string | null;
  /** Null: none is configured. */
  readonly languageModel: LanguageModel | null;
  /** Null: none is configured. */
  readonly reranker: Reranker | null;
  /** What stands before each resource that collections share. */
  readonly bulkheads: readonly Bulkhead[];
  /** Null: the model is built in, and embeds where it is asked. */
  readonly embeddingBulkhead: Bulkhead | null;
  /** Null: there is no reranker. */
  readonly rerankerBulkhead: Bulkhead | null;
  /** What all second attempts of this node together may be. */
  readonly hedgeBudget: HedgeBudget;
  readonly hedging: RegistryParts["hedging"];
  readonly roles: ReadonlyMap<Role, WatchedService>;
}

/**
 * Every external resource is a child that owns it; what the rest of the node holds are the ports in front. They open side
 * by side: what can't be reached starts suspended, and the node serves in the mode that is left.
 */
export async function superviseServices(parts: ServiceParts): Promise<Services> {
  const documents = superviseDocuments(parts);
  const vectors = superviseVectors(parts, documents.documents);
  const embedding = await superviseEmbedding(parts);
  const chat = await superviseChat(parts);
  const reranking = superviseReranking(parts) ?? (await superviseRescoring(parts));
  const { openai, rerank } = parts.config;
  // Questions of one moment go out in one call.
  const questions = openai.maxInputs * openai.maxConnections;
  const embeddingBulkhead = embedding.modelInThreads === null ? makeBulkhead(parts, "embedding", questions) : null;
  const rerankerBulkhead = reranking === null ? null : makeBulkhead(parts, "reranker", rerank.maxConnections);
  const hedgeBudget = new HedgeBudget(parts.config.hedging.maxShare, parts.flags);
  const shared = await superviseShared(parts);
  return {
    documentService: documents.service,
    documents: documents.documents,
    isFirstStart: documents.isFirstStart,
    followSettled: documents.followSettled,
    documentsRefused: documents.refused,
    settled: embedding.settled,
    vectors: vectors.vectors,
    onIndexChanged: vectors.onIndexChanged,
    adoptions: vectors.adoptions,
    foreign: vectors.foreign,
    forgetAdopted: vectors.forgetAdopted,
    embedding: embedding.embedding,
    caches: { ...embedding.caches, ...(reranking !== null && "caches" in reranking ? reranking.caches : {}), ...shared?.caches },
    sharedAnswers: shared?.answers ?? null,
    modelInThreads: embedding.modelInThreads,
    languageModel: chat?.languageModel ?? null,
    reranker: reranking?.reranker ?? null,
    bulkheads: [vectors.bulkhead, documents.bulkhead, embeddingBulkhead, rerankerBulkhead].filter((one) => one !== null),
    embeddingBulkhead,
    rerankerBulkhead,
    hedgeBudget,
    hedging: hedging(parts, hedgeBudget, vectors.isRemote),
    roles: new Map<Role, WatchedService>([
      ["vector_store", vectors.service],
      ["lexical_index", vectors.lexicalService],
      ["embedding", embedding.service],
      ["document_store", documents.service],
      ...(reranking === null ? [] : [["reranker", reranking.service] as const]),
      ...(chat === null ? [] : [["language_model", chat.service] as const]),
    ]),
  };
}

/** A node without Redis does not load its client. */
async function superviseShared(parts: ServiceParts): Promise<AnswerServices | null> {
  if (parts.config.redis.url === "") return null;
  const { superviseSharedAnswers } = await import("./services/answers.ts");
  return superviseSharedAnswers(parts);
}
