import { type Outcome, runCommand, seconds } from "./command.ts";

/** What one test file did on one runtime. */
export interface FileResult {
  readonly file: string;
  readonly runtime: string;
  readonly passed: number;
  /** Failed tests; at least 1 when the file itself failed: crashed, hung, or ran no test. */
  readonly failed: number;
  readonly skipped: number;
  readonly durationMs: number;
  /** Why the file counts as failed although no test of it did; null: it does not. */
  readonly problem: string | null;
  readonly output: string;
}

export interface Runtime {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

export interface RunOptions {
  /** Files at a time. */
  readonly concurrency: number;
  /** Files with the same lane never run at the same time; null: it may run beside any. */
  readonly laneOf?: (file: string) => string | null;
  readonly fileTimeoutMs: number;
  /** From uvu's totals to the end of the file's process. */
  readonly endGraceMs: number;
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Called once per file, in order of completion. */
  readonly onResult: (result: FileResult, done: number, total: number) => void;
}

/** After uvu's totals a file has nothing left to do but to end; one that holds on to something would take all of its time. */
const LAST_WORDS = /\n {2}Duration: +[\d.]+ms\s*$/;

/** Each file in a process of its own, on each runtime; results in the order of completion. */
export async function runTestFiles(
  files: readonly string[],
  runtimes: readonly Runtime[],
  options: RunOptions,
): Promise<readonly FileResult[]> {
  const queue = runtimes.flatMap((runtime) => files.map((file) => ({ runtime, file })));
  const total = queue.length;
  const results: FileResult[] = [];
  const { laneOf = () => null } = options;
  const busyLanes = new Set<string>();
  /** The first file whose lane is free. Where all that is left belongs to busy lanes, those who are in them run it. */
  const take = () => {
    const at = queue.findIndex(({ file }) => !busyLanes.has(laneOf(file) ?? ""));
    return at === -1 || options.signal.aborted ? undefined : queue.splice(at, 1)[0];
  };
  const work = async () => {
    for (let next = take(); next !== undefined; next = take()) {
      const { runtime, file } = next;
      const lane = laneOf(file);
      if (lane !== null) busyLanes.add(lane);
      const outcome = await runCommand(runtime.command, [...runtime.args, file], {
        timeoutMs: options.fileTimeoutMs,
        lastWords: { pattern: LAST_WORDS, graceMs: options.endGraceMs },
        signal: options.signal,
        env: { NO_COLOR: "1", FORCE_COLOR: "0", ...options.env },
      });
      if (lane !== null) busyLanes.delete(lane);
      const result = judge(file, runtime.name, outcome);
      results.push(result);
      options.onResult(result, results.length, total);
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, work));
  options.signal.throwIfAborted();
  return results;
}

/** Reads uvu's totals. A file that printed none, or registered no test, has failed: it proves nothing. */
export function judge(file: string, runtime: string, outcome: Outcome): FileResult {
  const total = readCount(outcome.output, "Total");
  const passed = readCount(outcome.output, "Passed") ?? 0;
  const skipped = readCount(outcome.output, "Skipped") ?? 0;
  const failedTests = (total ?? 0) - passed;
  const problem = findProblem(total, failedTests, skipped, outcome);
  return {
    file,
    runtime,
    passed,
    failed: Math.max(failedTests, problem === null ? 0 : 1),
    skipped,
    durationMs: outcome.durationMs,
    problem,
    output: outcome.output,
  };
}

function findProblem(total: number | null, failedTests: number, skipped: number, outcome: Outcome): string | null {
  if (outcome.timedOut) return `did not end within ${seconds(outcome.durationMs)} and was killed`;
  if (total === null) return `printed no total (exit code ${outcome.code})`;
  if (total === 0 && skipped === 0) return "registered no test";
  if (outcome.code !== 0 && failedTests === 0) return `passed its tests, then ended with exit code ${outcome.code}`;
  return null;
}

/** uvu prints one total a process; a test's own output that looks like one comes before it, so the last one counts. */
function readCount(output: string, label: "Total" | "Passed" | "Skipped"): number | null {
  const found = [...output.matchAll(new RegExp(`^ {2}${label}: +(\\d+)$`, "gm"))].at(-1);
  return found?.[1] === undefined ? null : Number(found[1]);
}
