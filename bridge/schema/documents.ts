import { z } from "zod";
import type { DocumentRecord } from "../../actors/document_store/document_record.ts";
import type { IncomingDocument } from "../../actors/ingest/accept.ts";
import type { AttributeSchema, Filter } from "../../actors/vector_store/filter.ts";
import { attributeKeySchema } from "./collections.ts";
import { toFilter, uncheckedFilterSchema } from "./filters.ts";
import { documentIdSchema, textSchema } from "./text.ts";
import { isoTime } from "./times.ts";
import { describe, refuse, strictObject, validate } from "./validate.ts";
import { vectorSchema } from "./vectors.ts";

export const MAX_TITLE_LENGTH = 2_000;
export const MAX_URL_LENGTH = 4_000;
const MAX_TEXT_LENGTH = 33_554_432;
const MAX_ATTRIBUTES = 256;
const MAX_ATTRIBUTE_LENGTH = 10_000;
const MAX_PRINCIPALS = 256;

export const attributesSchema = z
  .record(attributeKeySchema, z.union([textSchema(MAX_ATTRIBUTE_LENGTH), z.number(), z.boolean()]))
  .refine((attributes) => Object.keys(attributes).length <= MAX_ATTRIBUTES, { error: `at most ${MAX_ATTRIBUTES} attributes` });

export const principalsSchema = z.array(textSchema(256)).max(MAX_PRINCIPALS);

export const documentSchema = strictObject({
  id: documentIdSchema,
  title: textSchema(MAX_TITLE_LENGTH).optional(),
  text: textSchema(MAX_TEXT_LENGTH).describe("May be empty: then the title alone is indexed"),
  format: z.enum(["text", "markdown", "html"]).optional().describe("How text is written; text unless given"),
  url: textSchema(MAX_URL_LENGTH).optional(),
  attributes: attributesSchema.optional(),
  principals: principalsSchema
    .optional()
    .describe(
      "Whose keys find the document, as user:ann or group:staff; none: whoever may search the collection, unless its setting acl is required",
    ),
  vector: vectorSchema.nullish().describe("The document's own vector; else the collection's model makes one per passage"),
}).meta({ id: "Document" });

export const documentsRequestSchema = strictObject({
  documents: z.array(documentSchema).min(1),
}).meta({ id: "DocumentsRequest" });

/** The list itself, its documents not yet looked at: a long one is checked piece by piece. */
const documentListSchema = strictObject({ documents: z.array(z.unknown()) });

/** @param items the list itself, where it was taken out of the body to be parsed piece by piece */
export function documentListOf(body: unknown, items: readonly unknown[] | null): readonly unknown[] {
  const { documents } = validate(documentListSchema, body);
  const list = items ?? documents;
  if (list.length === 0) throw refuse("documents", "is an empty list", "at least one document");
  return list;
}

export function refuseTooMany(documents: number, maxDocuments: number): void {
  if (documents > maxDocuments) throw refuse("documents", `is a list of ${documents}`, `at most ${maxDocuments} in one request`);
}

export function parseDocument(input: unknown, place: number): IncomingDocument {
  const wire = validate(documentSchema, input, ["documents", place]);
  return {
    id: wire.id,
    title: wire.title ?? "",
    url: wire.url ?? "",
    attributes: withoutUnknownKeys(input, wire.attributes ?? {}, place),
    principals: wire.principals ?? [],
    vector: wire.vector ?? null,
    source: { kind: "text", text: wire.text, format: wire.format ?? "text" },
  };
}

/** A record never holds the key `__proto__`, so a parser that skips it would lose it in silence. */
function withoutUnknownKeys<Value extends object>(input: unknown, attributes: Value, place: number): Value {
  const given = (input as { attributes?: object }).attributes;
  if (given !== undefined && Object.hasOwn(given, "__proto__")) {
    throw refuse(`documents[${place}].attributes.__proto__`, "is not a valid key", "a key other than __proto__");
  }
  return attributes;
}

/** Settings that hold for all files of a multipart upload; `id` and `title` are one file's. */
export const uploadFieldsSchema = strictObject({
  id: documentIdSchema.optional(),
  title: textSchema(MAX_TITLE_LENGTH).optional(),
  attributes: attributesSchema.optional(),
  principals: principalsSchema.optional(),
  url: textSchema(MAX_URL_LENGTH).optional(),
});

export type UploadFields = z.output<typeof uploadFieldsSchema>;

export interface UploadedFile {
  readonly fileName: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** Throws `invalid_request` where what can be one file's is given for several. */
export function refuseShared(fields: UploadFields, files: number): void {
  const shared = (["id", "title"] as const).find((name) => fields[name] !== undefined);
  if (shared !== undefined && files > 1) throw refuse(shared, `is given for ${files} files`, "one file, or none of it");
}

/** A file becomes a document whose id is the file's name unless another is given. */
export function fileDocument(file: UploadedFile, fields: UploadFields, place: number): IncomingDocument {
  const id = documentIdSchema.safeParse(fields.id ?? file.fileName);
  if (!id.success) throw refuse(`files[${place}].filename`, `is ${describe(file.fileName)}`, id.error.issues[0]?.message ?? "a file name");
  return {
    id: id.data,
    title: fields.title ?? "",
    url: fields.url ?? "",
    attributes: fields.attributes ?? {},
    principals: fields.principals ?? [],
    vector: null,
    source: { kind: "file", mediaType: file.mediaType, fileName: file.fileName, bytes: file.bytes },
  };
}

/** Refuses a second document with the id of an earlier one: which of them would be kept is a guess. */
export function refuseRepeatedIds(documents: readonly { readonly id: string }[], list = "documents"): void {
  const places = new Map<string, number>();
  for (const [place, { id }] of documents.entries()) {
    const earlier = places.get(id);
    if (earlier !== undefined) throw refuse(`${list}[${place}].id`, `is ${describe(id)}, as ${list}[${earlier}].id is`, "each id once");
    places.set(id, place);
  }
}

export const deleteByFilterSchema = strictObject({ filters: uncheckedFilterSchema }).meta({ id: "DeleteByFilterRequest" });

export function parseDeleteByFilter(body: unknown, attributes: AttributeSchema): Filter {
  const filter = toFilter(validate(deleteByFilterSchema, body).filters, attributes);
  if (filter === null) throw refuse("filters", "is missing", "a filter; a whole collection is deleted by DELETE on the collection");
  return filter;
}

export const documentAnswerSchema = z
  .object({
    object: z.literal("document"),
    id: z.string(),
    title: z.string(),
    url: z.string(),
    text: z.string().optional().describe("In the answer for one document, not in lists"),
    attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    principals: z.array(z.string()),
    content_hash: z.string().describe("SHA-256 in hex"),
    state: z.enum(["pending", "indexed", "failed", "skipped"]),
    failure: z.string().nullable(),
    chunks: z.int(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: "DocumentRecord" });

type WireDocument = z.output<typeof documentAnswerSchema>;

export function fromDocument(record: Omit<DocumentRecord, "text"> & { readonly text?: string }): WireDocument {
  return {
    object: "document",
    id: record.id,
    title: record.title,
    url: record.url,
    ...(record.text === undefined ? {} : { text: record.text }),
    attributes: { ...record.attributes },
    principals: [...record.principals],
    content_hash: record.contentHash,
    state: record.state,
    failure: record.failure,
    chunks: record.chunks,
    created_at: isoTime(record.createdAtMs),
    updated_at: isoTime(record.updatedAtMs),
  };
}
