import type { z } from "zod";
import { type UpkeepAction, upkeepListSchema, upkeepTaskSchema } from "../schema/upkeep.ts";
import type { CommandContext } from "./context.ts";
import { EXIT } from "./terminal.ts";

type Task = z.output<typeof upkeepTaskSchema>;

/** Shows the tasks of a running node. */
export async function listUpkeep(
  { client, clock, terminal, signal }: CommandContext,
  { json }: { readonly json: boolean },
): Promise<number> {
  const { data } = await client.request("GET", "/v1/upkeep", upkeepListSchema, { signal });
  if (json) terminal.out(JSON.stringify(data));
  else terminal.out(drawTasks(data, clock.wallMs()));
  return 0;
}

/** Runs a task and waits for it, pauses or resumes it. Fails where the run did. */
export async function controlUpkeep(
  { client, clock, terminal, signal }: CommandContext,
  action: UpkeepAction,
  task: string,
  { json }: { readonly json: boolean },
): Promise<number> {
  const path = `/v1/upkeep/${encodeURIComponent(task)}`;
  const report = await client.request("POST", path, upkeepTaskSchema, { body: { kind: "json", value: { action } }, signal });
  terminal.out(json ? JSON.stringify(report) : drawTasks([report], clock.wallMs()));
  return action === "run" && report.last_error !== null ? EXIT.failed : 0;
}

function drawTasks(tasks: readonly Task[], nowMs: number): string {
  const rows = tasks.map((task) => [task.task, stateOf(task), lastOf(task, nowMs), nextOf(task, nowMs)]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function stateOf({ is_paused: isPaused, is_running: isRunning }: Task): string {
  return isRunning ? "running" : isPaused ? "paused" : "waiting";
}

function lastOf(
  { last_run_at: at, last_error: error, last_count: count, last_duration_ms: ms, failures, runs }: Task,
  nowMs: number,
): string {
  if (at === null) return "not run yet";
  const outcome = error ?? `${count} dealt with in ${ms} ms`;
  return `${secondsUntil(at, nowMs) * -1} s ago: ${outcome} (${runs} runs${failures > 0 ? `, ${failures} failed` : ""})`;
}

function nextOf({ next_run_at: next }: Task, nowMs: number): string {
  return next === null ? "" : `next in ${Math.max(0, secondsUntil(next, nowMs))} s`;
}

const secondsUntil = (iso: string, nowMs: number) => Math.round((Date.parse(iso) - nowMs) / 1_000);
