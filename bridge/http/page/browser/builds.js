/**
 * The builds of a collection's index: which is searched, how they compare, and the way there and back.
 * @import { Api } from "./api.js"
 * @import { CollectionAnswer, Failure, JobAnswer, JudgedQuestion } from "../wire.ts"
 */
import { toFailure } from "./api.js";
import { byId, element, fill } from "./element.js";
import { failureNotice } from "./failure.js";
import { formatMany } from "./format.js";

const POLL_MS = 1_000;
/** @type {Record<string, string>} */
const STATUSES = {
  building: "is being made",
  held: "is complete and held back",
  kept: "was searched before, and is kept up",
  retired: "was searched before",
  abandoned: "was given up",
};

/** @typedef {CollectionAnswer["versions"][number]} Version */

/**
 * @param {object} options
 * @param {Api} options.api
 * @param {(failure: Failure) => void} options.onFailure told of each failure besides showing it
 * @param {() => readonly JudgedQuestion[] | null} options.judged what is judged, to compare builds by
 */
export function createBuilds({ api, onFailure, judged }) {
  const list = byId("build-list", HTMLElement);
  const result = byId("build-result", HTMLElement);
  let shown = "";
  /** @type {AbortController} */
  let looking = new AbortController();

  /**
   * @param {string} name
   * @param {(signal: AbortSignal) => Promise<unknown>} work
   */
  async function act(name, work) {
    fill(result);
    for (const button of list.querySelectorAll("button")) button.disabled = true;
    try {
      await work(AbortSignal.timeout(60_000));
    } catch (thrown) {
      const failure = toFailure(thrown);
      fill(result, failureNotice(failure, null));
      onFailure(failure);
    }
    if (shown === name) await show(name);
  }

  /** @param {string} name */
  async function show(name) {
    looking.abort();
    looking = new AbortController();
    const { signal } = looking;
    shown = name;
    try {
      const collection = await api.collection(name, signal);
      const job = await lastJob(collection, signal);
      if (signal.aborted) return;
      draw(collection, job);
      const isUnderWay = collection.versions.some(({ status }) => status === "building");
      if (!isUnderWay) return;
      const timer = setTimeout(() => void show(name), POLL_MS);
      signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
    } catch (thrown) {
      if (signal.aborted) return;
      const failure = toFailure(thrown);
      fill(
        list,
        failureNotice(failure, () => void show(name)),
      );
      onFailure(failure);
    }
  }

  /**
   * @param {CollectionAnswer} collection
   * @param {AbortSignal} signal
   * @returns {Promise<JobAnswer | null>}
   */
  async function lastJob({ versions }, signal) {
    const job = versions.findLast((version) => version.job !== null)?.job;
    // A job that has ended is kept for a while only.
    return job == null ? null : api.job(job, signal).catch(() => null);
  }

  /**
   * @param {CollectionAnswer} collection
   * @param {JobAnswer | null} job
   */
  function draw(collection, job) {
    const { name, version, settings, versions } = collection;
    const active = buildItem(version, "is searched", settings, true, []);
    const others = versions.map((each) => buildItem(each.version, describe(each), each, false, actionsOf(name, each)));
    fill(
      list,
      element("ul", { class: "builds" }, active, ...others),
      job?.outcome ? outcomeOf(job.outcome) : null,
      versions.some(({ status }) => status === "building") ? progressOf(job) : makeForm(name),
    );
  }

  /**
   * @param {string} name
   * @param {Version} version
   */
  function actionsOf(name, { version, status, job }) {
    const action = (/** @type {string} */ label, /** @type {(signal: AbortSignal) => Promise<unknown>} */ work, isMain = false) => {
      const button = element("button", { type: "button", class: isMain ? "primary" : null }, label);
      button.addEventListener("click", () => void act(name, work));
      return button;
    };
    if (status === "building" || job === null) return [];
    return [
      action(status === "kept" ? "Back to this one" : "Search this one", (signal) => api.switchBuild(name, version, signal), true),
      action("Let it go", (signal) => api.dropBuild(name, version, signal)),
    ];
  }

  /** @param {string} name */
  function makeForm(name) {
    const when = element(
      "select",
      { id: "build-switch" },
      element("option", { value: "auto" }, "unless it is worse"),
      element("option", { value: "manual" }, "when I say so"),
      element("option", { value: "always" }, "in any case"),
    );
    const language = element("input", { id: "build-language", placeholder: "as it is", size: "10", maxlength: "32" });
    const tokens = element("input", { id: "build-tokens", type: "number", min: "16", max: "8192", placeholder: "as it is" });
    const form = element(
      "form",
      { class: "settings build-form" },
      element("label", {}, "Language ", language),
      element("label", {}, "Tokens a passage ", tokens),
      element("label", {}, "Search it ", when),
      element("button", { type: "submit" }, "Make another build"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const queries = judged();
      void act(name, (signal) =>
        api.reindex(
          name,
          {
            switch: when.value,
            ...(language.value.trim() === "" ? {} : { language: language.value.trim() }),
            ...(tokens.value === "" ? {} : { chunking: { max_tokens: Number(tokens.value) } }),
            ...(queries === null ? {} : { compare: { queries } }),
          },
          signal,
        ),
      );
    });
    return form;
  }

  return {
    show,
    /** Nothing is looked for while nobody looks. */
    rest() {
      looking.abort();
    },
  };
}

