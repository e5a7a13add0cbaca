import { readFile } from "node:fs/promises";
import type { IndexName } from "../../actors/vector_store/vector_store.ts";
import { serveCommands } from "../harness/side_process.ts";
import { bareSearch, openBareSearch } from "./bare_store.ts";

/** What Kennel replaces: each request connects, opens the tables and builds the model for itself. */
export interface PerRequestCommand {
  readonly directory: string;
  readonly index: IndexName;
  readonly queries: readonly string[];
}

export interface MemoryResult {
  readonly baseBytes: number;
  /** The most seen while all queries ran at once. */
  readonly peakBytes: number;
  readonly elapsedMs: number;
}

const SAMPLE_MS = 20;

async function runAllAtOnce({ directory, index, queries }: PerRequestCommand): Promise<MemoryResult> {
  const baseBytes = await residentBytes("self");
  let peakBytes = baseBytes;
  const timer = setInterval(async () => {
    peakBytes = Math.max(peakBytes, await residentBytes("self"));
  }, SAMPLE_MS);
  const startMs = performance.now();
  await Promise.all(
    queries.map(async (query) => {
      const search = await openBareSearch(directory, index);
      await bareSearch(search, query);
      await search.store.close();
    }),
  );
  clearInterval(timer);
  return { baseBytes, peakBytes: Math.max(peakBytes, await residentBytes("self")), elapsedMs: performance.now() - startMs };
}

/** Memory of a process as the kernel counts it; Linux alone has this file. */
export async function residentBytes(pid: number | "self"): Promise<number> {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes ?? Number.NaN) * 1_024;
}

if (import.meta.main) await serveCommands(runAllAtOnce);
