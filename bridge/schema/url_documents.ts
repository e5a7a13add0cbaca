import { z } from "zod";
import type { IncomingDocument } from "../../actors/ingest/accept.ts";
import type { FetchedFile } from "../../actors/ingest/fetching/url_fetcher.ts";
import { attributesSchema, MAX_TITLE_LENGTH, MAX_URL_LENGTH, principalsSchema } from "./documents.ts";
import { documentIdSchema, textSchema } from "./text.ts";
import { refuse, strictObject, validate } from "./validate.ts";

const urlSchema = textSchema(MAX_URL_LENGTH).describe("http:// or https://, without user and password");

const urlDocumentSchema = strictObject({
  url: urlSchema,
  id: documentIdSchema.optional().describe("Else the URL itself"),
  title: textSchema(MAX_TITLE_LENGTH).optional().describe("Else the document's own"),
  attributes: attributesSchema.optional(),
  principals: principalsSchema.optional().describe("Who may find the document; empty: whoever may search the collection"),
}).meta({ id: "UrlDocument" });

export const urlDocumentsRequestSchema = strictObject({
  urls: z.array(z.union([urlSchema, urlDocumentSchema])).min(1),
}).meta({ id: "UrlDocumentsRequest" });

/** A document that is still to be fetched. */
export type UrlDocument = z.output<typeof urlDocumentSchema> & { readonly id: string };

/** Throws `invalid_request`. */
export function parseUrlDocuments(body: unknown, maxUrls: number): readonly UrlDocument[] {
  const { urls } = validate(urlDocumentsRequestSchema, body);
  if (urls.length > maxUrls) throw refuse("urls", `is a list of ${urls.length}`, `at most ${maxUrls} in one request`);
  return urls.map((entry, place) => {
    const document = typeof entry === "string" ? { url: entry } : entry;
    const id = documentIdSchema.safeParse(document.id ?? document.url);
    if (!id.success) throw refuse(paramOfUrl(place), "is no document's id", 'an object with "url" and an "id" of at most 512 characters');
    return { ...document, id: id.data };
  });
}

export const paramOfUrl = (place: number) => `urls[${place}]`;

export function fetchedDocument({ id, url, title, attributes, principals }: UrlDocument, file: FetchedFile): IncomingDocument {
  return {
    id,
    title: title ?? "",
    url,
    attributes: attributes ?? {},
    principals: principals ?? [],
    vector: null,
    source: { kind: "file", ...file },
  };
}
