import type { Adoption } from "../vector_store/adoption.ts";
import type { AttributeSchema } from "../vector_store/filter.ts";
import type { VectorIndex } from "../vector_store/vector_store.ts";
import type { IndexVersion } from "./index_version.ts";

export interface Chunking {
  /** Tokens of the embedding model in one chunk, at most. */
  readonly maxTokens: number;
  /** Tokens repeated from the end of the chunk before. */
  readonly overlapTokens: number;
  /** Tokens in one parent passage, at most; 0: documents have no parents. */
  readonly parentTokens: number;
}

export type FusionSettings =
  /** (1 - alpha) x min-max(BM25) + alpha x min-max(cosine) */
  | { readonly type: "weighted"; readonly alpha: number }
  | { readonly type: "rrf"; readonly k: number; readonly weights: { readonly vector: number; readonly bm25: number } };

/** A collection's settings with every default filled in. */
export interface CollectionSettings {
  readonly language: string;
  readonly embedding: string;
  readonly chunking: Chunking;
  /** Declared types; other keys are inferred from the first document that has them. */
  readonly attributes: AttributeSchema;
  readonly fusion: FusionSettings;
  readonly pinned: boolean;
  readonly resident: "auto" | "always" | "never";
  /** Copies of the retriever in the cluster. */
  readonly replicas: number;
  /** Retriever actors on one node among which queries are balanced. */
  readonly pool: number;
  /** Documents older than this are not found and are removed; null: kept for ever. */
  readonly ttlSeconds: number | null;
  readonly allowDegraded: boolean;
  /** The collection of others that its rows lie in; absent: they are Kennel's own. */
  readonly adopt?: Adoption;
  /** Answers are kept where other nodes find them, too; missing in records that are older than it. */
  readonly shareAnswers: boolean;
  /** Of builds that are made from now on; absent: as the vector store is configured. */
  readonly vectorIndex?: VectorIndex;
  /** Documents without principals are nobody's but administrators'; absent: they are everyone's who may search the collection. */
  readonly acl?: "required";
}

/** What an index is built with: another value of one of them needs another build. */
export type BuildSettings = Pick<CollectionSettings, "language" | "embedding" | "chunking">;

export interface CollectionRecord {
  readonly name: string;
  readonly settings: CollectionSettings;
  /** Declared and inferred attributes together. */
  readonly attributes: AttributeSchema;
  /** The build that searching goes to. */
  readonly version: number;
  /** Builds beside the active one, by version; at most one of them is building. */
  readonly versions: readonly IndexVersion[];
  /** Grows by one with each change of what a search can find. */
  readonly indexVersion: number;
  readonly documents: number;
  readonly chunks: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

export interface AliasRecord {
  readonly alias: string;
  readonly collection: string;
  /** Pins a build of the collection; null follows its active one. */
  readonly version: number | null;
}
