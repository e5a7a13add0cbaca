/**
 * Asking a collection: the form, its state in the address, and every way an answer can turn out.
 * @import { Api } from "./api.js"
 * @import { AskState } from "./address.js"
 * @import { Memory } from "./memory.js"
 * @import { CollectionItem, Failure, TimedAnswer } from "../wire.ts"
 */
import { readAsk, readTopK, readView, writeAsk } from "./address.js";
import { answerDetails, answerLine, degradationNotice } from "./answer.js";
import { toFailure } from "./api.js";
import { byId, element, fill, setText } from "./element.js";
import { failureNotice } from "./failure.js";
import { formatMany } from "./format.js";
import { passageItem } from "./passage.js";

const LAST_COLLECTION = "kennel-collection";
/** What the server loads about itself on its first start. */
const OWN_DOCUMENTATION = "kennel";
const FIRST_QUESTIONS = ["What happens when a store fails?", "How do I load my documents?", "Why is a retriever an actor?"];
/** From this width on, how an answer came about stands beside it, open. */
const WIDE = "(min-width: 60rem)";

/**
 * The collection to begin with: the last one asked, the server's documentation, else the first.
 * @param {readonly CollectionItem[]} collections
 * @param {string | null} last
 * @returns {string | null} null: there is none
 */
export function pickCollection(collections, last) {
  const names = new Set(collections.map(({ name }) => name));
  return [last, OWN_DOCUMENTATION].find((name) => name !== null && names.has(name)) ?? collections[0]?.name ?? null;
}

/**
 * @param {object} options
 * @param {Api} options.api
 * @param {Memory} options.memory
 * @param {(failure: Failure) => void} options.onFailure told of each failure besides showing it
 * @param {(collections: readonly CollectionItem[]) => void} options.onCollections told which collections there are
 */
