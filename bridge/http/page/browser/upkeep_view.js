/**
 * What the node does to keep itself in order: each task with its last run, what came of it, and when it is due.
 * @import { StatusNode, UpkeepDetails } from "../wire.ts"
 */
import { byId, element, fill } from "./element.js";
import { formatAge, formatCount, formatMany, formatMs, formatSpan } from "./format.js";

/**
 * @param {readonly StatusNode[]} children of the node
 * @param {number} nowMs wall milliseconds
 */
export function showUpkeep(children, nowMs) {
  const tasks = upkeepTasks(children);
  byId("upkeep", HTMLElement).hidden = tasks.length === 0;
  fill(byId("upkeep-tasks", HTMLElement), ...tasks.map((task) => taskRow(task, nowMs)));
}

/**
 * @param {readonly StatusNode[]} children
 * @returns {readonly UpkeepDetails[]}
 */
export function upkeepTasks(children) {
  const janitor = children.find(({ path }) => path.endsWith("/janitor"));
  const tasks = janitor?.children.filter(({ kind, details }) => kind === "upkeep" && details !== undefined) ?? [];
  return tasks.map(({ details }) => /** @type {UpkeepDetails} */ (/** @type {unknown} */ (details)));
}

/**
 * @param {UpkeepDetails} task
 * @param {number} nowMs
 */
export function upkeepCells({ task, is_paused: isPaused, is_running: isRunning, next_run_at: next, ...last }, nowMs) {
  const seconds = next === null ? 0 : Math.ceil((Date.parse(next) - nowMs) / 1000);
  const due = seconds > 0 ? `in ${formatSpan(seconds)}` : "now";
  const done = last.last_count === 0 ? "nothing to do" : `${formatMany(last.last_count, "thing")} in ${formatMs(last.last_duration_ms)}`;
  const outcome = last.last_error ?? done;
  return [
    task.replaceAll("_", " "),
    isRunning ? "runs" : isPaused ? "paused" : "waits",
    last.last_run_at === null ? "not yet" : `${formatAge(last.last_run_at, nowMs)} ago`,
    last.last_run_at === null ? "" : outcome,
    isRunning || isPaused ? "" : due,
    `${formatCount(last.runs)}${last.failures > 0 ? `, ${formatCount(last.failures)} failed` : ""}`,
  ];
}

/**
 * @param {UpkeepDetails} task
 * @param {number} nowMs
 */
function taskRow(task, nowMs) {
  const [name, ...cells] = upkeepCells(task, nowMs);
  return element("tr", {}, element("th", { scope: "row" }, name ?? ""), ...cells.map((cell) => element("td", {}, cell)));
}
