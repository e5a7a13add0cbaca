import { Buffer } from "node:buffer";
import { type Scope, scopeKey } from "../../../transport/transport.ts";
import type { FusionSettings } from "../../document_store/document_store.ts";
import type { Mode, SearchRequest } from "../search.ts";

/** Everything that decides what an answer holds, apart from the index version, which lies beside the key. */
export interface AnswerKeyParts {
  readonly scope: Scope;
  readonly collection: string;
  /** A collection that is made anew under an old name is another one. */
  readonly createdAtMs: number;
  /** The build that is searched. */
  readonly version: number;
  readonly model: string;
  readonly mode: Mode;
  /** The request's fusion, or else the collection's. */
  readonly fusion: FusionSettings;
  readonly notBeforeMs: number | null;
  readonly request: SearchRequest;
}

/**
 * One string for all questions that have the same answer. `allow_degraded`, `min_version` and `use_cache` are not in it:
 * they decide whether an answer will do, not what it is. The JSON's own escaping keeps the parts apart.
 */
export function answerKey({ scope, collection, createdAtMs, version, model, mode, fusion, notBeforeMs, request }: AnswerKeyParts): string {
  const { vector } = request;
  return JSON.stringify([
    scopeKey(scope),
    collection,
    createdAtMs,
    version,
    model,
    mode,
    fusion.type === "weighted" ? fusion.alpha : [fusion.k, fusion.weights.vector, fusion.weights.bm25],
    notBeforeMs,
    request.query,
    vector === null ? null : bytesAsText(vector),
    request.strategy,
    request.topK,
    request.candidateK,
    request.filter,
    request.groupBy,
    request.scoreThreshold,
    // An order of its own: what is included does not depend on the order in which it was asked for.
    [...request.include].sort(),
    request.explain,
  ]);
}

function bytesAsText(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");
}
