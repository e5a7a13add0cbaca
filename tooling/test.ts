// npm test: every check, then every test that Node and npm alone can carry, on Deno and on Node 24.
//
//   npm test                        everything
//   npm test -- supervisor/         test files whose path holds the text; no checks
//   npm test -- --on deno           one runtime
//   npm test -- --services          instead: test/services/**, which real servers and tools are started for
//   npm test -- --second-run        files that failed, if they are few, are run once more by themselves

import { writeAccessMatrix } from "./access_matrix.ts";
import { runChecks } from "./check.ts";
import { denoPath, ROOT, seconds, untilInterrupted } from "./command.ts";
import { writeContractMatrix } from "./contract_matrix.ts";
import { listTypeScript } from "./import_direction.ts";
import { provideNode24 } from "./node24.ts";
import { provideServices } from "./services/index.ts";
import { type FileResult, type RunOptions, type Runtime, runTestFiles } from "./test_files.ts";

const CONCURRENCY = 2;
const FILE_TIMEOUT_MS = 180_000;
const SERVICE_FILE_TIMEOUT_MS = 600_000;
const END_GRACE_MS = 30_000;
/** More failed files than this are no accident of a busy machine: they are not run again. */
const MAX_SECOND_RUNS = 3;
const SERVICES_FOLDER = "test/services/";
/** Of these one at a time: they start Milvus, whose etcd listens on one fixed port. */
const MILVUS_TESTS = ["milvus/", "faults/", "production_test.ts"].map((name) => `${SERVICES_FOLDER}${name}`);

/** These ask little of a processor, and run beside any. */
const LIGHT_TESTS = ["nats/", "redis/"].map((name) => `${SERVICES_FOLDER}${name}`);

/** Of the others (a browser, a fuzzer, a cluster) each keeps a processor busy: one at a time, beside one with Milvus or a light one. */
function laneOf(file: string): string | null {
  const isOf = (starts: readonly string[]) => starts.some((start) => file.startsWith(start));
  if (!file.startsWith(SERVICES_FOLDER) || isOf(LIGHT_TESTS)) return null;
  return isOf(MILVUS_TESTS) ? "milvus" : "others";
}

interface Options {
  readonly services: boolean;
  readonly hasSecondRun: boolean;
  readonly runtimes: readonly string[];
  readonly match: readonly string[];
}

function readOptions(args: readonly string[]): Options {
  const match: string[] = [];
  const runtimes: string[] = [];
  let services = false;
  let hasSecondRun = false;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] as string;
    if (arg === "--services") services = true;
    else if (arg === "--second-run") hasSecondRun = true;
    else if (arg === "--on") runtimes.push(args[++at] ?? "");
    else match.push(arg);
  }
  const unknown = runtimes.find((name) => name !== "deno" && name !== "node");
  if (unknown !== undefined) throw new TypeError(`--on takes deno or node, not ${JSON.stringify(unknown)}`);
  return { services, hasSecondRun, runtimes: runtimes.length === 0 ? ["deno", "node"] : runtimes, match };
}

async function provideRuntimes(names: readonly string[], signal: AbortSignal): Promise<readonly Runtime[]> {
  const runtimes: Runtime[] = [];
  if (names.includes("deno")) {
    runtimes.push({
      name: "deno",
      command: denoPath(),
      args: ["run", "-A", "--no-lock", "--no-prompt", "--no-remote", "--node-modules-dir=manual"],
    });
  }
  if (names.includes("node"))
    runtimes.push({ name: "node", command: await provideNode24(signal), args: ["--disable-warning=ExperimentalWarning"] });
  return runtimes;
}

function report(result: FileResult, done: number, total: number): void {
  const counts = result.failed === 0 ? `${result.passed} passed` : `${result.passed} passed, ${result.failed} failed`;
  const skipped = result.skipped === 0 ? "" : `, ${result.skipped} skipped`;
  const width = String(total).length;
  const mark = result.failed === 0 ? "ok  " : "FAIL";
  console.log(
    `[${String(done).padStart(width)}/${total}] ${mark} ${result.runtime} ${result.file}: ${counts}${skipped} (${seconds(result.durationMs)})`,
  );
  if (result.failed === 0) return;
  if (result.problem !== null) console.log(`     the file ${result.problem}`);
  console.log(result.output.trim().replaceAll(/^/gm, "     "));
}

/**
 * Each failed file once more, by itself: what failed beside another file on a busy machine is told from what fails always.
 * @returns the results with those of the second run in the place of the first; which they are is printed, whatever they say
 */
async function runFailedAgain(
  first: readonly FileResult[],
  runtimes: readonly Runtime[],
  options: RunOptions,
): Promise<readonly FileResult[]> {
  const failed = first.filter((result) => result.failed > 0);
  if (failed.length === 0 || failed.length > MAX_SECOND_RUNS) return first;
  const again: FileResult[] = [];
  for (const { file, runtime } of failed) {
    console.log(`second run on ${runtime}: ${file}`);
    const [result] = await runTestFiles(
      [file],
      runtimes.filter(({ name }) => name === runtime),
      { ...options, concurrency: 1 },
    );
    if (result === undefined) continue;
    again.push(result);
    if (result.failed === 0) console.log(`passed only at its second run on ${runtime}: ${file}`);
  }
  return first.map((result) => again.find(({ file, runtime }) => file === result.file && runtime === result.runtime) ?? result);
}

async function main(args: readonly string[], signal: AbortSignal): Promise<number> {
  const options = readOptions(args);
  const isClean = options.services || options.match.length > 0 || (await runChecks(signal));
  const files = listTypeScript(ROOT, "test").filter((file) => file.endsWith("_test.ts"));
  const chosen = files.filter(
    (file) =>
      file.startsWith(SERVICES_FOLDER) === options.services &&
      (options.match.length === 0 || options.match.some((text) => file.includes(text))),
  );
  const env = options.services ? await provideServices(signal) : {};
  const runtimes = await provideRuntimes(options.runtimes, signal);
  const runOptions: RunOptions = {
    concurrency: CONCURRENCY,
    laneOf,
    fileTimeoutMs: options.services ? SERVICE_FILE_TIMEOUT_MS : FILE_TIMEOUT_MS,
    endGraceMs: END_GRACE_MS,
    env,
    signal,
    onResult: report,
  };
  const first = await runTestFiles(chosen, runtimes, runOptions);
  const results = options.hasSecondRun ? await runFailedAgain(first, runtimes, runOptions) : first;
  for (const { runtime, file } of results.filter((result) => result.failed > 0)) console.log(`failed on ${runtime}: ${file}`);
  const left = files.filter((file) => file.startsWith(SERVICES_FOLDER));
  if (!options.services && options.match.length === 0 && left.length > 0) {
    console.log(`Left to "npm run test:services", which starts what they need: ${left.join(", ")}`);
  }
  if (options.services && options.match.length === 0) console.log(`${writeContractMatrix()}\n${await writeAccessMatrix()}`);
  if (results.length === 0) console.log("No test file was chosen");
  if (!isClean) console.log("A check failed, see above; it counts as one failed test");
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = results.reduce((sum, result) => sum + result.failed, isClean ? 0 : 1);
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed === 0 && results.length > 0 ? 0 : 1;
}

process.exit(
  await main(process.argv.slice(2), untilInterrupted()).catch((error: Error) => {
    console.error(error.message);
    return 1;
  }),
);
