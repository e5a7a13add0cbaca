import { join } from "node:path";
import { IndexWorkshop } from "../actors/retriever/index/resident/index_workshop.ts";
import { loadKernels } from "../actors/retriever/index/resident/kernels.ts";
import { ScanThreads } from "../actors/retriever/index/resident/scan_threads.ts";
import { Turns } from "../actors/retriever/index/turns.ts";
import type { ResidentParts } from "../actors/retriever/registry/options.ts";
import { SnapshotFolder } from "../actors/retriever/registry/snapshots.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../runtime/clock.ts";
import { readMemory } from "../runtime/memory.ts";
import { Slots } from "../runtime/slots.ts";

const SNAPSHOTS_FOLDER = "indexes";
/** A build has one task at a time in the thread's queue, and so have merges and snapshots: one of each for every retriever. */
const MAX_QUEUE = 1_000;
/** Rows that are analysed in one go when they are written: about a millisecond. */
const WRITE_SLICE_ROWS = 16;
/** A scan of the largest resident collection takes some milliseconds; one that takes this long will not end. */
const SCAN_LIMIT_MS = 1_000;
/** Indexes that wait to be loaded, some hundredths of a second each; the store answers for them, and for more of them longer. */
const MAX_WAITING_LOADS = 64;
/** A snapshot of 100,000 chunks takes about this long. */
const LOAD_PATIENCE_MS = 300;
/** What a write waits for parents that it has not brought along. */
const PARENTS_LIMIT_MS = 1_000;
/** Scans that wait for a thread: what a node has in flight at most, so that none is done on the event loop for want of room. */
const MAX_WAITING_SEARCHES = 4_096;

/** What collections need to be held in memory: threads that make and scan their indexes, the kernels, and a folder for snapshots. */
export async function openResident(config: Config, clock: Clock): Promise<ResidentParts> {
  const { resident, retriever } = config;
  return {
    workshop: new IndexWorkshop({ maxQueue: MAX_QUEUE, taskTimeoutMs: resident.taskTimeoutMs, maxRows: resident.maxChunks, clock }),
    kernels: await loadKernels(),
    search: {
      turns: new Turns({ maxTurnMs: resident.maxTurnMs, maxWaiting: MAX_WAITING_SEARCHES, clock }),
      scans: new ScanThreads({
        threads: resident.scanThreads,
        fromRows: resident.scanThreadsFromChunks,
        maxWaiting: MAX_WAITING_SEARCHES,
        timeoutMs: SCAN_LIMIT_MS,
        clock,
      }),
    },
    snapshots: new SnapshotFolder(join(config.dataDir, SNAPSHOTS_FOLDER)),
    builds: new Slots(resident.maxBuilds, retriever.maxActive),
    loads: new Slots(1, MAX_WAITING_LOADS), // there is one thread for them
    bytesPerChunk: resident.bytesPerChunk,
    bytesAboveHighWater: () => {
      const { usedBytes, limitBytes } = readMemory();
      return Math.max(0, usedBytes - limitBytes * resident.highWater);
    },
    limits: {
      maxRows: resident.maxChunks,
      maxBytes: retriever.maxBytes,
      bitsFromRows: resident.bitsFromChunks,
      mergeFromRows: resident.mergeFromChunks,
      scanPageRows: resident.buildPageChunks,
      maxBacklogRows: resident.maxBacklogChunks,
      writeSliceRows: WRITE_SLICE_ROWS,
      parentsLimitMs: PARENTS_LIMIT_MS,
      loadPatienceMs: LOAD_PATIENCE_MS,
      saveAfterMs: resident.saveAfterMs,
      saveLimitMs: resident.saveLimitMs,
      retryAfterMs: resident.retryAfterMs,
    },
  };
}
