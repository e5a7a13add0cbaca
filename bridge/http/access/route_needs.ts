/** What each route asks of a key. What is not listed asks for everything, and a test says so. */
import type { Scope } from "../../keys/grant.ts";
import type { Route } from "../route.ts";

export interface Need {
  readonly scope: Scope;
  /** Concerns, or names, collections of all sorts: a key for some of them will not do. */
  readonly isForAll: boolean;
}

/** `open` asks for no key: it tells nothing of what is stored. */
export type RouteNeed = "open" | Need;

const READ: Need = { scope: "read", isForAll: false };
const WRITE: Need = { scope: "write", isForAll: false };
const OVERVIEW: Need = { scope: "read", isForAll: true };
const ADMIN: Need = { scope: "admin", isForAll: true };

export const ROUTE_NEEDS: Readonly<Record<string, RouteNeed>> = {
  "GET /healthz": "open",
  "GET /readyz": "open",

  "GET /v1/collections": READ,
  "GET /v1/collections/{collection}": READ,
  "PUT /v1/collections/{collection}": WRITE,
  "DELETE /v1/collections/{collection}": WRITE,
  "POST /v1/collections/{collection}/warm": WRITE,
  "POST /v1/collections/{collection}/refresh": WRITE,
  "POST /v1/collections/{collection}/reindex": WRITE,
  "POST /v1/collections/{collection}/switch": WRITE,
  "DELETE /v1/collections/{collection}/versions/{version}": WRITE,
  "POST /v1/collections/{collection}/documents": WRITE,
  "POST /v1/collections/{collection}/urls": WRITE,
  "GET /v1/collections/{collection}/documents": READ,
  "DELETE /v1/collections/{collection}/documents": WRITE,
  "GET /v1/collections/{collection}/documents/{document}": READ,
  "DELETE /v1/collections/{collection}/documents/{document}": WRITE,
  "POST /v1/collections/{collection}/search": READ,
  "POST /v1/collections/{collection}/evaluations": READ,
  "POST /v1/search": READ,
  "GET /v1/jobs/{job}": READ,
  "DELETE /v1/jobs/{job}": WRITE,
  "PUT /v1/aliases/{alias}": WRITE,
  "DELETE /v1/aliases/{alias}": WRITE,

  "POST /v1/chat/completions": READ,
  "POST /v1/embeddings": READ,
  "GET /v1/models": READ,
  "GET /v1/models/{model}": READ,
  "POST /v1/files": WRITE,
  "GET /v1/files": READ,
  "GET /v1/files/{file_id}": READ,
  "DELETE /v1/files/{file_id}": WRITE,
  "POST /v1/vector_stores": WRITE,
  "GET /v1/vector_stores": READ,
  "GET /v1/vector_stores/{vector_store_id}": READ,
  "DELETE /v1/vector_stores/{vector_store_id}": WRITE,
  "POST /v1/vector_stores/{vector_store_id}/search": READ,
  "POST /v1/vector_stores/{vector_store_id}/files": WRITE,
  "GET /v1/vector_stores/{vector_store_id}/files": READ,
  "GET /v1/vector_stores/{vector_store_id}/files/{file_id}": READ,
  "GET /v1/vector_stores/{vector_store_id}/files/{file_id}/content": READ,
  "DELETE /v1/vector_stores/{vector_store_id}/files/{file_id}": WRITE,
  "POST /v1/vector_stores/{vector_store_id}/file_batches": WRITE,
  "GET /v1/vector_stores/{vector_store_id}/file_batches/{batch_id}": READ,
  "POST /v1/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel": WRITE,
  "POST /mcp": READ,
  "POST /v1/rerank": READ,
  "POST /v2/rerank": READ,
  "POST /dify/retrieval": READ,

  // Both name collections in their tree and their labels.
  "GET /v1/status": OVERVIEW,
  "GET /metrics": OVERVIEW,
  "GET /v1/usage": OVERVIEW,
  "GET /v1/upkeep": OVERVIEW,
  "POST /v1/upkeep/{task}": ADMIN,
  "PUT /v1/mode": ADMIN,
  "GET /v1/flags": ADMIN,
  "PUT /v1/flags/{flag}": ADMIN,
  "DELETE /v1/flags/{flag}": ADMIN,
  "GET /v1/vector_store/collections": ADMIN,
  "GET /v1/vector_store/collections/{name}": ADMIN,
};

/** Files of the page and of the documentation have no description; they hold nothing that is stored. */
export function needOf(route: Route): RouteNeed {
  if (route.description === null) return "open";
  return ROUTE_NEEDS[`${route.method} ${route.path}`] ?? ADMIN;
}
