import type { DocumentSource, SourceDocument } from "../document_record.ts";
import type { Database } from "./database.ts";
import type { BlobReference, DocumentDocument } from "./schema.ts";

/** What is stored of a document's source besides its bytes. */
type BodyFields = Pick<DocumentDocument, "kind" | "format" | "fileName" | "vectorBytes">;

/** The bytes of a body, its vector first, and what else is needed to read them. */
export function toBody({ source, vector }: SourceDocument): BodyFields & { readonly bytes: Uint8Array } {
  const sourceBytes = source.kind === "text" ? Buffer.from(source.text, "utf8") : source.bytes;
  const vectorBytes = vector === null ? new Uint8Array() : new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  const [format, fileName] = source.kind === "text" ? [source.format, ""] : [source.mediaType, source.fileName];
  return { kind: source.kind, format, fileName, vectorBytes: vectorBytes.byteLength, bytes: Buffer.concat([vectorBytes, sourceBytes]) };
}

export function toSource(fields: BodyFields, body: Uint8Array): Pick<SourceDocument, "source" | "vector"> {
  const { kind, format, fileName, vectorBytes } = fields;
  const bytes = body.subarray(vectorBytes);
  const source: DocumentSource =
    kind === "text"
      ? { kind, text: toText(bytes), format: format as "text" | "markdown" | "html" }
      : { kind, mediaType: format, fileName, bytes: Uint8Array.from(bytes) };
  return { source, vector: vectorBytes === 0 ? null : new Float32Array(Uint8Array.from(body.subarray(0, vectorBytes)).buffer) };
}

export function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}

/** Blobs by their ids. One that was replaced while it was read is missing. */
export async function readBlobs(database: Database, references: readonly BlobReference[]): Promise<ReadonlyMap<string, Uint8Array>> {
  const idsOf = ({ id, parts }: BlobReference) => Array.from({ length: parts }, (_, part) => `${id}/${part}`);
  const found = await database.getMany(database.stores.blobs, references.flatMap(idsOf));
  const blobs = new Map<string, Uint8Array>();
  for (const reference of references) {
    const parts = idsOf(reference).flatMap((id) => found.get(id)?.data.buffer ?? []);
    if (parts.length === reference.parts) blobs.set(reference.id, parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts));
  }
  return blobs;
}
