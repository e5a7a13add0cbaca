import { measureHop } from "./cluster_hop.ts";
import { measureHot } from "./cluster_hot.ts";
import { measureThroughput } from "./cluster_throughput.ts";
import type { BenchContext, Benchmark, Report } from "./harness/benchmark.ts";
import { ClusterRig } from "./harness/cluster_rig.ts";
import { type BenchDocument, loadQueries, nplDocuments } from "./harness/corpus.ts";

/** Real nodes on a cluster of three NATS servers and stores that they share: what a hop, a node more and a hot collection do. */
export const clusterBenchmark: Benchmark = {
  name: "cluster",
  title: "Nodes that are one cluster: a hop, 1 to 8 nodes, and one collection that takes nine tenths of the load",
  run,
};

const STORE_LATENCY_MS = 20;
/** FerretDB is read whole, so that few documents do: what is measured is the way to a collection, not the search in it. */
const DOCUMENTS = 200;
const DOCUMENTS_RESIDENT = 60;
const DOCUMENTS_EACH = 8;
const QUERIES = 2_000;
const RESIDENT = "resident";
/** Divides by 8 nodes: one more, and some node would hold four where each could hold three. */
const SPREAD = Array.from({ length: 24 }, (_, at) => `spread-${at + 1}`);
const [HOT, ...OTHERS] = SPREAD.slice(0, 10) as [string, ...string[]];

async function run(context: BenchContext): Promise<Report> {
  context.progress("starting NATS, FerretDB and Milvus Lite");
  const documents = await nplDocuments(DOCUMENTS);
  const queries = loadQueries(documents, QUERIES);
  const rig = await ClusterRig.start(context, STORE_LATENCY_MS);
  try {
    await fill(rig, documents, context);
    const parts = [
      await measureHop(rig, RESIDENT, queries, context),
      await measureThroughput(rig, SPREAD, queries, STORE_LATENCY_MS, context),
      await measureHot(rig, HOT, OTHERS, queries, STORE_LATENCY_MS, context),
    ];
    return {
      figures: parts.flatMap(({ figures }) => figures),
      notes: parts.flatMap(({ notes }) => notes ?? []),
      details: parts.map(({ details }) => details),
      plots: Object.fromEntries(parts.flatMap(({ plots }) => Object.entries(plots ?? {}))),
    };
  } finally {
    await rig.stop();
  }
}

/** One node fills all collections: FerretDB takes writes of one at a time. */
async function fill(rig: ClusterRig, documents: readonly BenchDocument[], { progress }: BenchContext): Promise<void> {
  const node = await rig.startNode("filler", { KENNEL_NATS_URL: "" });
  try {
    await node.call("PUT", `/v1/collections/${RESIDENT}`, { resident: "always" });
    await node.ingest(RESIDENT, documents.slice(0, DOCUMENTS_RESIDENT));
    for (const [place, name] of SPREAD.entries()) {
      progress(`filling collection ${place + 1} of ${SPREAD.length}`);
      await node.call("PUT", `/v1/collections/${name}`, { resident: "never" });
      await node.ingest(name, documents.slice(place * DOCUMENTS_EACH, (place + 1) * DOCUMENTS_EACH));
    }
  } finally {
    await node.stop();
  }
}
