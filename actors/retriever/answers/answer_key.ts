import { Buffer } from "node:buffer";
import { type Scope, scopeKey } from "../../../transport/transport.ts";
import type { CollectionRecord, CollectionSettings, FusionSettings } from "../../document_store/collection_record.ts";
import { degradationsFor } from "../pipeline/plan.ts";
import type { Degradation, Mode, SearchRequest } from "../search.ts";
import { rewritingOf } from "../strategies/legs.ts";

/** Everything that decides what an answer holds, apart from the index version, which lies beside the key. */
export interface AnswerKeyParts {
  readonly scope: Scope;
  /** Whether documents without principals are anyone's. */
  readonly acl: CollectionSettings["acl"];
  readonly collection: string;
  /** A collection that is made anew under an old name is another one. */
  readonly createdAtMs: number;
  /** The build that is searched. */
  readonly version: number;
  readonly model: string;
  readonly mode: Mode;
  /** What has failed: one mode stands for more than one outage, and each leaves another answer. */
  readonly failed: readonly Degradation[];
  /** Who ranks anew and who writes on this node; nodes that share answers may have others. */
  readonly helpers: string;
  /** The request's fusion, or else the collection's. */
  readonly fusion: FusionSettings;
  readonly notBeforeMs: number | null;
  readonly request: SearchRequest;
}

/**
 * One string for all questions that have the same answer. `allow_degraded`, `min_version` and `use_cache` are not in it:
 * they decide whether an answer will do, not what it is. The JSON's own escaping keeps the parts apart.
 */
export function answerKey(parts: AnswerKeyParts): string {
  const { scope, acl, collection, createdAtMs, version, model, mode, failed, helpers, fusion, notBeforeMs, request } = parts;
  const { vector } = request;
  const missing = failed.length === 0 ? [] : degradationsFor(request, failed);
  return JSON.stringify([
    scopeKey(scope),
    acl ?? null,
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
    request.rerank,
    request.options,
    missing.map(({ stage, reason }) => [stage, reason]),
    isHelped(request) ? helpers : null,
  ]);
}

/** Whether a reranker or a language model has a part in the answer. */
function isHelped(request: SearchRequest): boolean {
  const { subQueries, hypothetical } = rewritingOf(request);
  return request.rerank || subQueries || hypothetical;
}

function bytesAsText(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");
}

/**
 * The keys of questions that are asked again as the same object: a bridge that has read a question once hands it on as it
 * is. What is kept goes with the question.
 */
export class AnswerKeys {
  readonly #last = new WeakMap<SearchRequest, { readonly parts: AskedParts; readonly key: string }>();

  of(request: SearchRequest, parts: AskedParts): string {
    const last = this.#last.get(request);
    if (last !== undefined && isSame(last.parts, parts)) return last.key;
    const { record, version, mode, failed, helpers, fusion, notBeforeMs, scope } = parts;
    const key = answerKey({
      scope,
      acl: record.settings.acl,
      collection: record.name,
      createdAtMs: record.createdAtMs,
      version,
      model: record.settings.embedding,
      mode,
      failed,
      helpers,
      fusion,
      notBeforeMs,
      request,
    });
    this.#last.set(request, { parts, key });
    return key;
  }
}

/** What a key holds beside its question. */
export interface AskedParts extends Pick<AnswerKeyParts, "scope" | "version" | "mode" | "failed" | "helpers" | "fusion" | "notBeforeMs"> {
  readonly record: CollectionRecord;
}

/** By identity where a change makes a new object; one that is equal though another is only a key made once more. */
function isSame(left: AskedParts, right: AskedParts): boolean {
  return (
    left.record === right.record &&
    left.version === right.version &&
    left.mode === right.mode &&
    left.failed === right.failed &&
    left.helpers === right.helpers &&
    left.fusion === right.fusion &&
    left.notBeforeMs === right.notBeforeMs &&
    left.scope === right.scope
  );
}
