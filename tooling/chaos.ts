// npm run chaos: three real nodes on three NATS servers and shared stores, under load, while nodes and servers are killed,
// stopped and restarted. Writes bench/CHAOS.md with a plot. Exit code 1 below 99.9 % of queries answered within 2 s.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { linePlot } from "../bench/harness/plot.ts";
import { quantile } from "../bench/harness/statistics.ts";
import { unlessAborted } from "../runtime/cancellation.ts";
import { Load, Nodes, type SharedServers, startSharedServers } from "../test/services/cluster/cluster_rig.ts";
import { ROOT, untilInterrupted } from "./command.ts";
import { FERRETDB } from "./services/ferretdb.ts";
import { provideServices } from "./services/index.ts";
import { MILVUS_LITE } from "./services/milvus_lite.ts";
import { NATS } from "./services/nats.ts";

const NAMES = ["a", "b", "c"];
const CLIENTS = 3;
const DOCUMENTS = 30;
const QUIET_MS = 8_000;
const STOPPED_MS = 8_000;
const NATS_GONE_MS = 10_000;
const ROLLING_RESTARTS = 3;
const SECOND_MS = 1_000;
const WAIT_MS = 60_000;
const WANTED = 0.999;

interface Second {
  readonly tookMs: number[];
  failed: number;
  alive: number;
}

interface Happening {
  readonly atS: number;
  readonly what: string;
}

/** What happened second by second. */
class Timeline {
  readonly seconds: Second[] = [];
  readonly happenings: Happening[] = [];
  readonly #startedMs = performance.now();

