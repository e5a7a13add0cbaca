import { type KennelError, kennelError } from "../../runtime/errors.ts";
import type { CollectionRecord } from "../document_store/collection_record.ts";
import type { SourceDocument } from "../document_store/document_record.ts";
import type { AdoptedColumn, Adoption } from "../vector_store/adoption.ts";
import type { AttributeValue, VisibleFilter } from "../vector_store/filter.ts";
import type { PreparedDocument } from "./preparing/preparer.ts";

/** Of a chunk's id behind its document's: `#` and a number. */
const ORDINAL_BYTES = 8;

/** How the collection is adopted; null: it is Kennel's own. Throws `conflict` where it may only be read. */
export function writableAdoption({ name, settings: { adopt } }: CollectionRecord): Adoption | null {
  if (adopt === undefined) return null;
  if (adopt.mode === "read_write") return adopt;
  const message = `Collection "${name}" has adopted "${adopt.collection}" read-only; its documents are changed by who owns it`;
  throw kennelError("conflict", { param: "collection", message });
}

/** Its rows are its owner's: there is nothing that Kennel could build it anew from. */
export function refuseRebuild({ name, settings: { adopt } }: CollectionRecord): void {
  if (adopt === undefined) return;
  const message = `Collection "${name}" has adopted "${adopt.collection}", whose index is its owner's; it can't be built anew`;
  throw kennelError("conflict", { param: "collection", message });
}

/** Adopted rows have no principals: they are everyone's, or nobody's but those who see all. */
export function seesNothingAdopted(visible: VisibleFilter | null): boolean {
  return visible !== null && !visible.isOpen;
}

export function notForWhoAsks(collection: string): KennelError {
  const message = `Collection "${collection}" has adopted rows and acl "required": none of its documents is for who asks`;
  return kennelError("forbidden", { param: "collection", message });
}

/** Refuses documents that the adopted collection's fields can't hold. Throws `invalid_request` that names the first. */
export function refuseUnfit(documents: readonly SourceDocument[], adoption: Adoption): void {
  const { fields, columns } = adoption;
  const required = Object.keys(adoption.attributes).filter((key) => columns[key]?.isRequired);
  for (const [place, { id, title, url, attributes, principals }] of documents.entries()) {
    const at = `documents[${place}]`;
    if (principals.length > 0) throw refuse(`${at}.principals`, "are given", "none: the adopted collection's rows have no place for them");
    refuseLonger(`${at}.id`, id, columns[fields.id], ORDINAL_BYTES);
    if (fields.documentId !== null) refuseLonger(`${at}.id`, id, columns[fields.documentId]);
    if (fields.title !== null) refuseLonger(`${at}.title`, title, columns[fields.title]);
    if (fields.url !== null) refuseLonger(`${at}.url`, url, columns[fields.url]);
    for (const key of required) {
      if (!Object.hasOwn(attributes, key))
        throw refuse(`${at}.attributes.${key}`, "is missing", "a value, which every row of the adopted collection has");
    }
    for (const [key, value] of Object.entries(attributes)) refuseAttribute(`${at}.attributes.${key}`, key, value, adoption);
  }
}

function refuseAttribute(param: string, key: string, value: AttributeValue, { columns, fields, hasDynamicField, ignored }: Adoption): void {
  const column = columns[key];
  const isOther = Object.values(fields).includes(key) || ignored.some(({ field }) => field === key);
  if (isOther || (column === undefined && !hasDynamicField)) {
    throw refuse(param, "is no attribute of the adopted collection", Object.keys(columns).join(", "));
  }
  if (column?.type === "integer" && !column.isDynamic && !Number.isSafeInteger(value)) throw refuse(param, `is ${value}`, "a whole number");
  if (typeof value === "string") refuseLonger(param, value, column);
}

function refuseLonger(param: string, value: string, column: AdoptedColumn | undefined, reservedBytes = 0): void {
  const limit = (column?.maxBytes ?? Number.POSITIVE_INFINITY) - reservedBytes;
  const bytes = Buffer.byteLength(value);
  if (bytes > limit) throw refuse(param, `has ${bytes} bytes as UTF-8`, `at most ${limit}, by the adopted collection's schema`);
}

/** Documents whose passages the adopted collection can't hold have failed, and say why. */
export function failUnfit(prepared: readonly PreparedDocument[], adoption: Adoption): readonly PreparedDocument[] {
  const maxBytes = (adoption.fields.text === null ? null : adoption.columns[adoption.fields.text]?.maxBytes) ?? Number.POSITIVE_INFINITY;
  return prepared.map((document) => {
    const { parsed, vectors } = document;
    const longest = Math.max(0, ...parsed.chunks.map(({ text }) => Buffer.byteLength(text)));
    const failure =
      longest > maxBytes
        ? `A passage has ${longest} bytes; the adopted collection keeps at most ${maxBytes}: use a smaller chunking.max_tokens`
        : parsed.chunks.some((_chunk, place) => (vectors[place] ?? null) === null)
          ? "A passage has no word that the model knows, and the adopted collection keeps no row without a vector"
          : null;
    return failure === null ? document : { ...document, vectors: [], parsed: { ...parsed, chunks: [], parents: [], failure } };
  });
}

function refuse(param: string, given: string, allowed: string): KennelError {
  return kennelError("invalid_request", { param, message: `${param} ${given}; allowed: ${allowed}` });
}
