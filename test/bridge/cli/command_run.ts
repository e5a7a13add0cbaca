import { runCommandLine } from "../../../bridge/cli/command_line.ts";
import type { Config } from "../../../config/schema.ts";
import { systemClock } from "../../../runtime/clock.ts";

export interface CommandRun {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
  readonly drawings: readonly string[];
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly serve?: (config: Config) => Promise<number>;
  readonly signal?: AbortSignal;
  readonly onRedraw?: (text: string) => void;
}

/** Runs one command line with its output caught. Time is real but nothing waits longer than the commands' own polls. */
export async function runCommand(argv: readonly string[], options: RunOptions = {}): Promise<CommandRun> {
  const out: string[] = [];
  const err: string[] = [];
  const drawings: string[] = [];
  const clock = systemClock();
  const exitCode = await runCommandLine(
    argv,
    { serve: options.serve ?? (() => Promise.reject(new Error("serve was not expected"))) },
    {
      terminal: {
        out: (line) => void out.push(line),
        err: (line) => void err.push(line),
        redraw(text) {
          drawings.push(text);
          options.onRedraw?.(text);
        },
        isInteractive: false,
        columns: 80,
      },
      // Polls and retries come back at once: what they wait for is scripted.
      clock: { ...clock, sleep: async (_durationMs, signal) => signal.throwIfAborted() },
      sources: { environment: options.environment ?? {}, readFile: () => null, hostName: () => "host", workingFolder: "/srv" },
      signal: options.signal ?? new AbortController().signal,
    },
  );
  return { exitCode, out: out.join("\n"), err: err.join("\n"), drawings };
}
