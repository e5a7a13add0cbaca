// npm run rollout: Kennel as the chart's production overlay runs it, under load, while Kubernetes' real controllers update it, drain and lose machines, scale
// it by its own metric, upgrade it and give up a broken release. Writes bench/KUBERNETES.md with plots. Exit code 1 where a query failed, or a connection
// broke that nothing had killed.
//
//   npm run rollout -- --help
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { linePlot } from "../bench/harness/plot.ts";
import { quantile } from "../bench/harness/statistics.ts";
import { unlessAborted } from "../runtime/cancellation.ts";
import { imageOf, KennelDeployment } from "../test/services/kubernetes/kennel_deployment.ts";
import * as scenarios from "../test/services/kubernetes/scenarios.ts";
import { type LoadOptions, ServiceLoad } from "../test/services/kubernetes/service_load.ts";
import { Timeline, type Totals } from "../test/services/kubernetes/timeline.ts";
import { type Formats, formatsOf, OLDER_IMAGE, OLDER_TAG, upgradeEmbedded } from "../test/services/kubernetes/upgrade.ts";
import { startRerankServer } from "../test/support/rerank_server.ts";
import { ROOT, untilInterrupted } from "./command.ts";
import { checkOutOlder, type OlderVersion } from "./older_version.ts";
import { FERRETDB } from "./services/ferretdb.ts";
import { provideServices } from "./services/index.ts";
import { KUBERNETES_SERVER, KUBERNETES_TOOLS } from "./services/kubernetes.ts";
import { MILVUS_LITE } from "./services/milvus_lite.ts";
import { NATS } from "./services/nats.ts";

const CLIENTS = 8;
const PAUSE_MS = 100;
/** What the autoscaler is to answer: questions at once whose answers wait for a reranker. */
const MORE_CLIENTS = 24;
/** In place of the chart's 8 while they ask: two processors carry six nodes, and no load that fills six. */
const FEW_IN_FLIGHT = 3;
const RERANK_MS = 300;
const SECOND_MS = 1_000;
const QUIET_MS = 2_000;
const HELP = `npm run rollout [-- --from REF]

Rolls Kennel out on real Kubernetes controllers under load, act by act, and writes bench/KUBERNETES.md. It takes some ten minutes, and installs what it needs.

  --from REF   the older version that the upgrade begins with: whatever git takes for a commit. Its tree is checked out under .cache with the packages of
               its own lock file, and removed at the end. Default: the newest tag before this commit; where there is none, the first commit that has the
               Helm chart, which is the oldest that today's manifests can start. Either needs the history: a shallow clone or a tarball has none.
`;

interface Act {
  readonly what: string;
  /** Whether processes are killed in it, whose connections break. */
  readonly kills: boolean;
  run(): Promise<void>;
}

interface Outcome extends Totals {
  readonly what: string;
  /** What pods of the older version have answered: its own faults, which no newer one can mend. */
  readonly olderFailures: readonly string[];
  readonly atS: number;
  readonly kills: boolean;
  readonly tookS: number;
  readonly p99Ms: number;
}

const wait = (durationMs: number) => new Promise((resolve) => setTimeout(resolve, durationMs));

/** Right answers, late. */
async function startSlowReranker() {
  const server = await startRerankServer();
  server.behave((_request, response) => {
    const { documents = [] } = server.requests.at(-1) ?? {};
    const results = documents.map((_, index) => ({ index, relevance_score: 1 / (index + 1) }));
    setTimeout(() => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ id: "1", results, meta: {} }));
    }, RERANK_MS);
  });
  return server;
}

