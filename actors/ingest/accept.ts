import { createHash } from "node:crypto";
import { kennelError } from "../../runtime/errors.ts";
import type { SourceDocument } from "../document_store/document_record.ts";
import { ATTRIBUTE_KEY, type Attributes, type AttributeType } from "../vector_store/filter.ts";
import { cleanText } from "./parsing/parsed_text.ts";

/** A document as it is handed in; its hash is worked out here. */
export type IncomingDocument = Omit<SourceDocument, "contentHash">;

export interface AcceptLimits {
  readonly maxDocuments: number;
  readonly maxDocumentBytes: number;
  /** UTF-16 units. */
  readonly maxIdLength: number;
}

export interface AcceptedDocuments {
  readonly documents: readonly SourceDocument[];
  readonly inferred: Readonly<Record<string, AttributeType>>;
  readonly bytes: number;
}

/** Bytes, and documents whatever their size, that are hashed before others get their turn: about 1 ms. */
const BYTES_PER_TURN = 524_288;
const DOCUMENTS_PER_TURN = 64;

/**
 * Checks, cleans and hashes documents, giving way to other work in between. Throws `invalid_request`, `conflict` (an
 * attribute has two types within the call) or `payload_too_large`; `param` names the field. Each id may stand once.
 * @param dimensions of the collection's vectors
 */
export async function checkDocuments(
  incoming: readonly IncomingDocument[],
  dimensions: number,
  limits: AcceptLimits,
  signal: AbortSignal,
): Promise<AcceptedDocuments> {
  if (incoming.length > limits.maxDocuments) {
    throw refuse("documents", `has ${incoming.length} documents; at most ${limits.maxDocuments} fit into one request`);
  }
  const documents: SourceDocument[] = [];
  const inferred: Record<string, AttributeType> = Object.create(null);
  const ids = new Set<string>();
  let bytes = 0;
  let bytesThisTurn = 0;
  for (const [place, document] of incoming.entries()) {
    const at = `documents[${place}]`;
    checkId(document.id, `${at}.id`, limits);
    if (ids.has(document.id))
      throw refuse(`${at}.id`, `repeats the id ${JSON.stringify(document.id.slice(0, 64))}; each may stand once in a request`);
    ids.add(document.id);
    inferAttributes(document.attributes, inferred, at);
    const clean = cleanDocument(document, dimensions, at);
    const payload = payloadOf(clean);
    if (payload.length > limits.maxDocumentBytes) {
      throw kennelError("payload_too_large", {
        param: at,
        message: `${at} has ${payload.length} bytes; at most ${limits.maxDocumentBytes} are taken`,
      });
    }
    bytes += payload.length;
    bytesThisTurn += payload.length;
    documents.push({ ...clean, contentHash: hashOf(clean, payload) });
    if (bytesThisTurn >= BYTES_PER_TURN || place % DOCUMENTS_PER_TURN === DOCUMENTS_PER_TURN - 1) {
      bytesThisTurn = 0;
      await giveWay(signal);
    }
  }
  return { documents, inferred: { ...inferred }, bytes };
}

function checkId(id: string, param: string, limits: AcceptLimits): void {
  if (id.length === 0 || id.length > limits.maxIdLength)
    throw refuse(param, `has ${id.length} characters; 1 to ${limits.maxIdLength} are allowed`);
  if (id.includes("\u0000") || !id.isWellFormed()) throw refuse(param, "holds NUL or half a surrogate pair");
}

function inferAttributes(attributes: Attributes, inferred: Record<string, AttributeType>, at: string): void {
  for (const [key, value] of Object.entries(attributes)) {
    const param = `${at}.attributes.${key.slice(0, 64)}`;
    if (!ATTRIBUTE_KEY.test(key)) throw refuse(param, "is not a key; keys are 1 to 64 letters, digits and _, not beginning with a digit");
    const type = typeof value;
    if (type !== "string" && type !== "number" && type !== "boolean") throw refuse(param, "is not a string, number or boolean");
    if (type === "number" && !Number.isFinite(value)) throw refuse(param, "is not a finite number");
    if (type === "string" && String(value).includes("\u0000")) throw refuse(param, "holds NUL");
    const before = inferred[key];
    if (before !== undefined && before !== type) {
      throw kennelError("conflict", { param, message: `Attribute "${key}" is a ${before} in one document and a ${type} in another` });
    }
    inferred[key] = type;
  }
}

function cleanDocument(document: IncomingDocument, dimensions: number, at: string): IncomingDocument {
  const attributes = Object.fromEntries(
    Object.entries(document.attributes).map(([key, value]) => [key, typeof value === "string" ? value.toWellFormed() : value]),
  );
  const { source } = document;
  return {
    ...document,
    title: cleanText(document.title),
    url: cleanText(document.url),
    attributes,
    principals: [...new Set(document.principals.map((principal) => principal.toWellFormed()))].sort(),
    vector: document.vector === null ? null : unitVector(document.vector, dimensions, `${at}.vector`),
    source: source.kind === "text" ? { ...source, text: source.text.toWellFormed() } : { ...source, fileName: cleanText(source.fileName) },
  };
}

function unitVector(vector: Float32Array, dimensions: number, param: string): Float32Array {
  if (vector.length !== dimensions) throw refuse(param, `has ${vector.length} dimensions; the collection's vectors have ${dimensions}`);
  let squares = 0;
  for (const value of vector) squares += value * value;
  const norm = Math.sqrt(squares);
  if (!Number.isFinite(norm) || norm === 0) throw refuse(param, "is zero or not finite; it has no direction");
  return vector.map((value) => value / norm);
}

function payloadOf({ source }: IncomingDocument): Uint8Array {
  return source.kind === "text" ? Buffer.from(source.text, "utf8") : source.bytes;
}

/** The hash that a document has been accepted with. */
export function contentHashOf(document: IncomingDocument): string {
  return hashOf(document, payloadOf(document));
}

/** SHA-256 over everything that a document is made from, each field with its place and length. */
function hashOf(document: IncomingDocument, payload: Uint8Array): string {
  const { id, title, url, attributes, principals, vector, source } = document;
  const sorted = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  const format = source.kind === "text" ? [source.kind, source.format] : [source.kind, source.mediaType, source.fileName];
  const hash = createHash("sha256");
  hash.update(JSON.stringify([id, title, url, sorted, principals, format, vector?.length ?? null, payload.length]));
  if (vector !== null) hash.update(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength));
  for (let from = 0; from < payload.length; from += BYTES_PER_TURN) hash.update(payload.subarray(from, from + BYTES_PER_TURN));
  return hash.digest("hex");
}

function giveWay(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    setImmediate(() => (signal.aborted ? reject(kennelError("cancelled", { cause: signal.reason })) : resolve()));
  });
}

function refuse(param: string, what: string) {
  return kennelError("invalid_request", { param, message: `${param} ${what}` });
}
