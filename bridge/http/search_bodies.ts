import { Buffer } from "node:buffer";
import { LRUCache } from "lru-cache";
import type { SearchRequest } from "../../actors/retriever/search.ts";
import type { AttributeSchema } from "../../actors/vector_store/filter.ts";
import { type ParsedSearch, parseSearch } from "../schema/search.ts";
import { parseJson } from "./body.ts";
import { MAX_JSON_DEPTH } from "./exchange.ts";

/** Bodies of questions that are kept, all together; each counts its length and what is made of it. */
const MAX_KEPT_BYTES = 4 * 1_048_576;
/** A longer body is read anew each time; a vector makes one long. */
const MAX_BODY_BYTES = 2_048;
const ENTRY_OVERHEAD_BYTES = 1_000;

/** Questions asked again byte for byte, as popular ones are, are read and checked once. */
export class SearchBodies {
  readonly #kept = new LRUCache<string, SearchBody>({
    maxSize: MAX_KEPT_BYTES,
    sizeCalculation: (_body, text) => text.length * 3 + ENTRY_OVERHEAD_BYTES,
  });

  /** Throws `invalid_request`. */
  read(bytes: Uint8Array): SearchBody {
    if (bytes.length > MAX_BODY_BYTES) return parse(bytes);
    // One character a byte: equal texts are equal bytes.
    const text = asBuffer(bytes).toString("latin1");
    const known = this.#kept.get(text);
    if (known !== undefined) return known;
    const body = parse(bytes);
    this.#kept.set(text, body);
    return body;
  }
}

/** One body, and the request last made of it: the same question to the same collection is the same object. */
class SearchBody {
  readonly #parsed: ParsedSearch;
  #last: { readonly attributes: AttributeSchema; readonly request: SearchRequest } | null = null;

  constructor(parsed: ParsedSearch) {
    this.#parsed = parsed;
  }

  get timeoutMs(): number | null {
    return this.#parsed.timeoutMs;
  }

  /** Throws `invalid_request` for a filter that does not suit the collection. */
  toRequest(collection: string, attributes: AttributeSchema, useCache: boolean): SearchRequest {
    const last = this.#last;
    if (last !== null && last.attributes === attributes && last.request.collection === collection && last.request.useCache === useCache) {
      return last.request;
    }
    const request = this.#parsed.toRequest(collection, attributes, useCache);
    this.#last = { attributes, request };
    return request;
  }
}

function parse(bytes: Uint8Array): SearchBody {
  return new SearchBody(parseSearch(parseJson(bytes, MAX_JSON_DEPTH, "")));
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
