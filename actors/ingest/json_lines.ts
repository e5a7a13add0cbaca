import { kennelError } from "../../runtime/errors.ts";
import type { Attributes } from "../vector_store/filter.ts";
import type { IncomingDocument } from "./accept.ts";
import { isJsonLines } from "./parsing/format.ts";

/** Lines read before others get their turn. */
const LINES_PER_TURN = 512;

/** A file of JSON lines stands for the documents on its lines: each takes its place; every other document stays as it is. */
export async function expandJsonLines(documents: readonly IncomingDocument[], maxDocuments: number): Promise<readonly IncomingDocument[]> {
  if (!documents.some(({ source }) => source.kind === "file" && isJsonLines(source))) return documents;
  const expanded: IncomingDocument[] = [];
  for (const document of documents) {
    if (document.source.kind !== "file" || !isJsonLines(document.source)) {
      expanded.push(document);
      continue;
    }
    for (const [index, line] of decode(document.source.bytes, document.source.fileName).split("\n").entries()) {
      if (line.trim() === "") continue;
      expanded.push(readLine(line, `${document.source.fileName} line ${index + 1}`, document));
      if (expanded.length > maxDocuments) {
        throw kennelError("invalid_request", {
          param: "documents",
          message: `A request brings at most ${maxDocuments} documents, JSON lines counted`,
        });
      }
      if (index % LINES_PER_TURN === LINES_PER_TURN - 1) await new Promise<void>((resolve) => void setImmediate(resolve));
    }
  }
  return expanded;
}

function decode(bytes: Uint8Array, fileName: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (thrown) {
    throw kennelError("invalid_request", { param: fileName, message: `${fileName} is not valid UTF-8`, cause: thrown });
  }
}

const FIELDS = ["id", "title", "text", "url", "attributes"] as const;

/** What the line does not say comes from the file it stands in. */
function readLine(line: string, place: string, file: IncomingDocument): IncomingDocument {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (thrown) {
    throw kennelError("invalid_request", { param: place, message: `${place} is not JSON`, cause: thrown });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refuse(place, "is not an object");
  const fields = value as Record<string, unknown>;
  const unknown = Object.keys(fields).find((key) => !(FIELDS as readonly string[]).includes(key));
  if (unknown !== undefined) throw refuse(place, `has the field "${unknown.slice(0, 64)}"; known are ${FIELDS.join(", ")}`);
  const { id, title, text, url, attributes } = fields;
  if (typeof id !== "string") throw refuse(`${place}.id`, "is not a string");
  if (typeof text !== "string") throw refuse(`${place}.text`, "is not a string");
  if (title !== undefined && typeof title !== "string") throw refuse(`${place}.title`, "is not a string");
  if (url !== undefined && typeof url !== "string") throw refuse(`${place}.url`, "is not a string");
  const isRecord = typeof attributes === "object" && attributes !== null && !Array.isArray(attributes);
  if (attributes !== undefined && !isRecord) throw refuse(`${place}.attributes`, "is not an object");
  return {
    id,
    title: title ?? "",
    url: url ?? file.url,
    attributes: { ...file.attributes, ...(attributes as Attributes | undefined) },
    principals: file.principals,
    vector: null,
    source: { kind: "text", text, format: "text" },
  };
}

function refuse(param: string, what: string) {
  return kennelError("invalid_request", { param, message: `${param} ${what}` });
}
