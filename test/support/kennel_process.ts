import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;

type Signal = "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT";

/** A Kennel of its own process on a new data folder, started as users start it, on the runtime of the test. */
export interface KennelProcess {
  readonly url: string;
  /** Everything it has written. */
  output(): string;
  /** Whatever it does about it; see `ended`. */
  signal(name: Signal): void;
  /** Resolves when the process has ended: its exit code, or null where a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Drains it and removes its data. */
  stop(): Promise<void>;
}

/** @param tree the sources, with their packages, that it is started from */
export async function startKennel(env: Readonly<Record<string, string>> = {}, tree = ROOT): Promise<KennelProcess> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-process-"));
  const runtimeArgs = "deno" in process.versions ? ["run", "-A", "--no-lock", "--node-modules-dir=manual"] : [];
  const child = spawn(process.execPath, [...runtimeArgs, join(tree, "main.ts"), "serve"], {
    cwd: tree === ROOT ? process.cwd() : tree,
    env: { ...process.env, KENNEL_HTTP_PORT: "0", KENNEL_DATA_DIR: join(folder, "data"), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  let written = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => (written += part.toString()));
  const stop = async () => {
    await endProcess(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const url = await addressOf(child, () => written);
    return { url, output: () => written, signal: (name) => send(child, name), ended, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

/** Waits for the line in which the server says where it is. */
function addressOf(child: ChildProcess, written: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`Kennel ${why}; it wrote:\n${written()}`));
    const limit = setTimeout(() => fail(`did not start within ${START_LIMIT_MS} ms`), START_LIMIT_MS);
    const look = () => {
      const url = /Kennel serves on (https?:\/\/[^\s(]+)/.exec(written())?.[1];
      if (url === undefined) return;
      clearTimeout(limit);
      resolve(url.replace(/\/$/, ""));
    };
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
    child.once("exit", (code) => {
      clearTimeout(limit);
      fail(`ended with exit code ${code}`);
    });
  });
}

/** By its id: after `child.kill`, Deno reports that the signal ended the process, whatever the process made of it. */
function send(child: ChildProcess, name: Signal): void {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(child.pid, name);
}

function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const limit = setTimeout(() => send(child, "SIGKILL"), STOP_LIMIT_MS);
    child.once("exit", () => {
      clearTimeout(limit);
      resolve();
    });
    send(child, "SIGTERM");
  });
}