export function createAsk({ api, memory, onFailure, onCollections }) {
  const form = byId("ask-form", HTMLFormElement);
  const question = byId("question", HTMLTextAreaElement);
  const select = byId("collection", HTMLSelectElement);
  const strategy = byId("strategy", HTMLSelectElement);
  const topK = byId("top-k", HTMLInputElement);
  const hint = byId("collection-hint", HTMLElement);
  const result = byId("result", HTMLElement);
  const announcement = byId("announcement", HTMLElement);
  /** @type {readonly CollectionItem[]} */
  let collections = [];
  /** @type {AbortController | null} */
  let asking = null;
  /** The address of the question that was asked last: moving between the views does not ask it again. */
  let askedAddress = "";
  /** There is nothing to ask yet; the lists are read again until there is. */
  let isWaitingForPassages = false;

  /** @returns {AskState} */
  function formState() {
    return { collection: select.value || null, query: question.value.trim(), strategy: strategy.value, topK: readTopK(topK.value) };
  }

  /** @param {AskState} state */
  function showState(state) {
    question.value = state.query;
    strategy.value = state.strategy;
    topK.value = String(state.topK);
    if (state.collection !== null) select.value = state.collection;
    showHint();
  }

  function showHint() {
    const chosen = collections.find(({ name }) => name === select.value);
    setText(hint, chosen === undefined ? "" : `${formatMany(chosen.documents, "document")}, ${formatMany(chosen.chunks, "passage")}`);
  }

  async function loadCollections() {
    const wanted = readAsk(location.search).collection;
    try {
      collections = await api.collections(AbortSignal.timeout(10_000));
    } catch (thrown) {
      showFailure(toFailure(thrown), () => void start());
      return false;
    }
    onCollections(collections);
    fill(select, ...collections.map(({ name }) => element("option", { value: name }, name)));
    // An address may name an alias, or a collection beyond those listed; the server knows better than the list.
    if (wanted !== null && !collections.some(({ name }) => name === wanted)) select.append(element("option", { value: wanted }, wanted));
    select.value = wanted ?? pickCollection(collections, memory.read(LAST_COLLECTION)) ?? "";
    for (const control of [select, question, strategy, topK, byId("ask-button", HTMLButtonElement)])
      control.disabled = select.options.length === 0;
    showHint();
    return true;
  }

  /** @param {string} text */
  function announce(text) {
    setText(announcement, text);
  }

  /** Asks what stands in the form; a question that is still under way is given up. */
  async function ask() {
    const state = formState();
    asking?.abort();
    isWaitingForPassages = false;
    askedAddress = location.search;
    if (state.collection === null || state.query === "") return showEmpty();
    const own = new AbortController();
    asking = own;
    result.setAttribute("aria-busy", "true");
    try {
      const timed = await api.search({ ...state, collection: state.collection }, own.signal);
      if (!own.signal.aborted) showAnswer(timed, state);
    } catch (thrown) {
      if (!own.signal.aborted) showFailure(toFailure(thrown), () => void ask());
    } finally {
      if (asking === own) {
        asking = null;
        result.removeAttribute("aria-busy");
      }
    }
  }

  /**
   * @param {TimedAnswer} timed
   * @param {AskState} state
   */
  function showAnswer(timed, { query, collection }) {
    const { answer } = timed;
    announce(`${formatMany(answer.data.length, "passage")}, mode ${answer.mode}`);
    const how = element(
      "details",
      { class: "how", open: matchMedia(WIDE).matches },
      element("summary", {}, "How this answer came about"),
      answerDetails(timed),
    );
    const passages =
      answer.data.length === 0
        ? element(
            "p",
            { class: "empty" },
            `Nothing in "${collection ?? ""}" matches this question. Other words, or another strategy, may find more.`,
          )
        : element("ol", { class: "passages" }, ...answer.data.map((hit, index) => passageItem(hit, index + 1, query)));
    const main = element("div", { class: "answer-main" }, answerLine(timed), degradationNotice(answer.degradations), passages);
    fill(result, element("div", { class: "answer" }, main, how));
  }

  /**
   * @param {Failure} failure
   * @param {() => void} retry
   */
  function showFailure(failure, retry) {
    fill(result, failureNotice(failure, retry));
    onFailure(failure);
  }

  function showEmpty() {
    const chosen = collections.find(({ name }) => name === select.value);
    if (chosen === undefined && select.options.length > 0) return fill(result);
    isWaitingForPassages = (chosen?.chunks ?? 0) === 0;
    if (chosen === undefined) return fill(result, noCollections());
    if (chosen.chunks === 0) return fill(result, noDocuments(chosen.name));
    fill(
      result,
      chosen.name === OWN_DOCUMENTATION
        ? firstQuestions()
        : element("p", { class: "empty" }, "Ask in your own words, or with the words you expect in the passage."),
    );
  }

  function firstQuestions() {
    const buttons = FIRST_QUESTIONS.map((text) => {
      const button = element("button", { type: "button", class: "suggestion" }, text);
      button.addEventListener("click", () => {
        question.value = text;
        form.requestSubmit();
      });
      return button;
    });
    return element(
      "div",
      { class: "empty" },
      element("p", {}, "This collection is Kennel's own documentation. For instance:"),
      element("div", { class: "suggestions" }, ...buttons),
    );
  }

  async function lookAgain() {
    if (!isWaitingForPassages) return;
    isWaitingForPassages = false;
    const chosen = select.value;
    if (!(await loadCollections())) return;
    if (chosen !== "") select.value = chosen;
    showHint();
    if (asking === null) showEmpty();
  }

  async function start() {
    fill(result);
    if (!(await loadCollections())) return;
    const state = readAsk(location.search);
    showState(state);
    if (state.query !== "") return ask();
    showEmpty();
    // Where there is a keyboard, the first key typed is the question's; on a phone it would open the keyboard unasked.
    if (matchMedia("(hover: hover)").matches && readView(location.hash) === "ask") question.focus();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const state = formState();
    const address = writeAsk(state) + location.hash;
    if (address !== location.search + location.hash) history.pushState(null, "", address || location.pathname);
    memory.write(LAST_COLLECTION, state.collection);
    void ask();
  });
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  select.addEventListener("change", () => {
    showHint();
    if (question.value.trim() === "") showEmpty();
  });
  addEventListener("popstate", () => {
    if (location.search === askedAddress) return;
    const state = readAsk(location.search);
    showState(state);
    void ask();
  });
  return {
    start,
    focus: () => question.focus(),
    /** To be called now and then: shows a first collection or its first passages once they are there. */
    lookAgain: () => void lookAgain(),
  };
}

function noCollections() {
  return element(
    "div",
    { class: "empty" },
    element("h3", {}, "There is no collection yet"),
    element("p", {}, "Make one and load a document into it, from a terminal:"),
    element(
      "pre",
      {},
      element(
        "code",
        {},
        [`curl -X PUT ${collectionUrl("docs")} -H 'content-type: application/json' -d '{}'`, loadCommand("docs")].join("\n"),
      ),
    ),
  );
}

/** @param {string} name */
function noDocuments(name) {
  return element(
    "div",
    { class: "empty" },
    element("h3", {}, `"${name}" holds no passages yet`),
    element("p", {}, "If a job is loading it, they appear by themselves. To load a document from a terminal:"),
    element("pre", {}, element("code", {}, loadCommand(name))),
  );
}

/** @param {string} name */
function collectionUrl(name) {
  return `${location.origin}/v1/collections/${encodeURIComponent(name)}`;
}

/** @param {string} name */
function loadCommand(name) {
  return [
    `curl ${collectionUrl(name)}/documents -H 'content-type: application/json' \\`,
    `  -d '{"documents":[{"id":"first","title":"A first document","text":"What it says."}]}'`,
  ].join("\n");
}
