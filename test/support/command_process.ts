import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

export interface EndedProcess {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
const LIMIT_MS = 120_000;

/** One command of the command line in a process of its own, on the runtime of the test. */
export function runKennel(args: readonly string[], env: Readonly<Record<string, string>>): Promise<EndedProcess> {
  const runtimeArgs = "deno" in process.versions ? ["run", "-A", "--no-lock", "--node-modules-dir=manual"] : [];
  return runProcess(process.execPath, [...runtimeArgs, MAIN, ...args], env).ended;
}

export interface RunningProcess {
  readonly ended: Promise<EndedProcess>;
  /** Resolves with the text once standard output holds it; rejects when the process ends first. */
  untilOut(pattern: RegExp): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Everything it has written. */
  output(): string;
}

/** A process that is killed when it takes longer than any test should. */
export function runProcess(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  workingFolder = process.cwd(),
  limitMs = LIMIT_MS,
): RunningProcess {
  const child = spawn(command, [...args], { env: { ...process.env, ...env }, cwd: workingFolder, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  const watchers = new Set<() => void>();
  child.stdout.on("data", (part: Buffer) => {
    out += part.toString();
    for (const watch of watchers) watch();
  });
  child.stderr.on("data", (part: Buffer) => {
    err += part.toString();
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), limitMs);
  const ended = new Promise<EndedProcess>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) => {
      clearTimeout(limit);
      resolve({ exitCode, signal, out, err });
    });
  });
  return {
    ended,
    output: () => out + err,
    // Not child.kill(): after it Deno says that the signal ended the process, whatever the process did with it.
    kill: (signal) => void process.kill(child.pid as number, signal),
    untilOut: (pattern) =>
      new Promise((resolve, reject) => {
        const watch = () => {
          const found = pattern.exec(out)?.[0];
          if (found === undefined) return;
          watchers.delete(watch);
          resolve(found);
        };
        watchers.add(watch);
        watch();
        void ended.then(() => reject(new Error(`Ended before it wrote ${pattern}:\n${out}\n${err}`)));
      }),
  };
}