/** @param {Version} version */
function describe({ status, kept_until: until }) {
  const words = STATUSES[status] ?? status;
  return until === null ? words : `${words}, until ${new Date(until).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}`;
}

/**
 * @param {number} version
 * @param {string} words
 * @param {{ language: string, embedding: string, chunking: { max_tokens: number, overlap_tokens: number, parent_tokens: number } }} build
 * @param {boolean} isActive
 * @param {readonly HTMLElement[]} actions
 */
function buildItem(version, words, { language, embedding, chunking }, isActive, actions) {
  const parents = chunking.parent_tokens === 0 ? "no parents" : `parents of ${chunking.parent_tokens}`;
  return element(
    "li",
    { class: isActive ? "build active" : "build" },
    element(
      "div",
      {},
      element("p", {}, element("strong", {}, `Version ${version}`), ` ${words}`),
      element("p", { class: "fine-print" }, `${language} · ${embedding} · passages of ${chunking.max_tokens} tokens, ${parents}`),
    ),
    actions.length === 0 ? null : element("div", { class: "build-actions" }, ...actions),
  );
}

/** @param {JobAnswer | null} job */
function progressOf(job) {
  if (job === null) return null;
  const done = job.counts.indexed + job.counts.skipped + job.counts.failed;
  const words = done < job.counts.total ? `${done} of ${formatMany(job.counts.total, "document")}` : "comparing the builds";
  return element("p", { class: "fine-print" }, `Job ${job.id}: ${words}`);
}

/** @type {Record<string, string>} */
const REASONS = {
  always: "It was to be searched in any case.",
  manual: "It was to be held until someone says so.",
  not_worse: "It is not worse than the one before, so it is searched.",
  worse: "It is worse than the one before, so it is held back.",
  nothing_to_compare: "There was nothing to compare by, so it is searched.",
};

/** @param {NonNullable<JobAnswer["outcome"]>} outcome */
function outcomeOf({ reason, comparison }) {
  const facts = comparison === null ? [] : factsOf(comparison);
  return element(
    "div",
    { class: `comparison ${comparison?.is_worse ? "worse" : ""}` },
    element("h4", {}, "The newest build, compared with the one before"),
    element("p", {}, REASONS[reason] ?? reason),
    facts.length === 0 ? null : element("dl", { class: "comparison-facts" }, ...facts),
  );
}

/** @param {NonNullable<NonNullable<JobAnswer["outcome"]>["comparison"]>} comparison */
function factsOf(comparison) {
  const { basis, queries, failed, ndcg_10: ndcg, overlap_10: overlap, rank_biased_overlap: rbo, score_shift: shift, emptied } = comparison;
  const asked = basis === "judged" ? "judged question" : "question asked of late";
  return [
    ...fact("Asked", formatMany(queries, asked).replace("lates", "late"), failed === 0 ? null : `${failed} could not be compared`),
    ...(ndcg === null
      ? []
      : fact(
          "nDCG@10",
          `${ndcg.before.toFixed(3)} → ${ndcg.after.toFixed(3)}`,
          `${signed(ndcg.difference.mean)}, interval ${signed(ndcg.difference.low)} to ${signed(ndcg.difference.high)}`,
        )),
    ...fact("In common", `${Math.round(overlap * 100)} %`, "of the first ten documents"),
    ...fact("Rank-biased overlap", rbo.toFixed(3), "1: the same order"),
    ...(shift === null ? [] : fact("Scores", signed(shift), "of documents that both have")),
    ...(emptied === 0 ? [] : fact("Emptied", formatMany(emptied, "question"), "had hits before and have none now")),
  ];
}

/** @param {number} value */
function signed(value) {
  return `${value > 0 ? "+" : value < 0 ? "−" : "±"}${Math.abs(value).toFixed(3)}`;
}

/**
 * @param {string} term
 * @param {string} value
 * @param {string | null} meaning
 */
function fact(term, value, meaning) {
  return [
    element(
      "div",
      {},
      element("dt", {}, term),
      element("dd", {}, element("strong", {}, value), meaning === null ? null : element("span", {}, meaning)),
    ),
  ];
}
