/**
 * A conversation with a collection: answers as they are written, with what they cite.
 * @import { Api } from "./api.js"
 * @import { Memory } from "./memory.js"
 * @import { Annotation, ChatMessage, CollectionItem, Failure } from "../wire.ts"
 */
import { degradationNotice, MODE_MEANINGS } from "./answer.js";
import { toFailure } from "./api.js";
import { pickCollection } from "./ask.js";
import { byId, element, fill, setText } from "./element.js";
import { failureNotice } from "./failure.js";
import { formatName, safeLink } from "./format.js";

const LAST_COLLECTION = "kennel-collection";
/** That are shown, and go along with a question; the server keeps what fits its model. */
const MAX_TURNS = 100;

/**
 * @param {object} options
 * @param {Api} options.api
 * @param {Memory} options.memory
 * @param {(failure: Failure) => void} options.onFailure told of each failure besides showing it
 */
export function createChat({ api, memory, onFailure }) {
  const form = byId("chat-form", HTMLFormElement);
  const question = byId("chat-question", HTMLTextAreaElement);
  const select = byId("chat-collection", HTMLSelectElement);
  const askButton = byId("chat-button", HTMLButtonElement);
  const cancel = byId("chat-cancel", HTMLButtonElement);
  const clear = byId("chat-clear", HTMLButtonElement);
  const list = byId("turns", HTMLOListElement);
  const announcement = byId("chat-announcement", HTMLElement);
  /** @type {ChatMessage[]} */
  let messages = [];
  /** @type {AbortController | null} */
  let answering = null;
  let turns = 0;

  function showEmpty() {
    fill(list, element("li", { class: "empty" }, "Answers come from the collection alone, and say which passages they rest on."));
  }

  /** @param {AbortController | null} own */
  function setAnswering(own) {
    answering = own;
    cancel.hidden = own === null;
    askButton.hidden = own !== null;
    clear.hidden = own !== null || turns === 0;
  }

  /** @param {string} text */
  async function ask(text) {
    const own = new AbortController();
    const turn = createTurn(++turns, text, select.value);
    if (turns === 1) fill(list);
    list.append(turn.node);
    if (list.children.length > MAX_TURNS) list.firstElementChild?.remove();
    turn.node.scrollIntoView({ block: "nearest" });
    const asked = [...messages, /** @type {ChatMessage} */ ({ role: "user", content: text })].slice(-2 * MAX_TURNS + 1);
    setAnswering(own);
    try {
      for await (const part of api.chat(select.value, asked, own.signal)) {
        if (part.kind === "begin") turn.begin(part.mode, part.degradations);
        else if (part.kind === "text") turn.write(part.text);
        else turn.cite(part.annotation);
      }
      messages = [...asked, { role: "assistant", content: turn.end() }];
      setText(announcement, "The answer is complete");
    } catch (thrown) {
      if (own.signal.aborted) turn.cancelled();
      else {
        const failure = toFailure(thrown);
        turn.failed(failure);
        onFailure(failure);
      }
    } finally {
      if (answering === own) setAnswering(null);
      question.focus({ preventScroll: true });
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = question.value.trim();
    if (text === "" || answering !== null || select.value === "") return;
    question.value = "";
    memory.write(LAST_COLLECTION, select.value);
    void ask(text);
  });
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  cancel.addEventListener("click", () => answering?.abort());
  function beginAnew() {
    answering?.abort();
    messages = [];
    turns = 0;
    setAnswering(null);
    showEmpty();
  }
  clear.addEventListener("click", () => {
    beginAnew();
    question.focus();
  });
  // What another collection has said is not what this one is asked about.
  select.addEventListener("change", beginAnew);
  showEmpty();

  return {
    /** @param {readonly CollectionItem[]} collections */
    showCollections(collections) {
      const chosen = select.value;
      fill(select, ...collections.map(({ name }) => element("option", { value: name }, name)));
      const isThere = collections.some(({ name }) => name === chosen);
      select.value = isThere ? chosen : (pickCollection(collections, memory.read(LAST_COLLECTION)) ?? "");
      for (const control of [select, question, askButton]) control.disabled = collections.length === 0;
    },
  };
}

/**
 * @param {number} number
 * @param {string} asked
 * @param {string} collection
 */