function actsOf(cluster: KennelDeployment, rerankUrl: string, timeline: Timeline, formats: Formats): readonly Act[] {
  const tell = (what: string) => {
    timeline.tell(what);
    console.log(what);
  };
  const release = (one: scenarios.Release) => () => scenarios.release(cluster, one, rerankUrl);
  const load: Omit<LoadOptions, "clients" | "isReranked" | "pauseMs"> = {
    endpoints: cluster.endpoints,
    key: cluster.key,
    nameOf: (address) => cluster.nameOf(address),
    onQuery: (query) => timeline.ended(query),
  };
  const askMore = async (signal: AbortSignal) => {
    const more = new ServiceLoad({ ...load, clients: MORE_CLIENTS, isReranked: true, pauseMs: RERANK_MS });
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    await more.end();
  };
  const updated = { logLevel: "warn" };
  const older = { tag: OLDER_TAG };
  const backAndForth: readonly Act[] = [
    { what: "back to the older version", kills: false, run: () => scenarios.changeVersion(cluster, release(older), "back", tell) },
    { what: "forward again", kills: false, run: () => scenarios.changeVersion(cluster, release({}), "again", tell) },
  ];
  return [
    { what: "upgrade from the older version", kills: false, run: () => scenarios.changeVersion(cluster, release({}), "forward", tell) },
    ...(formats.isSharedKept ? backAndForth : []),
    {
      what: "the embedded StatefulSet upgraded beside it",
      kills: false,
      run: async () => tell(await upgradeEmbedded(cluster, formats)),
    },
    { what: "rolling update", kills: false, run: () => scenarios.rollingUpdate(cluster, release(updated), tell) },
    { what: "a pod deleted", kills: false, run: () => scenarios.deletePod(cluster, tell) },
    { what: "a pod's process killed (`kill -9`)", kills: true, run: () => scenarios.killProcess(cluster, tell) },
    {
      what: "a machine drained",
      kills: false,
      run: async () => {
        const refusal = await scenarios.drainMachine(cluster, tell);
        if (refusal !== 429) throw new Error(`The second eviction was answered ${refusal}, not 429`);
      },
    },
    { what: "a machine lost", kills: true, run: () => scenarios.loseMachine(cluster, tell) },
    {
      what: "scaled 2, 6, 2 by requests in flight",
      kills: false,
      run: () => scenarios.scale(cluster, release({ ...updated, requestsInFlight: FEW_IN_FLIGHT }), release(updated), askMore, tell),
    },
    {
      what: "a release that never gets ready",
      kills: false,
      run: () => scenarios.brokenRelease(cluster, release({}), release({ tag: "broken" }), tell),
    },
  ];
}

async function perform(acts: readonly Act[], timeline: Timeline): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { what, kills, run } of acts) {
    const before = timeline.totals;
    const firstSecond = timeline.seconds.length;
    const startedMs = performance.now();
    await run();
    await wait(QUIET_MS);
    const after = timeline.totals;
    const failures = after.failures.slice(before.failures.length);
    const isOlder = (failure: string) => failure.startsWith(OLDER_IMAGE);
    outcomes.push({
      what,
      atS: firstSecond,
      kills,
      tookS: Math.round((performance.now() - startedMs) / SECOND_MS),
      queries: after.queries - before.queries,
      failures: failures.filter((failure) => !isOlder(failure)),
      olderFailures: failures.filter(isOlder),
      refused: after.refused - before.refused,
      broken: after.broken - before.broken,
      p99Ms: quantile(
        timeline.seconds.slice(firstSecond).flatMap(({ tookMs }) => tookMs),
        0.99,
      ),
    });
    console.log(outcomes.at(-1));
  }
  return outcomes;
}

