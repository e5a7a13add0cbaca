import type { HttpRequest } from "../../../runtime/http_message.ts";

/** The document's own address, or where this node shows it, under the name that the caller reached the node by. */
export function documentUrl({ headers }: HttpRequest, collection: string, id: string, url: string): string {
  if (url !== "") return url;
  const scheme = headers.get("x-forwarded-proto") === "https" ? "https" : "http";
  return `${scheme}://${headers.get("host") ?? "localhost"}/v1/collections/${collection}/documents/${encodeURIComponent(id)}`;
}
