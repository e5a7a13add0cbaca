import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { AccessCommand, AccessNodes, CheckTimes } from "./harness/access_nodes.ts";
import { atLeast, atMost, type BenchContext, type Benchmark, type Figure, plain, type Report } from "./harness/benchmark.ts";
import { loadQueries, nplDocuments } from "./harness/corpus.ts";
import { pause } from "./harness/kennel_client.ts";
import type { LoadCommand, LoadResult } from "./harness/load.ts";
import { type SideProcess, startSideProcess } from "./harness/side_process.ts";
import { median } from "./harness/statistics.ts";

/**
 * The same searches of nodes that ask for no key, for a key, and for a key with limits; and of the first with the key's header,
 * which it does not look at: what it costs to receive it. Short rounds take turns, in changing
 * order, in one process that serves all three, so that a busy machine slows all alike; figures are medians of rounds.
 */
export const accessBenchmark: Benchmark = { name: "access", title: "Searches with keys and limits beside those without", run };

const SIDES = ["open", "sent", "keyed", "limited"] as const;
type Side = (typeof SIDES)[number];
const NODES = ["open", "keyed", "limited"] as const;
const nodeOf = (side: Side) => (side === "sent" ? "open" : side);
const PATHS = ["kept answers", "searched anew"] as const;
type Path = (typeof PATHS)[number];

const CONNECTIONS = 16;
const REPEATED_QUERIES = 50;
/** Of one side in one round. */
const REQUESTS: Readonly<Record<Path, number>> = { "kept answers": 2_000, "searched anew": 400 };
const LONGEST_MS = 30_000;
/** What a key may cost of the throughput. */
const LEAST_SHARE = 0.97;

interface Measured {
  readonly perSecond: number;
  /** Processor time of the nodes' process for one request, in µs: what a request costs however busy the machine is. */
  readonly processorUs: number;
}

type Round = Readonly<Record<Side, Measured>>;

async function run(context: BenchContext): Promise<Report> {
  const documents = await nplDocuments(context.isQuick ? 500 : 4_000);
  const folder = join(context.workFolder, "access");
  await mkdir(folder, { recursive: true });
  const host = startSideProcess(new URL("./harness/access_nodes.ts", import.meta.url));
  const load = startSideProcess(new URL("./harness/load.ts", import.meta.url));
  try {
    const nodes = await host.ask<AccessNodes>({ kind: "start", folder } satisfies AccessCommand);
    for (const side of NODES) await fill(nodes, side, documents);
    const bodies = loadQueries(documents, 1_000).map((query) => JSON.stringify({ query }));
    const rounds: Record<Path, Round[]> = { "kept answers": [], "searched anew": [] };
    const count = context.isQuick ? 3 : 60;
    for (const path of PATHS)
      for (let round = 0; round <= count; round++) {
        context.progress(`${path}, round ${round} of ${count}`);
        const measured = await measureRound(nodes, path, bodies, round, { host, load }, context.isQuick ? 150 : REQUESTS[path]);
        if (round > 0) rounds[path].push(measured); // the first one warms
      }
    const checks = await host.ask<CheckTimes>({ kind: "checks" } satisfies AccessCommand);
    return { figures: [...PATHS.flatMap((path) => figuresOf(path, rounds[path])), ...checkFigures(checks)], details: { rounds, checks } };
  } finally {
    await host.ask({ kind: "stop" } satisfies AccessCommand).catch(() => {});
    await Promise.all([host.stop(), load.stop()]);
  }
}

const processorUs = (host: SideProcess) => host.ask<number>({ kind: "processor" } satisfies AccessCommand);

const headersOf = ({ key }: AccessNodes, side: Side): Readonly<Record<string, string>> =>
  side === "open" ? {} : { authorization: `Bearer ${key}` };

