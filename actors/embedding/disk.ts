import type { Clock } from "../../runtime/clock.ts";
import { createWorkerPool } from "../../runtime/worker_pool.ts";
import type { DiskAnswer, DiskTask, DiskThreadData } from "./disk/disk_thread.ts";
import type { EmbeddingStore } from "./embedding_store.ts";
import { packVector, unpackVector } from "./packed_vector.ts";

export interface DiskEmbeddingOptions {
  /** The database's file. */
  readonly path: string;
  /** Space that its rows may take; beyond it the oldest written go first. */
  readonly maxBytes: number;
  /** For one call, from the moment the thread takes it. */
  readonly callTimeoutMs: number;
  readonly clock: Clock;
}

export interface DiskEmbeddings extends EmbeddingStore {
  /** As of the last call. */
  readonly size: { readonly entries: number; readonly bytes: number };
}

const MAX_QUEUE = 1_000;

/**
 * Embeddings in a libsql database of their own, so that neither a crash nor its corruption reaches what cannot be made
 * again: one that cannot be read is started anew. A thread of its own does the work; the event loop never waits for a disk.
 * @throws KennelError `unavailable` when the file cannot be made
 */
export async function openDiskEmbeddings({ path, maxBytes, callTimeoutMs, clock }: DiskEmbeddingOptions): Promise<DiskEmbeddings> {
  const data: DiskThreadData = { path, maxBytes };
  const pool = createWorkerPool<DiskTask, DiskAnswer>({
    name: "embeddings on disk",
    entry: new URL("./disk/disk_thread.ts", import.meta.url),
    data,
    maxThreads: 1,
    maxQueue: MAX_QUEUE,
    whenLate: "finish",
    clock,
  });
  let size = { entries: 0, bytes: 0 };
  const run = async (task: DiskTask, signal: AbortSignal): Promise<DiskAnswer> => {
    const answer = await pool.run(task, { timeoutMs: callTimeoutMs, signal });
    size = answer.size;
    return answer;
  };
  try {
    await run({ kind: "read", keys: [] }, AbortSignal.timeout(callTimeoutMs));
  } catch (thrown) {
    await pool.close();
    throw thrown;
  }
  return {
    async read(keys, signal) {
      const { found } = await run({ kind: "read", keys }, signal);
      return found.map((bytes) => (bytes === null ? null : unpackVector(bytes)));
    },
    async write(entries, signal) {
      await run({ kind: "write", entries: entries.map(({ key, vector }) => ({ key, bytes: packVector(vector) })) }, signal);
    },
    probe: async (signal) => void (await run({ kind: "read", keys: [] }, signal)),
    close: () => pool.close(),
    get size() {
      return size;
    },
  };
}
