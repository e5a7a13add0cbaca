/**
 * The node at a glance (in the header), its supervision tree and the tree's last events.
 * @import { Failure, StatusAnswer, SupervisionEvent } from "../wire.ts"
 */
import { showActor } from "./actor_details.js";
import { MODE_MEANINGS } from "./answer.js";
import { showCluster } from "./cluster_view.js";
import { byId, element, fill, setText } from "./element.js";
import { formatCount, formatMany, formatName, formatSpan, formatTime } from "./format.js";
import { createTree } from "./tree.js";
import { allNodes, treeSummary } from "./tree_rows.js";
import { showUpkeep } from "./upkeep_view.js";

/** @returns {{ showStatus(status: StatusAnswer, nowMs: number): void, showFailure(failure: Failure, nextInMs: number): void }} */
export function createStatusView() {
  const view = byId("view-actors", HTMLElement);
  const summary = byId("tree-summary", HTMLElement);
  const problem = byId("status-problem", HTMLElement);
  const details = byId("actor-details", HTMLElement);
  const events = byId("events", HTMLElement);
  /** @type {string | null} */
  let selected = null;
  /** @type {StatusAnswer | null} */
  let latest = null;
  const tree = createTree({
    place: byId("tree", HTMLElement),
    overflow: byId("tree-overflow", HTMLElement),
    onSelect(path) {
      selected = path;
      showSelected(Date.now());
    },
  });

  /** @param {number} nowMs */
  function showSelected(nowMs) {
    const node = allNodes(latest?.children ?? []).find(({ path }) => path === selected);
    const selection = getSelection();
    const isBeingCopied = selection !== null && !selection.isCollapsed && details.contains(selection.anchorNode);
    if (node !== undefined && !isBeingCopied) showActor(details, node, nowMs);
  }

  return {
    showStatus(status, nowMs) {
      latest = status;
      view.classList.remove("stale");
      problem.hidden = true;
      showNode(status.mode, `${status.node} · ${status.version}`, MODE_MEANINGS[status.mode] ?? "");
      setText(summary, summaryText(status));
      tree.update(status.children);
      showCluster(status.cluster);
      showUpkeep(status.children, nowMs);
      showSelected(nowMs);
      showEvents(events, status.events);
    },
    showFailure(failure, nextInMs) {
      view.classList.add("stale");
      problem.hidden = false;
      setText(problem, `${failure.message}. What is shown may be out of date; asking again in ${formatSpan(nextInMs / 1000)}.`);
      showNode("no answer", latest?.node ?? "", failure.message);
    },
  };
}

/** @param {StatusAnswer} status */
function summaryText({ children, nats, uptime_s: uptimeS, forced_mode: forcedMode, flags }) {
  const { actors, ready, troubled, restarts } = treeSummary(children);
  const trouble = troubled.map(({ path, state }) => `${path} is ${state}`).slice(0, 3);
  return [
    `${formatCount(ready)} of ${formatMany(actors, "actor")} ready`,
    ...trouble,
    ...(troubled.length > 3 ? [`${troubled.length - 3} more in trouble`] : []),
    `${formatMany(restarts, "restart")} lately`,
    `up ${formatSpan(uptimeS)}`,
    ...operatorsText(forcedMode, flags),
    ...natsText(nats),
  ].join(" · ");
}

/**
 * What operators have said.
 * @param {StatusAnswer["forced_mode"]} forcedMode
 * @param {StatusAnswer["flags"]} flags
 * @returns {readonly string[]}
 */
function operatorsText(forcedMode, flags) {
  const off = flags.filter(({ enabled }) => !enabled).map(({ flag, reason }) => (reason === null ? flag : `${flag} (${reason})`));
  return [
    ...(forcedMode === null ? [] : [`an operator forces the mode ${formatName(forcedMode)}`]),
    ...(off.length === 0 ? [] : [`switched off: ${off.join(", ")}`]),
  ];
}

/**
 * @param {StatusAnswer["nats"]} nats
 * @returns {readonly string[]}
 */
function natsText(nats) {
  if (nats === null) return [];
  return [
    `NATS ${nats.state}${nats.server === null ? "" : ` to ${nats.server}`}${nats.cause === null ? "" : ` (${nats.cause})`}`,
    ...nats.denied.map((denied) => `NATS denies ${denied}`),
    ...(nats.captured ?? []).map(({ subject, stream }) => `the stream ${stream} captures ${subject}`),
  ];
}

/**
 * @param {string} mode
 * @param {string} node
 * @param {string} meaning
 */
function showNode(mode, node, meaning) {
  const badge = byId("mode", HTMLElement);
  badge.className = `mode mode-${mode.replace(" ", "-")}`;
  badge.title = meaning;
  setText(badge, formatName(mode));
  setText(byId("node", HTMLElement), node);
}

/**
 * @param {HTMLElement} place
 * @param {readonly SupervisionEvent[]} events oldest first
 */
function showEvents(place, events) {
  place.hidden = events.length === 0;
  const list = byId("event-list", HTMLElement);
  const last = events.at(-1);
  const shown = `${events.length} ${last?.at} ${last?.path} ${last?.event}`;
  if (events.length === 0 || list.dataset.shown === shown) return;
  list.dataset.shown = shown;
  fill(
    list,
    ...[...events]
      .reverse()
      .map(({ at, path, event, detail }) =>
        element(
          "li",
          { class: `event event-${event}` },
          element("time", { datetime: at }, formatTime(Date.parse(at))),
          element("span", { class: "event-what" }, element("strong", {}, formatName(event)), ` ${path}`),
          detail === null ? null : element("span", { class: "fine-print" }, detail),
        ),
      ),
  );
}
