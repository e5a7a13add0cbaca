// npm run chaos:ingest: 10,000 documents through three real nodes on three NATS servers and shared stores, one node killed every
// 10 s. Writes bench/CHAOS_INGEST.md. Exit code 1 unless each document is stored exactly once in both stores, and none is lost.
// `npm run chaos:ingest -- 2000` sends fewer.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { unlessAborted } from "../runtime/cancellation.ts";
import { Nodes, startSharedServers } from "../test/services/cluster/cluster_rig.ts";
import { ingestShared, type SharedIngestPlan, type SharedIngestReport } from "../test/services/cluster/shared_ingest.ts";
import { ROOT, untilInterrupted } from "./command.ts";
import { FERRETDB } from "./services/ferretdb.ts";
import { provideServices } from "./services/index.ts";
import { MILVUS_LITE } from "./services/milvus_lite.ts";
import { NATS } from "./services/nats.ts";

const NAMES = ["a", "b", "c"];
const DOCUMENTS = 10_000;
const MAX_DOCUMENTS = 100_000;

function planOf(documents: number, tell: (line: string) => void): SharedIngestPlan {
  return {
    documents,
    perJob: 500,
    collections: 4,
    clients: 4,
    isInTurn: true,
    killEveryMs: 10_000,
    maxKills: null,
    limitMs: 300_000,
    tell,
  };
}

function isWhole({ documents, jobs, ended, stored, lost, surplus, rows }: SharedIngestReport): boolean {
  const isStored = stored.indexed === documents && Object.keys(stored).length === 1 && lost === 0 && surplus === 0;
  return isStored && ended.completed === jobs && rows.all === documents && rows.documents === documents;
}

function textOf(report: SharedIngestReport): string {
  const { documents, jobs, kills, repeated, seconds, ended, stored, lost, surplus, rows } = report;
  const listed = (counts: Readonly<Record<string, number>>) => Object.entries(counts).map(([name, count]) => `${count.toLocaleString("en")} ${name}`).join(", "); // biome-ignore format: one thought
  return `# Ingest while nodes are killed

Written by \`npm run chaos:ingest\`: three nodes on three NATS servers, with FerretDB and Milvus Lite as their stores, all on one machine. Four clients
send 500 documents to any node, or to another one where that is gone or refuses, and the next when those are indexed. Every 10 s the node that has run longest gets \`kill -9\` and is
started again on an empty folder.

| | |
|---|---|
| documents sent | ${documents.toLocaleString("en")} in ${jobs} jobs |
| nodes killed | ${kills} |
| requests made again | ${repeated} |
| jobs | ${listed(ended)} |
| documents in the document store | ${listed(stored)} |
| lost | ${lost} |
| twice, or never sent | ${surplus} |
| rows in the vector store, one for each document | ${rows.all.toLocaleString("en")} of ${rows.documents.toLocaleString("en")} documents |
| time | ${seconds} s |

FerretDB reads a whole collection for most of what it is asked, so the time says nothing about MongoDB.
`;
}

async function main(documents: number, signal: AbortSignal): Promise<number> {
  Object.assign(process.env, await provideServices(signal, [FERRETDB, MILVUS_LITE, NATS]));
  const servers = await startSharedServers();
  const nodes = new Nodes(servers.env);
  const startedMs = performance.now();
  const tell = (line: string) => console.log(`${Math.round((performance.now() - startedMs) / 1_000)} s: ${line}`);
  try {
    for (const name of NAMES) await nodes.start(name);
    const report = await unlessAborted(ingestShared(nodes, servers.env.KENNEL_MILVUS_URL as string, planOf(documents, tell)), signal);
    const text = textOf(report);
    if (documents === DOCUMENTS) writeFileSync(join(ROOT, "bench/CHAOS_INGEST.md"), text);
    console.log(text);
    return isWhole(report) ? 0 : 1;
  } finally {
    await nodes.stopAll();
    await servers.stop();
  }
}

/** @throws RangeError */
function documentsOf(text: string | undefined): number {
  const documents = text === undefined ? DOCUMENTS : Number(text);
  if (Number.isSafeInteger(documents) && documents > 0 && documents <= MAX_DOCUMENTS) return documents;
  throw new RangeError(`The number of documents is ${JSON.stringify(text)}; give 1 to ${MAX_DOCUMENTS}`);
}

process.exit(
  await main(documentsOf(process.argv[2]), untilInterrupted()).catch((error: Error) => {
    console.error(error.message);
    return 1;
  }),
);
