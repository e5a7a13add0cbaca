import { join } from "node:path";
import { IndexWorkshop } from "../actors/retriever/index/resident/index_workshop.ts";
import { loadKernels } from "../actors/retriever/index/resident/kernels.ts";
import type { ResidentParts } from "../actors/retriever/registry/options.ts";
import { SnapshotFolder } from "../actors/retriever/registry/snapshots.ts";
import { Slots } from "../actors/retriever/slots.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";

const SNAPSHOTS_FOLDER = "indexes";
/** Beyond this a query would hold the event loop for more than 2 ms (measured: 0.7 ms at 100,000 chunks). */
const MAX_ROWS = 250_000;
/** Measured: 413 to 475 bytes of index; the rest is a passage of 256 tokens with its title and attributes. */
const BYTES_PER_CHUNK = 2_000;
/** Each holds the rows it has read, so a few at a time. */
const MAX_BUILDS = 2;
/** A build has one task at a time in the thread's queue, and so have merges and snapshots: one of each for every retriever. */
const MAX_QUEUE = 1_000;
const TASK_LIMIT_MS = 120_000;

/** What collections need to be held in memory: one thread that makes their indexes, the kernels, and a folder for snapshots. */
export async function openResident(config: Config, clock: Clock): Promise<ResidentParts> {
  return {
    workshop: new IndexWorkshop({ maxQueue: MAX_QUEUE, taskTimeoutMs: TASK_LIMIT_MS, maxRows: MAX_ROWS, clock }),
    kernels: await loadKernels(),
    snapshots: new SnapshotFolder(join(config.dataDir, SNAPSHOTS_FOLDER)),
    builds: new Slots(MAX_BUILDS, config.retriever.maxActive),
    bytesPerChunk: BYTES_PER_CHUNK,
    limits: {
      maxRows: MAX_ROWS,
      maxBytes: config.retriever.maxBytes,
      bitsFromRows: 20_000,
      mergeFromRows: 1_000,
      scanPageRows: 1_000,
      maxBacklogRows: 10_000,
      writeSliceRows: 16,
      saveAfterMs: 5_000,
      saveLimitMs: 4_000,
      retryAfterMs: 30_000,
    },
  };
}
