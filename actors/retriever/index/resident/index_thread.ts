import { kennelError, neverReached } from "../../../../runtime/errors.ts";
import { serveTasks } from "../../../../runtime/worker_thread.ts";
import { type Analyzer, loadAnalyzer } from "./analyzer.ts";
import { assembleImage } from "./assemble.ts";
import type { IndexResult, IndexTask } from "./index_tasks.ts";
import { type PreparedRow, prepareRow } from "./prepared_row.ts";
import { loadSnapshot, saveSnapshot } from "./snapshot.ts";

/** Entry file of the index thread: builds, merges, saves and loads images, so that queries are not kept waiting. */
await serveTasks<null, IndexTask, IndexResult>(() => {
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

  const perform = async (task: IndexTask): Promise<IndexResult> => {
    switch (task.kind) {
      case "stage": {
        const staged = builds.get(task.build) ?? [];
        builds.set(task.build, staged);
        const analyzer = await analyzerOf(task.options.language);
        for (const row of task.rows) staged.push(prepareRow(row, analyzer, task.options.dimensions));
        return { kind: "staged", rows: staged.length };
      }
      case "assemble": {
        const staged = builds.get(task.build) ?? [];
        builds.delete(task.build);
        return { kind: "image", image: assembleImage(null, staged, task.options) };
      }
      case "discard":
        builds.delete(task.build);
        return { kind: "discarded" };
      case "merge":
        return { kind: "image", image: assembleImage(task.input.base, task.input.fresh, task.input.options) };
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
