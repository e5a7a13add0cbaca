/**
 * The page's state in its address, so that a question can be shared: `?collection=docs&q=…&strategy=bm25&top_k=5#ask`.
 */

export const VIEWS = /** @type {const} */ (["ask", "chat", "evaluate", "actors", "latency"]);
/** @typedef {typeof VIEWS[number]} View */

export const STRATEGIES = /** @type {const} */ (["hybrid", "vector", "bm25", "parent_document", "multi_query", "hyde"]);
export const DEFAULT_STRATEGY = "hybrid";
export const DEFAULT_TOP_K = 10;
export const MAX_TOP_K = 1000;

/**
 * @typedef {object} AskState
 * @property {string | null} collection null: the page picks one
 * @property {string} query
 * @property {string} strategy
 * @property {number} topK
 */

/**
 * Reads an address that anyone may have written: what is not allowed becomes the default.
 * @param {string} search the part from `?`
 * @returns {AskState}
 */
export function readAsk(search) {
  const params = new URLSearchParams(search);
  const strategy = params.get("strategy") ?? "";
  return {
    collection: params.get("collection") || null,
    query: params.get("q") ?? "",
    strategy: STRATEGIES.some((name) => name === strategy) ? strategy : DEFAULT_STRATEGY,
    topK: readTopK(params.get("top_k") ?? ""),
  };
}

/**
 * @param {string} text
 * @returns {number} a whole number from 1 to 1,000, or the default
 */
export function readTopK(text) {
  const number = Number(text);
  return text !== "" && Number.isInteger(number) && number >= 1 && number <= MAX_TOP_K ? number : DEFAULT_TOP_K;
}

/**
 * The inverse of `readAsk`; defaults are left out to keep addresses short.
 * @param {AskState} state
 * @returns {string} empty or from `?`
 */
export function writeAsk({ collection, query, strategy, topK }) {
  const params = new URLSearchParams();
  if (collection !== null) params.set("collection", collection);
  if (query !== "") params.set("q", query);
  if (strategy !== DEFAULT_STRATEGY) params.set("strategy", strategy);
  if (topK !== DEFAULT_TOP_K) params.set("top_k", String(topK));
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}

/**
 * @param {string} hash
 * @returns {View}
 */
export function readView(hash) {
  const name = hash.replace(/^#/, "");
  return VIEWS.find((view) => view === name) ?? "ask";
}
