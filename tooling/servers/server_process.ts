import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

/** A real server in a process of its own, which ends with this one. */
export interface ServerProcess {
  /** Of the process that runs now, or ran last. */
  pid(): number;
  /** Whatever it does about it. */
  kill(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  /** Starts it again on its data and port, and resolves when it is ready; it has been killed before. */
  restart(): Promise<void>;
  /** Ends it; its folder stays. */
  stop(): Promise<void>;
}

export interface ServerCommand {
  /** As messages call it. */
  readonly what: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** File that takes what the server writes, for the message of a start that failed. */
  readonly log: string;
  /** Does something real with the server; rejects while it is not ready. */
  readonly tryOnce: () => Promise<void>;
  readonly startLimitMs: number;
}

/** Time that SIGTERM has before SIGKILL. */
const STOP_GRACE_MS = 3_000;
const POLL_MS = 50;

export async function startServerProcess(command: ServerCommand): Promise<ServerProcess> {
  let child = await startChild(command);
  return {
    pid: () => child.pid as number,
    // Not child.kill: after a first SIGSTOP it does nothing on Deno.
    kill: (signal) => void (isRunning(child) && process.kill(child.pid as number, signal)),
    restart: async () => {
      await ended(child);
      child = await startChild(command);
    },
    stop: () => endChild(child),
  };
}

async function startChild(command: ServerCommand): Promise<ChildProcess> {
  const log = openSync(command.log, "w");
  const child = spawn(command.command, [...command.args], {
    cwd: command.cwd,
    env: { ...process.env, ...command.env },
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  const killWithUs = () => child.kill("SIGKILL");
  process.once("exit", killWithUs);
  child.once("exit", () => process.removeListener("exit", killWithUs));
  try {
    await Promise.race([failed, untilReady(child, command)]);
    return child;
  } catch (thrown) {
    await endChild(child);
    const written = readFileSync(command.log, "utf8").slice(-4_000);
    throw new Error(`${command.what} did not start: ${(thrown as Error).message}; it wrote:\n${written}`, { cause: thrown });
  }
}

async function untilReady(child: ChildProcess, { tryOnce, startLimitMs }: ServerCommand): Promise<void> {
  const deadlineMs = performance.now() + startLimitMs;
  for (;;) {
    if (!isRunning(child)) throw new Error(`its process ended with code ${child.exitCode}`);
    try {
      return await tryOnce();
    } catch (thrown) {
      if (performance.now() >= deadlineMs) throw thrown;
      await sleep(POLL_MS);
    }
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || !isRunning(child)) return;
  process.kill(child.pid, "SIGCONT");
  process.kill(child.pid, "SIGTERM");
  await Promise.race([ended(child), sleep(STOP_GRACE_MS, undefined, { ref: false })]);
  if (isRunning(child)) process.kill(child.pid, "SIGKILL");
  await ended(child);
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

function ended(child: ChildProcess): Promise<void> {
  return isRunning(child) ? new Promise((resolve) => child.once("exit", () => resolve())) : Promise.resolve();
}
