import { type KennelError, kennelError } from "../../runtime/errors.ts";
import type { AttributeSchema } from "../vector_store/filter.ts";
import type { CollectionRecord } from "./collection_record.ts";
import type { Chunk, ParsedDocument } from "./document_record.ts";
import type { Page } from "./document_store.ts";
import type { IndexVersion } from "./index_version.ts";

/** What every document store decides alike. */

/** Failures that a job keeps. */
export const MAX_FAILURES = 100;

/** Why a document that its job has left undone has failed. */
export function leftUndone(status: "completed" | "failed" | "cancelled", reason: string | null): string {
  if (reason !== null) return `Its job was given up: ${reason}`;
  return status === "cancelled" ? "Its job was cancelled before the document was indexed" : "Its job ended before the document was indexed";
}

export const LOST_IN_REINDEX = "It could not be read when the index was built anew";

/** Declared and known attributes together; `conflict` names the key whose type would change. */
export function mergeAttributes(collection: string, known: AttributeSchema, added: AttributeSchema): AttributeSchema {
  for (const [key, type] of Object.entries(added)) {
    const before = Object.hasOwn(known, key) ? known[key] : undefined;
    if (before !== undefined && before !== type) {
      throw kennelError("conflict", {
        param: `attributes.${key}`,
        message: `Attribute "${key}" is a ${before} in collection "${collection}" and cannot hold a ${type}`,
      });
    }
  }
  return { ...known, ...added };
}

export function noCollection(name: string): KennelError {
  return kennelError("not_found", { message: `There is no collection "${name}"`, param: "collection" });
}

/** Says no more than that the id is taken: to give it away unseen would say so, too. */
export function notReplaceable(place: number): KennelError {
  const param = `documents[${place}].id`;
  return kennelError("forbidden", { param, message: `${param} is taken by a document that is not for who asks; allowed: another id` });
}

export function nameTaken(name: string, isDeleting: boolean): KennelError {
  const message = isDeleting ? `Collection "${name}" is being deleted; try again` : `Collection "${name}" exists`;
  return kennelError("conflict", { param: "name", message });
}

export function noJob(): KennelError {
  return kennelError("not_found", { message: "There is no such job", param: "id" });
}

export function isBeingReindexed(collection: string): KennelError {
  return kennelError("conflict", {
    param: "collection",
    message: `Collection "${collection}" is being reindexed; wait for that job, or cancel it`,
  });
}

export function reindexHasEnded(): KennelError {
  return kennelError("conflict", { param: "id", message: "The reindex job has ended before its build was complete" });
}

export function notSwitchable(collection: string, version: number | null, known: readonly number[]): KennelError {
  const allowed =
    known.length === 0 ? "it has no build that is kept up beside the active one" : `it can be switched to ${known.join(", ")}`;
  return kennelError("conflict", {
    param: "version",
    message: `Collection "${collection}" cannot be switched${version === null ? "" : ` to version ${version}`}: ${allowed}`,
  });
}

export function standbyVersions({ versions }: CollectionRecord): readonly number[] {
  return versions.filter(({ kind }) => kind === "standby").map(({ version }) => version);
}

/** A build that has been kept up and is no longer. */
export function retired(version: Extract<IndexVersion, { readonly kind: "standby" }>, nowMs: number): IndexVersion {
  return { kind: "retired", version: version.version, build: version.build, retiredAtMs: version.wasActive ? nowMs : 0 };
}

/** @param use why it stays: `it is the active one` */
export function versionStays(collection: string, version: number, use: string): KennelError {
  return kennelError("conflict", { param: "version", message: `Version ${version} of collection "${collection}" stays: ${use}` });
}

/** All that marking a document as done needs of it. */
export type IndexedDocument = Pick<ParsedDocument, "id" | "contentHash" | "failure"> & { readonly chunks: number };

export function toIndexedDocument({ id, contentHash, failure, chunks }: ParsedDocument): IndexedDocument {
  return { id, contentHash, failure, chunks: chunks.length };
}

export function stateOf(document: IndexedDocument): "indexed" | "skipped" | "failed" {
  if (document.failure !== null) return "failed";
  return document.chunks === 0 ? "skipped" : "indexed";
}

/** A parent's id is `{documentId}#p{number}`. */
export function documentOfParent(id: string): string {
  return id.slice(0, id.lastIndexOf("#p"));
}

/** @param limit items of `items` beyond it show that there is a next page */
export function toPage<Item>(items: readonly Item[], limit: number, idOf: (item: Item) => string): Page<Item> {
  const last = items[limit - 1];
  return items.length > limit && last !== undefined ? { items: items.slice(0, limit), next: idOf(last) } : { items, next: null };
}

/** How many of the first items fit within `maxBytes`: at least one, if there is one. */
export function countWithin(sizes: readonly number[], maxBytes: number): number {
  let bytes = 0;
  const beyond = sizes.findIndex((size, place) => {
    bytes += size;
    return place > 0 && bytes > maxBytes;
  });
  return beyond < 0 ? sizes.length : beyond;
}

/** What is kept of a chunk: its passage is cut from the document's text, and only what goes before it is stored. */
export interface StoredChunk {
  readonly ordinal: number;
  readonly parentId: string | null;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly indexPrefix: string;
}

export function toStoredChunk({ ordinal, parentId, startOffset, endOffset, indexText, text }: Chunk): StoredChunk {
  const indexPrefix = indexText.endsWith(text) ? indexText.slice(0, indexText.length - text.length) : indexText;
  return { ordinal, parentId, startOffset, endOffset, indexPrefix };
}

export function toChunk(
  document: { readonly id: string; readonly title: string },
  documentText: string,
  { ordinal, parentId, startOffset, endOffset, indexPrefix }: StoredChunk,
): Chunk {
  // A document without text is one chunk of its title.
  const text = startOffset === endOffset ? document.title : documentText.slice(startOffset, endOffset);
  return { id: `${document.id}#${ordinal}`, ordinal, parentId, text, indexText: indexPrefix + text, startOffset, endOffset };
}