  get #now(): Second {
    const at = Math.floor((performance.now() - this.#startedMs) / SECOND_MS);
    while (this.seconds.length <= at) this.seconds.push({ tookMs: [], failed: 0, alive: this.seconds.at(-1)?.alive ?? 0 });
    return this.seconds[at] as Second;
  }

  ended(tookMs: number, failure: string | null): void {
    const second = this.#now;
    second.tookMs.push(tookMs);
    if (failure === null) return;
    second.failed += 1;
    console.log(`failed: ${failure}`);
  }

  sees(alive: number): void {
    this.#now.alive = alive;
  }

  tell(what: string): void {
    const atS = Math.round((performance.now() - this.#startedMs) / SECOND_MS);
    this.happenings.push({ atS, what });
    console.log(`${atS} s: ${what}`);
  }
}

const wait = (durationMs: number) => new Promise((resolve) => setTimeout(resolve, durationMs));

async function aliveFrom(nodes: Nodes): Promise<number> {
  for (const name of nodes.names) {
    const cluster = await nodes.cluster(name).catch(() => null);
    if (cluster !== null) return cluster.nodes.filter(({ state }) => state === "alive").length;
  }
  return 0;
}

async function untilWhole(nodes: Nodes): Promise<void> {
  const limitMs = performance.now() + WAIT_MS;
  while ((await aliveFrom(nodes)) < NAMES.length) {
    if (performance.now() > limitMs) throw new Error(`The cluster was not whole again after ${WAIT_MS} ms`);
    await wait(100);
  }
}

/** Filled by one node, so that the others begin with what is there. */
async function prepare(nodes: Nodes): Promise<void> {
  await nodes.start("a");
  await nodes.call("a", "PUT", "/v1/collections/docs", { replicas: 2 });
  const documents = Array.from({ length: DOCUMENTS }, (_, at) => ({
    id: `d${at}`,
    text: `Number ${at} is about ${["birds", "cats"][at % 2]}`,
  }));
  const job = await nodes.call<{ readonly id: string }>("a", "POST", "/v1/collections/docs/documents", { documents });
  const isDone = async () =>
    (await nodes.call<{ readonly status: string }>("a", "GET", `/v1/jobs/${job.body.id}`)).body.status === "completed";
  for (const limitMs = performance.now() + WAIT_MS; !(await isDone()); await wait(100)) {
    if (performance.now() > limitMs) throw new Error("The documents were not ingested");
  }
  for (const name of ["b", "c"]) await nodes.start(name);
  await untilWhole(nodes);
}

async function disturb(nodes: Nodes, servers: SharedServers, timeline: Timeline): Promise<void> {
  const quiet = async (what: string) => {
    await untilWhole(nodes);
    timeline.tell(what);
    await wait(QUIET_MS);
  };
  await quiet("all is well");
  timeline.tell("node a is killed");
  await nodes.kill("a");
  await wait(QUIET_MS);
  await nodes.start("a");
  await quiet("node a is back");
  timeline.tell("node b is stopped");
  nodes.of("b").signal("SIGSTOP");
  await wait(STOPPED_MS);
  nodes.of("b").signal("SIGCONT");
  await quiet("node b goes on");
  for (let round = 1; round <= ROLLING_RESTARTS; round++) {
    timeline.tell(`rolling restart ${round}`);
    for (const name of NAMES) {
      await nodes.drain(name);
      await nodes.start(name);
      await untilWhole(nodes);
    }
  }
  await quiet("all have been restarted");
  const [first] = servers.nats;
  timeline.tell("a NATS server is killed");
  first?.kill("SIGKILL");
  await wait(QUIET_MS);
  await first?.restart();
  await quiet("the NATS server is back");
  timeline.tell("all NATS servers are killed");
  for (const server of servers.nats) server.kill("SIGKILL");
  await wait(NATS_GONE_MS);
  await Promise.all(servers.nats.map((server) => server.restart()));
  await quiet("all NATS servers are back");
}

function report({ seconds, happenings }: Timeline): { readonly text: string; readonly availability: number } {
  const queries = seconds.reduce((sum, { tookMs }) => sum + tookMs.length, 0);
  const failed = seconds.reduce((sum, second) => sum + second.failed, 0);
  const availability = queries === 0 ? 0 : 1 - failed / queries;
  const p99 = seconds.map(({ tookMs }) => (tookMs.length === 0 ? 0 : quantile(tookMs, 0.99)));
  const text = `# The cluster disturbed

Written by \`npm run chaos\`: three nodes on three NATS servers, with FerretDB and Milvus Lite as their stores, all on one machine. ${CLIENTS} clients ask one
question after another of any node, with a deadline of 2 s; a node that says nothing for 0.7 s, refuses or is gone is left for another.

${queries.toLocaleString("en")} queries, ${failed} without hits within the deadline: ${(availability * 100).toFixed(3)} % available.

![p99, rate and nodes over time](plots/chaos.svg)

| second | what | queries a second then | p99 then |
|---|---|---|---|
${happenings.map(({ atS, what }) => `| ${atS} | ${what} | ${seconds[atS]?.tookMs.length ?? 0} | ${(p99[atS] ?? 0).toFixed(0)} ms |`).join("\n")}
`;
  const plot = linePlot("Cluster disturbed, second by second", "p99 in ms; queries a second; living nodes times 100", [
    { name: "p99", values: p99 },
    { name: "queries a second", values: seconds.map(({ tookMs }) => tookMs.length) },
    { name: "failed", values: seconds.map((second) => second.failed) },
    { name: "nodes x 100", values: seconds.map(({ alive }) => alive * 100) },
  ]);
  writeFileSync(join(ROOT, "bench/plots/chaos.svg"), plot);
  return { text, availability };
}

async function main(signal: AbortSignal): Promise<number> {
  Object.assign(process.env, await provideServices(signal, [FERRETDB, MILVUS_LITE, NATS]));
  const servers = await startSharedServers();
  const nodes = new Nodes(servers.env);
  try {
    await unlessAborted(prepare(nodes), signal);
    const timeline = new Timeline();
    const load = new Load(nodes, "docs", CLIENTS, (tookMs, failure) => timeline.ended(tookMs, failure));
    const watching = setInterval(() => void aliveFrom(nodes).then((alive) => timeline.sees(alive)), SECOND_MS);
    try {
      await unlessAborted(disturb(nodes, servers, timeline), signal);
    } finally {
      clearInterval(watching);
      await load.end();
    }
    const { text, availability } = report(timeline);
    writeFileSync(join(ROOT, "bench/CHAOS.md"), text);
    console.log(text);
    return availability >= WANTED ? 0 : 1;
  } finally {
    await nodes.stopAll();
    await servers.stop();
  }
}

process.exit(
  await main(untilInterrupted()).catch((error: Error) => {
    console.error(error.message);
    return 1;
  }),
);
