import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { HttpRequest } from "../../runtime/http_message.ts";
import type { Answer } from "./answer.ts";
import type { StaticFile } from "./collaborators.ts";

const gzipAsync = promisify(gzip);

export async function staticFile(content: Uint8Array, contentType: string): Promise<StaticFile> {
  const bytes = new Uint8Array(content);
  return {
    contentType,
    bytes,
    gzipped: new Uint8Array(await gzipAsync(bytes)),
    etag: `W/"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`,
  };
}

/** The file, compressed where the client takes that; 304 where it has it already. */
export function fileAnswer(file: StaticFile, request: HttpRequest, contentSecurityPolicy: string): Answer {
  const headers = {
    "content-type": file.contentType,
    "content-security-policy": contentSecurityPolicy,
    "cache-control": "no-cache",
    etag: file.etag,
    vary: "accept-encoding",
  };
  if (listOf(request.headers.get("if-none-match")).includes(file.etag)) return { status: 304, body: null, headers };
  const takesGzip = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:\s*,|\s*$))/i.test(request.headers.get("accept-encoding") ?? "");
  if (!takesGzip) return { status: 200, body: file.bytes, headers };
  return { status: 200, body: file.gzipped, headers: { ...headers, "content-encoding": "gzip" } };
}

function listOf(header: string | null): readonly string[] {
  return header === null ? [] : header.split(",").map((item) => item.trim());
}