async function fill(nodes: AccessNodes, side: (typeof NODES)[number], documents: readonly object[]): Promise<void> {
  const call = async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(`http://127.0.0.1:${nodes.ports[side]}${path}`, {
      method,
      headers: {
        "content-type": "application/json",
        "x-request-timeout-ms": "600000",
        "cache-control": "no-cache",
        ...headersOf(nodes, side),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${(await answer.text()).slice(0, 300)}`);
    return (await answer.json()) as { readonly id?: string; readonly status?: string; readonly freshness?: { readonly index: string } };
  };
  await call("PUT", "/v1/collections/docs", { resident: "always" });
  const { id } = await call("POST", "/v1/collections/docs/documents", { documents });
  const limit = AbortSignal.timeout(300_000);
  const until = async (isSo: () => Promise<boolean>) => {
    while (!(await isSo())) {
      limit.throwIfAborted();
      await pause(50);
    }
  };
  await until(async () => (await call("GET", `/v1/jobs/${id}`)).status === "completed");
  await until(async () => (await call("POST", "/v1/collections/docs/search", { query: "warm" })).freshness?.index === "resident");
}

async function measureRound(
  nodes: AccessNodes,
  path: Path,
  bodies: readonly string[],
  round: number,
  { host, load }: { readonly host: SideProcess; readonly load: SideProcess },
  requests: number,
): Promise<Round> {
  const measured: Partial<Record<Side, Measured>> = {};
  for (const place of SIDES.keys()) {
    const side = SIDES[(place + round) % SIDES.length] as Side;
    const isKept = path === "kept answers";
    const beforeUs = await processorUs(host);
    const result = await load.ask<LoadResult>({
      port: nodes.ports[nodeOf(side)],
      path: "/v1/collections/docs/search",
      headers: { ...headersOf(nodes, side), ...(isKept ? {} : { "cache-control": "no-cache" }) },
      bodies: isKept ? bodies.slice(0, REPEATED_QUERIES) : bodies,
      connections: CONNECTIONS,
      durationMs: LONGEST_MS,
      maxRequests: requests,
    } satisfies LoadCommand);
    if (result.failures > 0) throw new Error(`${result.failures} of ${result.requests} requests failed: ${result.sample.slice(0, 300)}`);
    measured[side] = { perSecond: result.perSecond, processorUs: ((await processorUs(host)) - beforeUs) / result.requests };
  }
  return measured as Round;
}

function figuresOf(path: Path, rounds: readonly Round[]): Figure[] {
  const over = (value: (round: Round) => number) => median(rounds.map(value));
  return [
    plain(
      `${path}: without keys`,
      over(({ open }) => open.perSecond),
      "req/s",
    ),
    plain(
      `${path}: with a key`,
      over(({ keyed }) => keyed.perSecond),
      "req/s",
    ),
    atLeast(
      `${path}: with a key / without`,
      over(({ keyed, open }) => keyed.perSecond / open.perSecond),
      "ratio",
      LEAST_SHARE,
    ),
    atLeast(
      `${path}: with a key and limits / without`,
      over(({ limited, open }) => limited.perSecond / open.perSecond),
      "ratio",
      LEAST_SHARE,
    ),
    plain(
      `${path}: with a key / the same header sent where none is asked for`,
      over(({ keyed, sent }) => keyed.perSecond / sent.perSecond),
      "ratio",
    ),
    plain(
      `${path}: processor time of one, without keys`,
      over(({ open }) => open.processorUs),
      "us",
    ),
    atMost(
      `${path}: processor time, with a key / without`,
      over(({ keyed, open }) => keyed.processorUs / open.processorUs),
      "ratio",
      1 / LEAST_SHARE,
    ),
    atMost(
      `${path}: processor time, with a key and limits / without`,
      over(({ limited, open }) => limited.processorUs / open.processorUs),
      "ratio",
      1 / LEAST_SHARE,
    ),
    plain(
      `${path}: processor time, the header sent where none is asked for / without`,
      over(({ sent, open }) => sent.processorUs / open.processorUs),
      "ratio",
    ),
    plain(
      `${path}: processor time, with a key / the same header sent where none is asked for`,
      over(({ keyed, sent }) => keyed.processorUs / sent.processorUs),
      "ratio",
    ),
  ];
}

function checkFigures({ good, unknownId, wrongAtFirst, wrongAtLast }: CheckTimes): Figure[] {
  return [
    plain("one look at a good key", good, "us"),
    plain("at a key of no known id", unknownId, "us"),
    plain("at one that is wrong from its first character on", wrongAtFirst, "us"),
    plain("at one that is wrong in its last", wrongAtLast, "us"),
  ];
}
