/**
 * Judging a collection's strategies side by side, by questions whose relevant documents are known.
 * @import { Api } from "./api.js"
 * @import { Memory } from "./memory.js"
 * @import { CollectionItem, EvaluationRow, Failure, Interval, JudgedQuestion } from "../wire.ts"
 */
import { STRATEGIES } from "./address.js";
import { toFailure } from "./api.js";
import { pickCollection } from "./ask.js";
import { createBuilds } from "./builds.js";
import { byId, element, fill, setText } from "./element.js";
import { failureNotice } from "./failure.js";
import { formatMany } from "./format.js";
import { intervalPlot } from "./interval_plot.js";
import { readChosen, readJudgements } from "./judgements.js";

const LAST_COLLECTION = "kennel-collection";
const MAX_PLOT_WIDTH = 720;
/** @typedef {"ndcg_10" | "map" | "mrr_10" | "recall_100"} Figure */
/** @type {readonly (readonly [Figure, string])[]} */
const FIGURES = [
  ["ndcg_10", "nDCG@10"],
  ["map", "MAP"],
  ["mrr_10", "MRR@10"],
  ["recall_100", "Recall@100"],
];

/** @typedef {{ strategy: string, state: EvaluationRow | Failure | "waits" | "runs" }} Row */

/**
 * @param {object} options
 * @param {Api} options.api
 * @param {Memory} options.memory
 * @param {(failure: Failure) => void} options.onFailure told of each failure besides showing it
 */
export function createEvaluate({ api, memory, onFailure }) {
  const form = byId("evaluate-form", HTMLFormElement);
  const select = byId("evaluate-collection", HTMLSelectElement);
  const text = byId("judgements", HTMLTextAreaElement);
  const file = byId("judgements-file", HTMLInputElement);
  const hint = byId("judgements-hint", HTMLElement);
  const button = byId("evaluate-button", HTMLButtonElement);
  const cancel = byId("evaluate-cancel", HTMLButtonElement);
  const place = byId("evaluation", HTMLElement);
  const announcement = byId("evaluate-announcement", HTMLElement);
  /** @type {AbortController | null} */
  let running = null;
  const builds = createBuilds({ api, onFailure, judged: () => questionsOf(readJudgements(text.value)) });

  function showHint() {
    const read = readJudgements(text.value);
    setText(hint, "problem" in read ? read.problem : formatMany(read.questions.length, "question"));
    hint.classList.toggle("wrong", "problem" in read && text.value.trim() !== "");
    button.disabled = "problem" in read || select.value === "";
  }

  /** @param {readonly JudgedQuestion[]} questions */
  async function run(questions) {
    const own = new AbortController();
    running?.abort();
    running = own;
    cancel.hidden = false;
    const collection = select.value;
    /** @type {Row[]} */
    const rows = STRATEGIES.map((strategy) => ({ strategy, state: "waits" }));
    for (const row of rows) {
      if (own.signal.aborted) break;
      row.state = "runs";
      showRows(place, rows, questions.length);
      try {
        row.state = await api.evaluate(collection, row.strategy, questions, own.signal);
      } catch (thrown) {
        if (own.signal.aborted) break;
        row.state = toFailure(thrown);
        onFailure(row.state);
      }
      if (running === own) showRows(place, rows, questions.length);
    }
    if (running !== own) return;
    running = null;
    cancel.hidden = true;
    for (const row of rows) if (row.state === "runs") row.state = "waits";
    showRows(place, rows, questions.length);
    setText(announcement, own.signal.aborted ? "Cancelled" : "All strategies are judged");
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const questions = questionsOf(readJudgements(text.value));
    if (questions === null || select.value === "") return;
    memory.write(LAST_COLLECTION, select.value);
    void run(questions);
  });
  text.addEventListener("input", showHint);
  file.addEventListener("change", async () => {
    const chosen = file.files?.[0];
    if (chosen === undefined) return;
    const read = await readChosen(chosen);
    text.value = "text" in read ? read.text : "";
    showHint();
    if ("text" in read) return;
    setText(hint, read.problem);
    hint.classList.add("wrong");
  });
  cancel.addEventListener("click", () => running?.abort());
  select.addEventListener("change", () => {
    running?.abort();
    fill(place);
    showHint();
    void builds.show(select.value);
  });
  showHint();

  return {
    /** @param {readonly CollectionItem[]} collections */
    showCollections(collections) {
      const chosen = select.value;
      fill(select, ...collections.map(({ name }) => element("option", { value: name }, name)));
      const isThere = collections.some(({ name }) => name === chosen);
      select.value = isThere ? chosen : (pickCollection(collections, memory.read(LAST_COLLECTION)) ?? "");
      showHint();
    },
    /** @param {boolean} visible */
    setVisible(visible) {
      if (visible && select.value !== "") void builds.show(select.value);
      else builds.rest();
    },
  };
}

