import { kennelError, neverReached } from "../../../../runtime/errors.ts";
import { lowerThreadPriority } from "../../../../runtime/thread_priority.ts";
import { serveTasks } from "../../../../runtime/worker_thread.ts";
import { type Analyzer, loadAnalyzer } from "./analyzer.ts";
import { assembleImage } from "./assemble.ts";
import type { IndexResult, IndexTask, IndexThreadData } from "./index_tasks.ts";
import { ParentWriter } from "./parent_texts.ts";
import { type PreparedRow, prepareRow } from "./prepared_row.ts";
import { loadSnapshot, saveSnapshot } from "./snapshot.ts";

/** Entry file of the index thread: builds, merges, saves and loads images, so that queries are not kept waiting. */
await serveTasks<IndexThreadData, IndexTask, IndexResult>(({ isInBackground }) => {
  if (isInBackground) lowerThreadPriority();
  const builds = new Map<string, PreparedRow[]>();
  const analyzers = new Map<string, Promise<Analyzer>>();

  const analyzerOf = (language: string): Promise<Analyzer> => {
    let analyzer = analyzers.get(language);
    if (analyzer === undefined) {
      analyzer = loadAnalyzer(language);
      analyzers.set(language, analyzer);
    }
    return analyzer;
  };

  const take = (build: string): PreparedRow[] => {
    const staged = builds.get(build) ?? [];
    builds.delete(build);
    return staged;
  };

  const perform = async (task: IndexTask): Promise<IndexResult> => {
    switch (task.kind) {
      case "stage": {
        const staged = builds.get(task.build) ?? [];
        builds.set(task.build, staged);
        const analyzer = await analyzerOf(task.options.language);
        const { rows, parents } = task.page;
        const writer = new ParentWriter(parents);
        for (const row of rows) staged.push(prepareRow(row, analyzer, task.options.dimensions, writer));
        return { kind: "staged", rows: staged.length };
      }
      case "assemble":
        return { kind: "image", image: assembleImage(null, take(task.build), task.options) };
      case "discard":
        builds.delete(task.build);
        return { kind: "discarded" };
      case "stagePrepared": {
        const staged = builds.get(task.build) ?? [];
        builds.set(task.build, staged);
        staged.push(...task.rows);
        return { kind: "staged", rows: staged.length };
      }
      case "merge":
        return { kind: "image", image: assembleImage(task.base, take(task.build), task.options) };
      case "save":
        return { kind: "saved", bytes: await saveSnapshot(task.image, task.path).catch(refuseFull) };
      case "load":
        return { kind: "snapshot", outcome: await loadSnapshot(task.path, task.expected) };
      default:
        return neverReached(task);
    }
  };

  return {
    handle: async (task) => ({ value: await perform(task), transfer: [] }),
    close: () => builds.clear(),
  };
});

function refuseFull(cause: unknown): never {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code !== "ENOSPC" && code !== "EDQUOT") throw cause;
  throw kennelError("storage_full", { message: "Cannot save the index: the disk is full", cause });
}