function createTurn(number, asked, collection) {
  const body = element("p", { class: "turn-text", dir: "auto" });
  const notice = element("div", {});
  const sources = element("ol", { class: "sources" });
  const line = element("p", { class: "turn-state fine-print" }, "Looking for passages…");
  const answer = element("div", { class: "turn-answer", "aria-busy": "true" }, notice, body, sources, line);
  const node = element("li", { class: "turn" }, element("p", { class: "turn-question", dir: "auto" }, asked), answer);
  /** @type {Map<string, HTMLLIElement>} sources by mark */
  const known = new Map();
  let text = "";
  /** Then the passages are the answer, and need not be quoted again. */
  let isExtractive = false;

  /** @param {string} words */
  function settle(words) {
    answer.removeAttribute("aria-busy");
    setText(line, words);
    line.hidden = words === "";
  }

  return {
    node,
    /**
     * @param {string} mode
     * @param {string} degradations as `X-Kennel-Degradations` lists them
     */
    begin(mode, degradations) {
      setText(line, "Writing…");
      const missing = readDegradations(degradations);
      isExtractive = missing.some(({ stage }) => stage === "answer");
      fill(
        notice,
        isExtractive
          ? element("p", { class: "notice info" }, "No language model answers: these are passages of the collection, word for word.")
          : missing.length > 0
            ? degradationNotice(missing)
            : null,
      );
      if (mode !== "" && mode !== "full") answer.dataset.mode = `${formatName(mode)}: ${MODE_MEANINGS[mode] ?? ""}`;
    },
    /** @param {string} piece */
    write(piece) {
      text += piece;
      body.append(piece);
    },
    /**
     * The mark was written just before its citation: it becomes a link to the passage.
     * @param {Annotation} annotation
     */
    cite(annotation) {
      const { start_index: start, end_index: end } = annotation.url_citation;
      const mark = text.slice(start, end);
      const last = body.lastChild;
      const label = mark.replace(/[^0-9]/g, "");
      const id = `source-${number}-${label}`;
      if (last?.nodeType === Node.TEXT_NODE && last.textContent?.endsWith(mark) && mark !== "") {
        last.textContent = last.textContent.slice(0, -mark.length);
        const link = element("a", { class: "cite", href: `#${id}`, "aria-label": `Passage ${label}` }, label);
        link.addEventListener("click", (event) => {
          event.preventDefault();
          const source = known.get(label);
          source?.scrollIntoView({ block: "nearest", behavior: "smooth" });
          source?.focus({ preventScroll: true });
        });
        body.append(link);
      }
      const source = known.get(label) ?? sourceItem(id, label, annotation, collection);
      if (!known.has(label)) {
        known.set(label, source);
        sources.append(source);
      }
      if (!isExtractive) addQuote(source, annotation.quote);
    },
    /** @returns {string} all that was written */
    end() {
      settle(text === "" ? "The answer is empty." : "");
      return text;
    },
    cancelled: () => settle("Cancelled."),
    /** @param {Failure} failure */
    failed(failure) {
      settle("");
      answer.append(failureNotice(failure, null));
    },
  };
}

/**
 * @param {string} id
 * @param {string} label
 * @param {Annotation} annotation
 * @param {string} collection
 */
function sourceItem(id, label, { document_id: documentId, url_citation: { title, url } }, collection) {
  const name = title === "" ? documentId : title;
  const own = `/v1/collections/${encodeURIComponent(collection)}/documents/${encodeURIComponent(documentId)}`;
  const href = safeLink(url) ?? own;
  return element(
    "li",
    { id, class: "source-item", tabindex: "-1" },
    element("span", { class: "source-mark", "aria-hidden": "true" }, label),
    element(
      "div",
      {},
      element("a", { href, rel: "noopener noreferrer nofollow", target: "_blank" }, name),
      element("p", { class: "source" }, url === "" ? documentId : url),
    ),
  );
}

/**
 * @param {HTMLElement} source
 * @param {string} quote
 */
function addQuote(source, quote) {
  if (quote === "") return;
  const shown = [...source.querySelectorAll("blockquote")].map((each) => each.textContent);
  if (!shown.includes(quote)) source.lastElementChild?.append(element("blockquote", { dir: "auto" }, quote));
}

/**
 * @param {string} header `stage=reason;service=name, …`
 * @returns {{ stage: string, reason: string, service: string, breaker: "closed" }[]}
 */
export function readDegradations(header) {
  return header.split(",").flatMap((entry) => {
    const found = /^\s*([\w-]+)=([\w-]+);service=([\w.-]+)\s*$/.exec(entry);
    const [, stage = "", reason = "", service = ""] = found ?? [];
    return found === null ? [] : [{ stage, reason, service, breaker: /** @type {const} */ ("closed") }];
  });
}
