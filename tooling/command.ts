import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's folder. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The Deno that came with the packages, found also where the installation ran no install scripts. */
export function denoPath(): string {
  return createRequire(import.meta.url)("deno/install_api.cjs").runInstall();
}

/** Characters at the end of an output that are read for last words. */
const MAX_LAST_WORDS = 200;

export interface CommandOptions {
  /** @default ROOT */
  readonly cwd?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Once the end of its output (kept, not live) reads like this, it has so long to end too. */
  readonly lastWords?: { readonly pattern: RegExp; readonly graceMs: number };
  /** Passes the output on as it comes instead of keeping it. @default false */
  readonly live?: boolean;
  /** Ends the command, and all it started, when it aborts. */
  readonly signal?: AbortSignal;
}

export interface Outcome {
  /** Null: a signal ended it. */
  readonly code: number | null;
  /** Standard output and error in the order they came; empty when live. */
  readonly output: string;
  readonly durationMs: number;
  readonly timedOut: boolean;
}

/** Runs a command without a shell and without input. Whatever it started is gone when this resolves after a timeout. */
export function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<Outcome> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    // Its own process group, so that a timeout reaches what the command has started too.
    const child = spawn(command, [...args], {
      cwd: options.cwd ?? ROOT,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", options.live ? "inherit" : "pipe", options.live ? "inherit" : "pipe"],
      detached: true,
    });
    let output = "";
    let timedOut = false;
    const end = () => killGroup(child);
    const endLate = () => {
      timedOut = true;
      end();
    };
    const timer = setTimeout(endLate, options.timeoutMs);
    let grace: ReturnType<typeof setTimeout> | undefined;
    const { lastWords } = options;
    const keep = (bytes: Buffer) => {
      output += bytes.toString("utf8");
      clearTimeout(grace);
      if (lastWords?.pattern.test(output.slice(-MAX_LAST_WORDS))) grace = setTimeout(endLate, lastWords.graceMs);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    const release = () => {
      clearTimeout(timer);
      clearTimeout(grace);
      options.signal?.removeEventListener("abort", end);
    };
    options.signal?.addEventListener("abort", end, { once: true });
    if (options.signal?.aborted) end();
    child.on("error", (error) => {
      release();
      reject(new Error(`Cannot run ${command}: ${error.message}`, { cause: error }));
    });
    child.on("close", (code) => {
      release();
      resolve({ code, output, durationMs: performance.now() - startedMs, timedOut });
    });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    child.kill("SIGKILL"); // the group is gone, or there never was one
  }
}

/** Aborts when somebody wants this process to end, so that it takes what it started with it. */
export function untilInterrupted(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => controller.abort(new Error(`Interrupted by ${name}`)));
  }
  return controller.signal;
}

export function seconds(durationMs: number): string {
  return `${(durationMs / 1_000).toFixed(1)} s`;
}