/** @param {ReturnType<typeof readJudgements>} read */
function questionsOf(read) {
  return "questions" in read ? read.questions : null;
}

/**
 * @param {HTMLElement} place
 * @param {readonly Row[]} rows
 * @param {number} questions
 */
function showRows(place, rows, questions) {
  const done = rows.flatMap(({ state }) => (typeof state === "object" && "ndcg_10" in state ? [state] : []));
  const best = Object.fromEntries(FIGURES.map(([figure]) => [figure, Math.max(...done.map((row) => row[figure].mean))]));
  const head = element(
    "tr",
    {},
    element("th", { scope: "col" }, "Strategy"),
    ...FIGURES.map(([, title]) => element("th", { scope: "col" }, title)),
  );
  fill(
    place,
    element("h3", {}, `Strategies, by ${formatMany(questions, "judged question")}`),
    element(
      "div",
      { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Strategies side by side" },
      element(
        "table",
        { class: "figures-table" },
        element("thead", {}, head),
        element("tbody", {}, ...rows.map((row) => rowOf(row, best))),
      ),
    ),
    element(
      "p",
      { class: "fine-print" },
      "Means over the questions with their 95 % bootstrap intervals; the best of each column is marked.",
    ),
    done.length > 0
      ? element(
          "figure",
          { class: "plot" },
          element("figcaption", {}, "nDCG@10 and its interval"),
          /** @type {Node} */ (
            intervalPlot(
              done.map((row) => ({ label: row.strategy.replaceAll("_", " "), interval: row.ndcg_10 })),
              Math.min(MAX_PLOT_WIDTH, place.clientWidth),
            )
          ),
        )
      : null,
  );
}

/**
 * @param {Row} row
 * @param {Record<string, number>} best
 */
function rowOf({ strategy, state }, best) {
  const name = element("th", { scope: "row" }, strategy.replaceAll("_", " "));
  if (state === "waits" || state === "runs")
    return element("tr", {}, name, element("td", { colspan: FIGURES.length, class: "fine-print" }, state === "runs" ? "Asking…" : "–"));
  if ("code" in state) return element("tr", {}, name, element("td", { colspan: FIGURES.length }, failureNotice(state, null)));
  const degraded = state.degraded > 0 ? element("span", { class: "degraded" }, `${formatMany(state.degraded, "answer")} degraded`) : null;
  if (degraded !== null) name.append(degraded);
  return element("tr", {}, name, ...FIGURES.map(([figure]) => cell(state[figure], state[figure].mean === best[figure])));
}

/**
 * @param {Interval} interval
 * @param {boolean} isBest
 */
function cell({ mean, low, high }, isBest) {
  return element(
    "td",
    { class: isBest ? "best" : null },
    element("span", { class: "figure-mean" }, mean.toFixed(3)),
    " ",
    element("span", { class: "figure-range" }, `${low.toFixed(2)}–${high.toFixed(2)}`),
  );
}
