// npm run bench -- [--quick] [--only search,ingest] [--duration SECONDS] [--requests N]: measures Kennel beside its rivals on this machine.
// Prints the figures; writes them as JSON and the plots as SVG to bench/out/.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { accessBenchmark } from "./access.ts";
import { backupBenchmark } from "./backup.ts";
import { chatBenchmark } from "./chat.ts";
import { clusterBenchmark } from "./cluster.ts";
import { deadlinesBenchmark } from "./deadlines.ts";
import { encoderBenchmark, isEncoderProvided } from "./encoder.ts";
import { evictionBenchmark } from "./eviction.ts";
import { type BenchContext, type Benchmark, type Figure, holds, type Report } from "./harness/benchmark.ts";
import { areClusterServersProvided } from "./harness/cluster_rig.ts";
import { type KennelServer, startKennelServer } from "./harness/kennel_server.ts";
import { format } from "./harness/plot.ts";
import { areServersProvided } from "./harness/real_servers.ts";
import { ingestBenchmark } from "./ingest.ts";
import { isolationBenchmark } from "./isolation.ts";
import { kernelBenchmark } from "./kernel_ratio.ts";
import { memoryBenchmark } from "./memory.ts";
import { modesBenchmark } from "./modes.ts";
import { observabilityBenchmark } from "./observability.ts";
import { outageBenchmark } from "./outage.ts";
import { qualityBenchmark } from "./quality.ts";
import { registeredBenchmark } from "./registered.ts";
import { residentBenchmark } from "./resident.ts";
import { searchBenchmark } from "./search.ts";
import { servicesBenchmark } from "./services.ts";
import { soakBenchmark } from "./soak.ts";
import { startBenchmark } from "./start.ts";
import { strategiesBenchmark } from "./strategies.ts";
import { upkeepBenchmark } from "./upkeep.ts";
import { warmBenchmark } from "./warm.ts";

const BENCHMARKS: readonly Benchmark[] = [
  kernelBenchmark,
  residentBenchmark,
  warmBenchmark,
  qualityBenchmark,
  strategiesBenchmark,
  chatBenchmark,
  searchBenchmark,
  accessBenchmark,
  ingestBenchmark,
  startBenchmark,
  memoryBenchmark,
  registeredBenchmark,
  outageBenchmark,
  isolationBenchmark,
  deadlinesBenchmark,
  modesBenchmark,
  evictionBenchmark,
  upkeepBenchmark,
  backupBenchmark,
  observabilityBenchmark,
  soakBenchmark,
  servicesBenchmark,
  clusterBenchmark,
  encoderBenchmark,
];
const OUT = fileURLToPath(new URL("./out/", import.meta.url));

interface Options {
  readonly isQuick: boolean;
  readonly soakSeconds: number;
  readonly soakRequests: number;
  readonly chosen: readonly Benchmark[];
}

function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      duration: { type: "string", default: "3600" },
      requests: { type: "string", default: "500000" },
    },
  });
  // These take a download, or a build: they run unasked only where what they need is there.
  const isReady = new Map([
    [servicesBenchmark, areServersProvided()],
    [clusterBenchmark, areClusterServersProvided()],
    [encoderBenchmark, isEncoderProvided()],
  ]);
  const usual = BENCHMARKS.filter((benchmark) => isReady.get(benchmark) ?? true);
  const names = values.only?.split(",") ?? usual.map(({ name }) => name);
  const chosen = BENCHMARKS.filter(({ name }) => names.includes(name));
  if (chosen.length !== names.length) throw new Error(`--only takes names out of: ${BENCHMARKS.map(({ name }) => name).join(", ")}`);
  const soakSeconds = Number(values.duration);
  if (!(soakSeconds > 0)) throw new Error("--duration takes seconds above 0");
  const soakRequests = Number(values.requests);
  if (!(Number.isInteger(soakRequests) && soakRequests > 0)) throw new Error("--requests takes a whole number above 0");
  return { isQuick: values.quick, soakSeconds, soakRequests, chosen };
}

async function runBenchmark(benchmark: Benchmark, options: Options, signal: AbortSignal): Promise<Report> {
  const workFolder = await mkdtemp(join(tmpdir(), "kennel-bench-"));
  const servers: KennelServer[] = [];
  const context: BenchContext = {
    ...options,
    workFolder,
    signal,
    progress: showProgress,
    async startKennel({ folder = join(workFolder, `data-${servers.length}`), environment = {} } = {}) {
      const server = await startKennelServer(folder, environment, signal);
      servers.push(server);
      return server;
    },
  };
  try {
    return await benchmark.run(context);
  } finally {
    showProgress("");
    await Promise.all(servers.map((server) => server.stop()));
    await rm(workFolder, { recursive: true, force: true });
  }
}

/** One line that is written over; nothing where no one watches. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`);
}

/** @param withBounds false for the quick mode, whose sizes are not those that the bounds are for */
function printFigures(title: string, figures: readonly Figure[], withBounds: boolean): void {
  process.stdout.write(`\n${title}\n`);
  const width = Math.max(...figures.map(({ name }) => name.length));
  for (const figure of figures) {
    const { name, value, unit } = figure;
    const verdict = withBounds ? verdictOf(figure) : "";
    process.stdout.write(`  ${name.padEnd(width)}  ${format(value).padStart(10)} ${unit}${verdict}\n`);
  }
}

function verdictOf(figure: Figure): string {
  if (figure.bound === null) return "";
  const bound = `${figure.bound.kind === "at_most" ? "at most" : "at least"} ${format(figure.bound.value)}`;
  return `  ${holds(figure) ? "holds" : "MISSED"}: ${bound}`;
}

/** @param load the load average of a minute before it began: what else the machine had to do */
function machine(load: number): unknown {
  const runtime = (globalThis as { Deno?: { version: { deno: string } } }).Deno;
  return {
    at: new Date().toISOString(),
    load,
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    system: `${process.platform} ${process.arch}`,
    runtime: runtime === undefined ? `Node ${process.version}` : `Deno ${runtime.version.deno}`,
  };
}

const options = readOptions(process.argv.slice(2));
const interrupt = new AbortController();
process.once("SIGINT", () => interrupt.abort());
await mkdir(OUT, { recursive: true });
let failed = 0;
for (const benchmark of options.chosen) {
  if (interrupt.signal.aborted) break;
  const [load = 0] = loadavg();
  try {
    const report = await runBenchmark(benchmark, options, interrupt.signal);
    printFigures(benchmark.title, report.figures, !options.isQuick);
    const written = {
      title: benchmark.title,
      ...report,
      plots: Object.keys(report.plots ?? {}),
      isQuick: options.isQuick,
      machine: machine(load),
    };
    await writeFile(join(OUT, `${benchmark.name}.json`), `${JSON.stringify(written, null, 2)}\n`);
    for (const [name, svg] of Object.entries(report.plots ?? {})) await writeFile(join(OUT, `${name}.svg`), svg);
  } catch (error) {
    failed += 1;
    process.stdout.write(`\n${benchmark.title}\n  failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  }
}
// A missed bound is read by people: a busy machine must not turn CI red. A benchmark that can't run must.
process.exit(failed === 0 ? 0 : 1);
