import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type KennelClient, kennelClient, pause } from "./kennel_client.ts";
import { childOf } from "./processor_time.ts";
import { exitOf } from "./side_process.ts";

/** Kennel as its users start it, and the calls that benchmarks make. */
export interface KennelServer extends KennelClient {
  readonly folder: string;
  /** Of the process that serves, not of its launcher; -1 where the system does not tell. */
  readonly pid: number;
  /** From the start of the launcher to `/readyz` answering 200. */
  readonly readyMs: number;
  stop(): Promise<void>;
}

const LAUNCHER = fileURLToPath(new URL("../../tooling/launch.mjs", import.meta.url));
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;

export async function startKennelServer(
  folder: string,
  environment: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<KennelServer> {
  const port = await freePort();
  const startMs = performance.now();
  const child = spawn("node", [LAUNCHER, "serve"], {
    env: {
      ...process.env,
      KENNEL_DATA_DIR: folder,
      KENNEL_HTTP_PORT: String(port),
      KENNEL_LOG_LEVEL: "error",
      KENNEL_LOAD_DOCUMENTATION: "false",
      KENNEL_DRAIN_GRACE_MS: "0", // nothing is balanced over it, so nothing arrives while it drains
      ...environment,
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = exitOf(child);
  const stop = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  };
  const base = `http://127.0.0.1:${port}`;
  while (!(await isReady(base))) {
    if (performance.now() - startMs > READY_TIMEOUT_MS || child.exitCode !== null || signal.aborted) {
      await stop();
      throw new Error("Kennel did not become ready");
    }
    await pause(5);
  }
  const readyMs = performance.now() - startMs;
  return { ...kennelClient(port), folder, pid: childOf(child.pid ?? -1), readyMs, stop };
}

async function isReady(base: string): Promise<boolean> {
  try {
    const response = await fetch(`${base}/readyz`);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // it does not listen yet
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("No port"))));
    });
  });
}

/** Where the tables of LanceDB lie under a data folder, and the newest version of a collection's. */
export async function findTables(folder: string, collection: string): Promise<{ readonly directory: string; readonly version: number }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const tables = entries.flatMap((entry) => {
    const match = /^(.+)\.v(\d+)\.lance$/.exec(entry.name);
    return entry.isDirectory() && match?.[1] === collection ? [{ directory: join(entry.parentPath), version: Number(match[2]) }] : [];
  });
  const newest = tables.sort((left, right) => right.version - left.version)[0];
  if (newest === undefined) throw new Error(`There is no table of ${collection} under the data folder`);
  return newest;
}
