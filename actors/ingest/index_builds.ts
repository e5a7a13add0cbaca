import { kennelError, toKennelError } from "../../runtime/errors.ts";
import type { BuildSettings, CollectionRecord } from "../document_store/collection_record.ts";
import type { IndexVersion } from "../document_store/index_version.ts";
import type { EmbeddingModel } from "../embedding/embedding.ts";
import type { AttributeSchema } from "../vector_store/filter.ts";
import type { ChunkRow, IndexName, VectorStore } from "../vector_store/vector_store.ts";
import type { PreparedDocument } from "./preparing/preparer.ts";

/** A build that writes go to. */
export interface Build {
  readonly version: number;
  readonly settings: BuildSettings;
}

export type BuildingVersion = Extract<IndexVersion, { readonly kind: "building" }>;

export function buildingOf(record: CollectionRecord): BuildingVersion | null {
  return record.versions.find((version) => version.kind === "building") ?? null;
}

export type StandbyVersion = Extract<IndexVersion, { readonly kind: "standby" }>;

export function standbyOf(record: CollectionRecord): StandbyVersion | null {
  return record.versions.find((version) => version.kind === "standby") ?? null;
}

/** The active build, and the one beside it that writes go to as well: one that is being made, or a complete one. */
export function buildsOf(record: CollectionRecord): { readonly active: Build; readonly next: Build | null } {
  const beside = buildingOf(record) ?? standbyOf(record);
  return {
    active: { version: record.version, settings: record.settings },
    next: beside === null ? null : { version: beside.version, settings: beside.build },
  };
}

export interface IndexBuildsParts {
  readonly vectors: VectorStore;
  readonly modelOf: (name: string) => EmbeddingModel;
}

/** The indexes of collections' builds in the vector store: makes them, writes to them and drops them. */
export class IndexBuilds {
  readonly #parts: IndexBuildsParts;
  /** Attributes that each index is known to have, by collection and version; bounded by the number of builds. */
  readonly #schemas = new Map<string, Map<number, AttributeSchema>>();

  constructor(parts: IndexBuildsParts) {
    this.#parts = parts;
  }

  /** Makes the build's index and the columns that it lacks, once while nothing about them changes. */
  async ensure(record: CollectionRecord, { version, settings }: Build, signal: AbortSignal): Promise<void> {
    const known = this.#schemas.get(record.name)?.get(version);
    const isComplete = known !== undefined && Object.keys(record.attributes).every((key) => Object.hasOwn(known, key));
    if (isComplete) return;
    if (record.settings.adopt !== undefined) return;
    const { vectors, modelOf } = this.#parts;
    const { dimensions } = modelOf(settings.embedding);
    const index = { collection: record.name, version };
    const { vectorIndex } = record.settings;
    const { language } = settings;
    const asked = vectorIndex === undefined ? {} : { vectorIndex };
    await vectors.createIndex(index, { dimensions, language, attributes: record.attributes, ...asked }, signal);
    await vectors.extendSchema(index, record.attributes, signal);
    const versions = this.#schemas.get(record.name) ?? new Map<number, AttributeSchema>();
    this.#schemas.set(record.name, versions.set(version, record.attributes));
  }

  /** A build's index is not there although the collection has chunks. */
  async isGone(record: CollectionRecord, { version }: Pick<Build, "version">, signal: AbortSignal): Promise<boolean> {
    if (record.chunks === 0 || record.settings.adopt !== undefined) return false;
    if (this.#schemas.get(record.name)?.has(version) === true) return false;
    return (await this.countRows({ collection: record.name, version }, signal)) === null;
  }

  /** The active index is not there although the collection has chunks; looked for once, until a write says otherwise. */
  async isMissing(record: CollectionRecord, signal: AbortSignal): Promise<boolean> {
    return this.isGone(record, { version: record.version }, signal);
  }

  /** Null: there is no such index. */
  async countRows(index: IndexName, signal: AbortSignal): Promise<number | null> {
    try {
      return await this.#parts.vectors.countRows(index, signal);
    } catch (thrown) {
      if (toKennelError(thrown).code === "not_found") return null;
      throw thrown;
    }
  }

  /**
   * Afterwards the index holds `rows` and nothing else of these documents. An index that was made before and is gone
   * rejects with `unavailable`: the next `isMissing` will say so.
   */
  async replace(index: IndexName, documentIds: readonly string[], rows: readonly ChunkRow[], signal: AbortSignal): Promise<void> {
    try {
      await this.#parts.vectors.replaceDocuments(index, documentIds, rows, signal);
    } catch (thrown) {
      if (toKennelError(thrown).code !== "not_found") throw thrown;
      this.forget(index.collection);
      throw kennelError("unavailable", { message: `The index of collection "${index.collection}" is missing`, cause: thrown });
    }
  }

  /** Removes documents from every build: what is deleted is found under no alias any more. */
  async remove(record: CollectionRecord, documentIds: readonly string[], signal: AbortSignal): Promise<void> {
    await this.replace({ collection: record.name, version: record.version }, documentIds, [], signal);
    for (const { version } of record.versions) {
      try {
        await this.#parts.vectors.replaceDocuments({ collection: record.name, version }, documentIds, [], signal);
      } catch (thrown) {
        if (toKennelError(thrown).code !== "not_found") throw thrown; // one that was given up early has no index
      }
    }
  }

  async drop(collection: string, version: number, signal: AbortSignal): Promise<void> {
    this.#schemas.get(collection)?.delete(version);
    await this.#parts.vectors.dropIndex({ collection, version }, signal);
  }

  async dropAll(record: CollectionRecord, signal: AbortSignal): Promise<void> {
    // What it has adopted is its owner's: it is forgotten and not dropped.
    if (record.settings.adopt === undefined)
      for (const { version } of [...record.versions, record]) await this.drop(record.name, version, signal);
    this.forget(record.name);
  }

  forget(collection: string): void {
    this.#schemas.delete(collection);
  }
}

/** @param updatedAtMs of the document's last change, wall time */
export function toRows({ source, parsed, vectors }: PreparedDocument, updatedAtMs: number): ChunkRow[] {
  return parsed.chunks.map((chunk, place) => ({
    id: chunk.id,
    documentId: parsed.id,
    ordinal: chunk.ordinal,
    parentId: chunk.parentId,
    title: parsed.title,
    url: source.url,
    text: chunk.text,
    indexText: chunk.indexText,
    attributes: source.attributes,
    principals: source.principals,
    vector: vectors[place] ?? null,
    updatedAtMs,
  }));
}

/** A vector of the document's own that another model's space has no place for gives way to what the model makes of its text. */
export function fitting<Document extends { readonly vector: Float32Array | null }>(document: Document, dimensions: number): Document {
  return document.vector === null || document.vector.length === dimensions ? document : { ...document, vector: null };
}
