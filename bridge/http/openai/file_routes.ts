/** `/v1/files`: what OpenAI's clients upload before they say which vector store it belongs to. */
import { z } from "zod";
import type { Upload } from "../../../actors/ingest/upload_folder.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { deletedFileSchema, FILE_ID, fileSchema, fileUploadSchema, fromUpload, purposeSchema } from "../../schema/openai/files.ts";
import { cursorPage, cursorPageSchema, parseCursor } from "../../schema/openai/vector_stores.ts";
import { textSchema } from "../../schema/text.ts";
import { refuse, validate } from "../../schema/validate.ts";
import { json } from "../answer.ts";
import { mediaTypeOf, refuseMediaType } from "../body.ts";
import type { FileUploads } from "../collaborators.ts";
import { CURSOR_PARAMETERS, FILE_PARAMETER, jsonAnswer } from "../descriptions.ts";
import type { Exchange } from "../exchange.ts";
import type { BridgeLimits } from "../limits.ts";
import type { Route } from "../route.ts";
import { MULTIPART_TYPE, parseForm } from "../uploads.ts";

interface Parts {
  readonly uploads: FileUploads;
  readonly limits: BridgeLimits;
}

const PATH = "/v1/files";
const EXAMPLE = {
  id: "file-5f2c1a5f2c1a5f2c1a5f2c1a",
  object: "file",
  bytes: 120,
  created_at: 1_767_605_400,
  filename: "guide.md",
  purpose: "assistants",
  status: "processed",
};

export function fileRoutes(parts: Parts): readonly Route[] {
  return [uploadFile(parts), listFiles(parts), getFile(parts), deleteFile(parts)];
}

function uploadFile({ uploads, limits }: Parts): Route {
  return {
    method: "POST",
    path: PATH,
    kind: "work",
    maxBodyBytes: limits.maxDocumentsBodyBytes,
    timeoutMs: limits.defaultWriteTimeoutMs,
    description: {
      operationId: "uploadFile",
      summary: "Upload a file that a vector store is then told to take; kept for a day",
      tag: "openai",
      parameters: [],
      request: { isRequired: true, content: { [MULTIPART_TYPE]: { schema: fileUploadSchema, example: undefined } } },
      answers: { 200: jsonAnswer("It is on disk", fileSchema, EXAMPLE) },
      errors: ["payload_too_large", "unsupported_media_type", "storage_full"],
    },
    async handle(exchange) {
      const mediaType = mediaTypeOf(exchange.request);
      if (mediaType !== MULTIPART_TYPE) refuseMediaType(mediaType, MULTIPART_TYPE);
      const { files, fields } = await parseForm(await exchange.bytes(), exchange.request.headers.get("content-type") ?? "", 1);
      const [file] = files;
      if (file === undefined) throw refuse("file", "is missing", "a part that is a file");
      const fileName = validate(textSchema(512).min(1), file.fileName, ["file", "filename"]);
      const purpose = validate(purposeSchema, fields.purpose, ["purpose"]);
      return json(200, fromUpload(await uploads.put({ fileName, mediaType: file.mediaType, purpose }, file.bytes)));
    },
  };
}

function listFiles({ uploads, limits }: Parts): Route {
  return {
    method: "GET",
    path: PATH,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "listFiles",
      summary: "List uploaded files, newest first",
      tag: "openai",
      parameters: CURSOR_PARAMETERS,
      request: null,
      answers: { 200: jsonAnswer("A page of files", cursorPageSchema(fileSchema, "FilePage"), cursorPage([EXAMPLE], false)) },
      errors: [],
    },
    handle(exchange) {
      const { limit, after } = parseCursor(exchange.query());
      const all = uploads.list();
      const start = after === null ? 0 : all.findIndex(({ id }) => id === after) + 1;
      return json(200, cursorPage(all.slice(start, start + limit).map(fromUpload), all.length > start + limit));
    },
  };
}

function getFile({ uploads, limits }: Parts): Route {
  return {
    method: "GET",
    path: `${PATH}/{file_id}`,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "getFile",
      summary: "Show an uploaded file",
      tag: "openai",
      parameters: [{ ...FILE_PARAMETER, schema: z.string() }],
      request: null,
      answers: { 200: jsonAnswer("The file", fileSchema, EXAMPLE) },
      errors: ["not_found"],
    },
    handle: (exchange) => json(200, fromUpload(requireUpload(uploads, exchange))),
  };
}

function deleteFile({ uploads, limits }: Parts): Route {
  return {
    method: "DELETE",
    path: `${PATH}/{file_id}`,
    kind: "work",
    maxBodyBytes: 0,
    timeoutMs: limits.defaultTimeoutMs,
    description: {
      operationId: "deleteFile",
      summary: "Delete an uploaded file; vector stores that took it keep it",
      tag: "openai",
      parameters: [{ ...FILE_PARAMETER, schema: z.string() }],
      request: null,
      answers: { 200: jsonAnswer("It is gone", deletedFileSchema, { id: EXAMPLE.id, object: "file", deleted: true }) },
      errors: ["not_found", "storage_full"],
    },
    async handle(exchange) {
      const { id } = requireUpload(uploads, exchange);
      await uploads.delete(id);
      return json(200, { id, object: "file", deleted: true });
    },
  };
}

function requireUpload(uploads: FileUploads, exchange: Exchange): Upload {
  const id = FILE_ID.safeParse(exchange.param("file_id"));
  const upload = id.success ? uploads.get(id.data) : null;
  if (upload === null) throw kennelError("not_found", { param: "file_id", message: "There is no such file, or it is older than a day" });
  return upload;
}
