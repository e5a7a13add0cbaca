/**
 * One ranked passage: what it says, where it came from, why it stands where it stands.
 * @import { Hit } from "../wire.ts"
 */
import { bar, element } from "./element.js";
import { formatScore, formatValue, safeLink } from "./format.js";
import { highlightParts } from "./highlight.js";

/** @type {Record<string, string>} */
const SCORE_KINDS = { weighted: "weighted fusion", rrf: "reciprocal rank fusion", cosine: "cosine", bm25: "BM25", rerank: "reranker" };
/** @type {Record<string, string>} */
const BRANCH_NAMES = { vector: "Vector", bm25: "BM25", rerank: "Reranker", fused: "Fused" };

/** Longer passages are shown folded, with a button. */
const FOLD_AT_CHARACTERS = 700;

/**
 * @param {Hit} hit
 * @param {number} rank from 1
 * @param {string} query
 * @returns {HTMLLIElement}
 */
export function passageItem(hit, rank, query) {
  const title = hit.title === "" ? hit.document_id : hit.title;
  return element(
    "li",
    { class: "passage" },
    element(
      "article",
      { "aria-labelledby": `passage-${rank}` },
      element(
        "header",
        { class: "passage-head" },
        element("span", { class: "rank", "aria-hidden": "true" }, String(rank)),
        element("div", { class: "passage-title" }, element("h3", { id: `passage-${rank}` }, titleLink(title, hit.url)), source(hit)),
        score(hit),
      ),
      ...passageText(hit.text ?? "", query, rank),
      element("footer", { class: "passage-foot" }, branches(hit), attributes(hit)),
    ),
  );
}

/**
 * @param {string} title
 * @param {string} url
 */
function titleLink(title, url) {
  const href = safeLink(url);
  return href === null ? title : element("a", { href, rel: "noopener noreferrer nofollow" }, title);
}

/** @param {Hit} hit */
function source(hit) {
  const parts = [hit.url !== "" ? hit.url : hit.document_id, ...(hit.parent_id === null ? [] : [`parent ${hit.parent_id}`])];
  return element("p", { class: "source", title: hit.id }, parts.join(" · "));
}

/** @param {Hit} hit */
function score(hit) {
  return element(
    "div",
    { class: "score" },
    element("span", { class: "score-value" }, hit.score.toFixed(3)),
    bar(hit.score, "score-bar"),
    element("span", { class: "score-kind" }, SCORE_KINDS[hit.score_type] ?? hit.score_type),
  );
}

/**
 * @param {string} text
 * @param {string} query
 * @param {number} rank
 * @returns {HTMLElement[]}
 */
function passageText(text, query, rank) {
  if (text.trim() === "") return [element("p", { class: "passage-text empty-text" }, "This passage has no text of its own.")];
  const id = `passage-text-${rank}`;
  const body = element("p", { class: "passage-text", id, dir: "auto" });
  for (const part of highlightParts(text, query)) body.append(part.isMatch ? element("mark", {}, part.text) : part.text);
  if (text.length <= FOLD_AT_CHARACTERS) return [body];
  body.classList.add("folded");
  const toggle = element("button", { type: "button", class: "quiet", "aria-expanded": "false", "aria-controls": id }, "Show all of it");
  toggle.addEventListener("click", () => {
    const isFolded = body.classList.toggle("folded");
    toggle.setAttribute("aria-expanded", String(!isFolded));
    toggle.textContent = isFolded ? "Show all of it" : "Show less";
  });
  return [body, toggle];
}

/** @param {Hit} hit */
function branches(hit) {
  const ranks = hit.ranks ?? {};
  const scores = hit.scores ?? {};
  const names = [...new Set([...Object.keys(ranks), ...Object.keys(scores)])];
  if (names.length === 0) return null;
  return element(
    "dl",
    { class: "branches" },
    ...names.map((name) => {
      const rank = ranks[name];
      const raw = scores[name];
      return element(
        "div",
        { class: "branch" },
        element("dt", {}, BRANCH_NAMES[name] ?? name),
        element(
          "dd",
          {},
          rank === undefined ? null : element("span", { class: "branch-rank" }, `#${rank}`),
          raw === undefined ? null : element("span", {}, formatScore(raw)),
        ),
      );
    }),
  );
}

/** @param {Hit} hit */
function attributes(hit) {
  const entries = Object.entries(hit.attributes ?? {});
  if (entries.length === 0) return null;
  return element(
    "dl",
    { class: "attributes" },
    ...entries.map(([key, value]) => element("div", { class: "attribute" }, element("dt", {}, key), element("dd", {}, formatValue(value)))),
  );
}
