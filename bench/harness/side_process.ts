import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/**
 * A part of a benchmark in a process of its own, so that client, server and rival share no event loop. Commands and
 * answers are lines of JSON on its standard input and output, one command at a time.
 */
export interface SideProcess {
  readonly pid: number;
  ask<Answer>(command: unknown): Promise<Answer>;
  stop(): Promise<void>;
}

type Outcome = { readonly answer: unknown } | { readonly failure: string };

/** Runs `script` on the runtime of this process. */
export function startSideProcess(script: URL): SideProcess {
  const runtimeArguments = "Deno" in globalThis ? ["run", "-A", "--no-lock"] : [];
  const child = spawn(process.execPath, [...runtimeArguments, fileURLToPath(script)], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = exitOf(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid ?? -1,
    async ask<Answer>(command: unknown) {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      const line = await lines.next();
      if (line.done) throw new Error(`${script.pathname} ended before it answered`);
      const outcome = JSON.parse(line.value) as Outcome;
      if ("failure" in outcome) throw new Error(`${script.pathname} failed: ${outcome.failure}`);
      return outcome.answer as Answer;
    },
    async stop() {
      child.stdin.end();
      child.kill("SIGTERM");
      await ended;
    },
  };
}

export function exitOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
}

/** The other side: answers each command with what `handle` makes of it, until standard input ends. */
export async function serveCommands<Command>(handle: (command: Command) => Promise<unknown>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const outcome = await handle(JSON.parse(line) as Command).then(
      (answer): Outcome => ({ answer: answer ?? null }),
      (thrown: unknown): Outcome => ({ failure: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) }),
    );
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
  }
  process.exit(0);
}
