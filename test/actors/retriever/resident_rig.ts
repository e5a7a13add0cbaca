import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ResidencyLimits } from "../../../actors/retriever/index/residency.ts";
import { IndexWorkshop } from "../../../actors/retriever/index/resident/index_workshop.ts";
import { loadKernels } from "../../../actors/retriever/index/resident/kernels.ts";
import { ScanThreads } from "../../../actors/retriever/index/resident/scan_threads.ts";
import { Turns } from "../../../actors/retriever/index/turns.ts";
import type { RegistryOptions, ResidentParts } from "../../../actors/retriever/registry/options.ts";
import { SnapshotFolder } from "../../../actors/retriever/registry/snapshots.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { Slots } from "../../../runtime/slots.ts";
import { type RegistryRig, startRegistry } from "./registry/registry_rig.ts";

export const RESIDENT_LIMITS: ResidencyLimits = {
  maxRows: 1_000,
  maxBytes: 100_000_000,
  bitsFromRows: 20_000,
  mergeFromRows: 50,
  scanPageRows: 10,
  maxBacklogRows: 100,
  writeSliceRows: 4,
  parentsLimitMs: 500,
  loadPatienceMs: 500,
  saveAfterMs: 2_000,
  saveLimitMs: 2_000,
  retryAfterMs: 3_000,
};

/** A workshop whose saves and loads a test can hold up. */
export class HeldWorkshop extends IndexWorkshop {
  saving: Promise<unknown> = Promise.resolve();
  loading: Promise<unknown> = Promise.resolve();

  override async save(...parameters: Parameters<IndexWorkshop["save"]>): Promise<number> {
    await this.saving;
    return super.save(...parameters);
  }

  override async load(...parameters: Parameters<IndexWorkshop["load"]>): ReturnType<IndexWorkshop["load"]> {
    await this.loading;
    return super.load(...parameters);
  }
}

export interface ResidentRig extends RegistryRig {
  readonly folder: string;
  readonly scans: ScanThreads;
  readonly workshop: HeldWorkshop;
  /** Waits until the collection's index in memory (or the store's) answers; moves no time. */
  whenAnsweredFrom(kind: "resident" | "store", collection?: string): Promise<void>;
  details(collection?: string): Readonly<Record<string, unknown>>;
}

const kernels = await loadKernels();

export interface ResidentRigOptions {
  readonly registry?: Partial<RegistryOptions>;
  readonly limits?: Partial<ResidencyLimits>;
  /** What the process has above its high-water mark. */
  readonly bytesAboveHighWater?: () => number;
  /** Rows from which on a thread scans. @default more than there are */
  readonly scanFromRows?: number;
  /** @default one at a time, and 100 that may wait */
  readonly loads?: Slots;
  readonly folder: string;
}

/** A registry whose collections may be resident, with a real index thread and real files. */
export async function withResident(options: ResidentRigOptions, body: (rig: ResidentRig) => Promise<void>): Promise<void> {
  const workshop = new HeldWorkshop({ maxQueue: 100, taskTimeoutMs: 60_000, maxRows: 1_000, clock: systemClock() });
  const clock = systemClock();
  const fromRows = options.scanFromRows ?? RESIDENT_LIMITS.maxRows;
  const scans = new ScanThreads({ threads: 1, fromRows, maxWaiting: 100, timeoutMs: 60_000, clock });
  const snapshots = new SnapshotFolder(options.folder);
  const resident: ResidentParts = {
    workshop,
    kernels,
    search: { turns: new Turns({ maxTurnMs: 2, maxWaiting: 100, clock }), scans },
    bytesAboveHighWater: options.bytesAboveHighWater ?? (() => 0),
    snapshots,
    builds: new Slots(2, 100),
    loads: options.loads ?? new Slots(1, 100),
    limits: { ...RESIDENT_LIMITS, ...options.limits },
    bytesPerChunk: 1_000,
  };
  const rig = startRegistry(options.registry ?? {}, { resident });
  rig.put("docs", {}, { resident: "auto" });
  await snapshots.open((name) => {
    const record = rig.collections.get(name);
    return record === undefined ? null : { record, version: record.version };
  });
  const details = (collection = "docs") => rig.retrievers().find(({ path }) => path.endsWith(`/${collection}.v1`))?.details ?? {};
  const whenAnsweredFrom = async (kind: "resident" | "store", collection?: string): Promise<void> => {
    // Threads and files have no clock that a test could move, so their end is looked for, within a bound.
    for (let looks = 0; details(collection).index !== kind; looks++) {
      if (looks > 2_000) throw new Error(`not answered from ${kind}: ${JSON.stringify(details(collection))}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  try {
    await body({ ...rig, folder: options.folder, scans, workshop, whenAnsweredFrom, details });
  } finally {
    let hasEnded = false;
    const ended = rig.end().then(() => {
      hasEnded = true;
    });
    for (let looks = 0; looks < 200 && !hasEnded; looks++) await new Promise((resolve) => setTimeout(resolve, 2));
    if (!hasEnded) await rig.clock.advance(5_000); // something hangs, as its test wants it: the limits end it
    await ended;
    await workshop.close();
    await scans.close();
  }
}

export async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-resident-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
