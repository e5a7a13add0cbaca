import { kennelError } from "../../../runtime/errors.ts";
import type { Adoption } from "../../vector_store/adoption.ts";
import type { SearchRequest } from "../search.ts";

/**
 * What a request to an adopted collection comes down to. One whose words nobody ranks is searched by vectors, one whose
 * vectors the model can't make by words; of parents it has none.
 * @param model the name of the collection's embedding model
 * @throws KennelError `invalid_request` that says what the collection lacks
 */
export function fitToAdopted(request: SearchRequest, adoption: Adoption, model: string): SearchRequest {
  const { lexical, canEmbed, collection, dimensions } = adoption;
  const hasWords = lexical !== "none";
  if (isOfSeveral(request) && (!hasWords || !canEmbed || hasParents(request))) {
    const simple = [...(hasWords ? ["bm25"] : []), ...(canEmbed ? ["vector"] : [])];
    const allowed = simple.length === 0 ? "vector, with a vector" : (simple.length === 2 ? ["hybrid", ...simple] : simple).join(", ");
    const lacks = hasWords ? `"${collection}" has vectors of another model` : `nobody ranks the words of "${collection}"`;
    const reason = hasParents(request) ? `"${collection}" has no parents` : lacks;
    const message = `strategy is "${request.strategy}"; allowed: ${allowed}, since ${reason}`;
    throw kennelError("invalid_request", { param: "strategy", message });
  }
  if (request.strategy === "bm25" && !hasWords) {
    const message = `strategy is "bm25"; allowed: vector, since nobody ranks the words of "${collection}"`;
    throw kennelError("invalid_request", { param: "strategy", message });
  }
  if (request.strategy === "bm25") return request;
  if (request.vector === null && !canEmbed) {
    if (hasWords && request.strategy !== "vector") return { ...request, strategy: "bm25" };
    const message = `vector is missing; allowed: a vector of ${dimensions} dimensions, which "${collection}" has and model "${model}" does not make`;
    throw kennelError("invalid_request", { param: "vector", message });
  }
  if (!hasWords && isOfBoth(request)) return { ...request, strategy: "vector" };
  return request.strategy === "parent_document" ? { ...request, strategy: "hybrid" } : request;
}

function isOfBoth({ strategy }: SearchRequest): boolean {
  return strategy === "hybrid" || strategy === "parent_document";
}

function isOfSeveral({ strategy }: SearchRequest): boolean {
  return strategy === "multi_query" || strategy === "hyde" || strategy === "ensemble";
}

function hasParents({ options }: SearchRequest): boolean {
  return options.ensemble.some(({ strategy }) => strategy === "parent_document");
}
