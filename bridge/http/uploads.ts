/** Documents out of a request's body: JSON, JSON lines, or files in a multipart form. */
import { Busboy, type BusboyHeaders, type BusboyInstance } from "@fastify/busboy";
import { z } from "zod";
import type { IncomingDocument } from "../../actors/ingest/accept.ts";
import { kennelError } from "../../runtime/errors.ts";
import {
  documentListOf,
  fileDocument,
  parseDocument,
  refuseRepeatedIds,
  refuseShared,
  refuseTooMany,
  type UploadedFile,
  uploadFieldsSchema,
} from "../schema/documents.ts";
import { refuse, validate } from "../schema/validate.ts";
import { JSON_TYPE } from "./answer.ts";
import { mediaTypeOf, refuseMediaType } from "./body.ts";
import { type Exchange, MAX_JSON_DEPTH } from "./exchange.ts";
import { splitJsonList } from "./json_list.ts";

export const NDJSON_TYPE = "application/x-ndjson";
export const MULTIPART_TYPE = "multipart/form-data";
const NDJSON_TYPES: readonly string[] = [NDJSON_TYPE, "application/ndjson", "application/jsonl"];

/** A form as the OpenAPI document has it. */
export const uploadSchema = z
  .object({
    files: z.array(z.file()).min(1).describe("Each becomes a document with the file's name as its id"),
    id: z.string().optional().describe("Another id; of one file"),
    title: z.string().optional().describe("Of one file; else the file's own title"),
    attributes: z.string().meta({ contentMediaType: JSON_TYPE }).optional().describe("Attributes of all the files, as JSON"),
    principals: z.string().meta({ contentMediaType: JSON_TYPE }).optional().describe("Principals of all the files, as a list in JSON"),
    url: z.string().optional(),
  })
  .meta({ id: "DocumentFiles" });

/** Documents looked at before other requests get their turn. */
const DOCUMENTS_PER_TURN = 128;
const MAX_FORM_FIELDS = 16;
const MAX_FIELD_BYTES = 65_536;
const NEWLINE = 0x0a;

/** Throws `invalid_request` naming the document and field, `unsupported_media_type`, `payload_too_large`. */
export async function readDocuments(exchange: Exchange, maxDocuments: number): Promise<readonly IncomingDocument[]> {
  const documents = await documentsOf(exchange, maxDocuments);
  refuseRepeatedIds(documents);
  return documents;
}

async function documentsOf(exchange: Exchange, maxDocuments: number): Promise<readonly IncomingDocument[]> {
  const mediaType = mediaTypeOf(exchange.request);
  if (mediaType === JSON_TYPE) {
    return readJson(exchange, maxDocuments);
  }
  if (NDJSON_TYPES.includes(mediaType)) {
    const lines = linesOf(await exchange.bytes());
    if (lines.length === 0) throw refuse("", "is empty", "a document in JSON on each line");
    refuseTooMany(lines.length, maxDocuments);
    return inTurns(lines, exchange.signal, (line, place) => parseDocument(exchange.parse(line, `documents[${place}]`), place));
  }
  if (mediaType === MULTIPART_TYPE) return readForm(exchange, maxDocuments);
  return refuseMediaType(mediaType, `${JSON_TYPE}, ${NDJSON_TYPE}, ${MULTIPART_TYPE}`);
}

async function readJson(exchange: Exchange, maxDocuments: number): Promise<readonly IncomingDocument[]> {
  const { body, items } = await splitJsonList(await exchange.bytes(), MAX_JSON_DEPTH, () => giveWay(exchange.signal));
  const list = documentListOf(body, items);
  refuseTooMany(list.length, maxDocuments);
  if (items === null) return inTurns(list, exchange.signal, parseDocument);
  return inTurns(items, exchange.signal, (item, place) => parseDocument(exchange.parse(item, `documents[${place}]`), place));
}

/** Lets other requests run. Rejects when the request's time is up. */
async function giveWay(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}

/** Maps a long list a piece at a time, so that it never holds up the event loop for long. */
async function inTurns<Item>(
  items: readonly Item[],
  signal: AbortSignal,
  toDocument: (item: Item, place: number) => IncomingDocument,
): Promise<readonly IncomingDocument[]> {
  const documents: IncomingDocument[] = [];
  for (const [place, item] of items.entries()) {
    if (place > 0 && place % DOCUMENTS_PER_TURN === 0) await giveWay(signal);
    documents.push(toDocument(item, place));
  }
  return documents;
}

/** The lines that hold something. */
function linesOf(bytes: Uint8Array): readonly Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, start);
    const line = bytes.subarray(start, end === -1 ? bytes.length : end);
    if (line.some((byte) => byte > 0x20)) lines.push(line);
    start = end === -1 ? bytes.length : end + 1;
  }
  return lines;
}

interface Form {
  readonly files: readonly UploadedFile[];
  readonly fields: Readonly<Record<string, string>>;
}

/** Each file is a document with the file's name as its id; `attributes` and `principals` (JSON) and `url` hold for all of them. */
async function readForm(exchange: Exchange, maxFiles: number): Promise<readonly IncomingDocument[]> {
  const contentType = exchange.request.headers.get("content-type") ?? "";
  const form = await parseForm(await exchange.bytes(), contentType, maxFiles);
  if (form.files.length === 0) throw refuse("files", "are missing", "at least one part that is a file");
  const parsed: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(form.fields)) {
    const isJson = name === "attributes" || name === "principals";
    parsed[name] = isJson ? exchange.parse(new TextEncoder().encode(value), name) : value;
  }
  const fields = validate(uploadFieldsSchema, parsed);
  refuseShared(fields, form.files.length);
  return form.files.map((file, place) => fileDocument(file, fields, place));
}

/** Throws `invalid_request`. */
export function parseForm(bytes: Uint8Array, contentType: string, maxFiles: number): Promise<Form> {
  const headers: BusboyHeaders = { "content-type": contentType };
  const files: UploadedFile[] = [];
  const fields: Record<string, string> = {};
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => reject(refuse("", "is not a complete multipart form", "multipart/form-data with its boundary", cause));
    let busboy: BusboyInstance;
    try {
      busboy = new Busboy({
        headers,
        preservePath: true, // the path is part of the document's id
        limits: { files: maxFiles, fields: MAX_FORM_FIELDS, fieldSize: MAX_FIELD_BYTES, fieldNameSize: 64, headerPairs: 32 },
      });
    } catch (cause) {
      fail(cause);
      return;
    }
    busboy.on("file", (_name, stream, fileName, _encoding, mediaType) => {
      const pieces: Buffer[] = [];
      stream.on("data", (piece: Buffer) => pieces.push(piece));
      stream.on("error", fail);
      stream.on("end", () => files.push({ fileName: fileName ?? "", mediaType, bytes: Buffer.concat(pieces) }));
    });
    busboy.on("field", (name, value, isNameCut, isValueCut) => {
      if (isNameCut || isValueCut) reject(refuse(name, "is too long", `a field of at most ${MAX_FIELD_BYTES} bytes`));
      fields[name] = value;
    });
    busboy.on("filesLimit", () => reject(refuse("files", "are too many", `at most ${maxFiles} in one request`)));
    busboy.on("fieldsLimit", () =>
      reject(kennelError("invalid_request", { message: `The form has too many fields; allowed: at most ${MAX_FORM_FIELDS}` })),
    );
    busboy.on("error", fail);
    busboy.on("finish", () => resolve({ files, fields }));
    busboy.end(bytes);
  });
}
