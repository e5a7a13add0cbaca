import { serveTasks } from "../../../runtime/worker_thread.ts";
import { EmbeddingTable } from "./embedding_table.ts";

export interface DiskThreadData {
  readonly path: string;
  readonly maxBytes: number;
}

export type DiskTask =
  | { readonly kind: "read"; readonly keys: readonly string[] }
  | { readonly kind: "write"; readonly entries: readonly { readonly key: string; readonly bytes: Uint8Array }[] };

export interface DiskAnswer {
  /** One entry a key; null: not there, or damaged. Empty for a write. */
  readonly found: readonly (Uint8Array | null)[];
  readonly size: { readonly entries: number; readonly bytes: number };
}

/** Entry of the thread that owns the database of embeddings. */
await serveTasks((data: DiskThreadData) => {
  const table = new EmbeddingTable(data.path, data.maxBytes);
  return {
    handle(task: DiskTask) {
      const found = task.kind === "read" ? table.read(task.keys) : [];
      if (task.kind === "write") table.write(task.entries);
      const value: DiskAnswer = { found, size: table.size };
      return { value, transfer: [] };
    },
    close: () => table.close(),
  };
});