function report(timeline: Timeline, outcomes: readonly Outcome[], older: OlderVersion, formats: Formats): string {
  const { seconds, happenings } = timeline;
  const total = (read: (outcome: Outcome) => number) => outcomes.reduce((sum, outcome) => sum + read(outcome), 0);
  const marks = outcomes.map(({ atS }, place) => ({ at: atS, label: String(place + 1) }));
  const rows = outcomes.map(
    ({ what, tookS, queries, failures, olderFailures, refused, broken, p99Ms }, place) =>
      `| ${place + 1} | ${what} | ${tookS} s | ${queries.toLocaleString("en")} | ${failures.length} | ${olderFailures.length} | ${refused} | ${broken} | ${p99Ms.toFixed(0)} ms |`,
  );
  const failures = [...new Set(outcomes.flatMap((outcome) => [...outcome.failures, ...outcome.olderFailures]))];
  writeFileSync(
    join(ROOT, "bench/plots/rollout_pods.svg"),
    linePlot(
      "Pods that the Service leads to, second by second",
      "pods; failed queries",
      [
        { name: "pods", values: seconds.map(({ pods }) => pods) },
        { name: "failed", values: seconds.map(({ failed }) => failed) },
      ],
      marks,
    ),
  );
  writeFileSync(
    join(ROOT, "bench/plots/rollout_queries.svg"),
    linePlot(
      "Queries, second by second",
      "p99 in ms; queries a second",
      [
        { name: "p99", values: seconds.map(({ tookMs }) => (tookMs.length === 0 ? 0 : quantile(tookMs, 0.99))) },
        { name: "queries a second", values: seconds.map(({ tookMs }) => tookMs.length) },
        { name: "failed", values: seconds.map(({ failed }) => failed) },
      ],
      marks,
    ),
  );
  return `# Rolled out by Kubernetes

Written by \`npm run rollout\`: a real API server, controllers and scheduler (1.36) give the pods of the chart's production overlay to three machines, which
are process kubelets (\`test/support/kubernetes/\`); pods are real nodes on three NATS servers, FerretDB and Milvus Lite, all on one machine. ${CLIENTS} clients with
a key ask through the Service, one question each ${PAUSE_MS} ms; half of them keep their connection, half open one for each question. A connection that is refused, or
breaks before an answer, is tried once more with another pod; what has no answer with its hits within 10 s has failed. An answer's connection breaks where its
process was killed; it must not anywhere else.

Of the overlay these times are shortened: \`progressDeadlineSeconds\` (20 s), the autoscaler's windows (4 s up, 10 s down, a step every 8 s); of Kubernetes a
node's silence (12 s) and the tolerations (2 s). In the autoscaler's act ${MORE_CLIENTS} more clients ask for answers that wait ${RERANK_MS} ms for a reranker, its target is
${FEW_IN_FLIGHT} requests a pod (the chart's is 8), and it reads \`kennel_http_requests_in_flight\` from the pods' own /metrics.
The older version, which has filled the stores and serves first, is \`${older.ref}\`${older.commit.startsWith(older.ref) ? "" : ` (\`${older.commit}\`)`} with the packages of its own lock file. While pods
of both versions are ready the update stands still: each pod is asked for collections that it holds and that it does not, over HTTP and NATS, and takes a
document that all others must find.${formats.isSharedKept ? "" : " There is no act back: its format of the document store is another one."}

One run says little about a busy machine. All parts share its processors, and in the autoscaler's act four nodes start while two answer: on a quiet
machine it failed none, in runs on processors that had much else to do some of its queries had no answer within their 10 s.

${total(({ queries }) => queries).toLocaleString("en")} queries, ${total((outcome) => outcome.failures.length)} failed, and ${total((outcome) => outcome.olderFailures.length)} by a fault of the older version's own.

| | act | took | queries | failed | failed in the older version | refused, tried again | broken, tried again | p99 |
|---|---|---|---|---|---|---|---|---|
${rows.join("\n")}
${failures.length === 0 ? "" : `\nWhat failed:\n\n${failures.map((failure) => `- ${failure}`).join("\n")}\n`}
![Pods over time](plots/rollout_pods.svg)

![Rate and p99 over time](plots/rollout_queries.svg)

| second | what | pods then |
|---|---|---|
${happenings.map(({ atS, what }) => `| ${atS} | ${what} | ${seconds[atS]?.pods ?? 0} |`).join("\n")}
`;
}

async function main(args: readonly string[], signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { from: { type: "string" }, help: { type: "boolean", default: false } } });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const older = await checkOutOlder(values.from ?? null, signal);
  try {
    return await rollOut(older, signal);
  } finally {
    await older.remove();
  }
}

async function rollOut(older: OlderVersion, signal: AbortSignal): Promise<number> {
  const formats = await formatsOf(older.folder);
  Object.assign(process.env, await provideServices(signal, [FERRETDB, KUBERNETES_SERVER, KUBERNETES_TOOLS, MILVUS_LITE, NATS]));
  const reranker = await startSlowReranker();
  const cluster = await KennelDeployment.start(older.folder);
  let load: ServiceLoad | null = null;
  let watching: ReturnType<typeof setInterval> | undefined;
  try {
    cluster.images.set(OLDER_IMAGE, imageOf(older.folder));
    await scenarios.release(cluster, { tag: OLDER_TAG }, reranker.url);
    await unlessAborted(cluster.untilSettled(scenarios.PODS), signal);
    const timeline = new Timeline();
    watching = setInterval(() => timeline.sees(cluster.endpoints.addresses.length), SECOND_MS);
    const { endpoints, key } = cluster;
    const onQuery: LoadOptions["onQuery"] = (query) => timeline.ended(query);
    const nameOf = (address: string) => cluster.nameOf(address);
    load = new ServiceLoad({ endpoints, key, nameOf, clients: CLIENTS, pauseMs: PAUSE_MS, isReranked: false, onQuery });
    const outcomes = await unlessAborted(perform(actsOf(cluster, reranker.url, timeline, formats), timeline), signal);
    const text = report(timeline, outcomes, older, formats);
    writeFileSync(join(ROOT, "bench/KUBERNETES.md"), text);
    console.log(text);
    return outcomes.every(({ failures, broken, kills }) => failures.length === 0 && (kills || broken === 0)) ? 0 : 1;
  } finally {
    clearInterval(watching);
    await load?.end();
    await cluster.stop();
    await reranker.stop();
  }
}

process.exit(
  await main(process.argv.slice(2), untilInterrupted()).catch((error: Error) => {
    console.error(error.message);
    return 1;
  }),
);
