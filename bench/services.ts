import type { BenchContext, Benchmark, Report } from "./harness/benchmark.ts";
import { startRealServers } from "./harness/real_servers.ts";
import { measureClients } from "./services_clients.ts";
import { measureSearch } from "./services_search.ts";

/**
 * Kennel on a real Milvus and a server of MongoDB's protocol: beside a service that makes its clients for each request, and
 * beside the bare calls of Milvus' client.
 */
export const servicesBenchmark: Benchmark = {
  name: "services",
  title: "Kennel on Milvus and MongoDB's protocol beside clients made for each request, and beside bare calls",
  run,
};

async function run(context: BenchContext): Promise<Report> {
  context.progress("starting Milvus and FerretDB");
  const servers = await startRealServers(context.workFolder, context.signal);
  try {
    const parts = [await measureClients(servers, context), await measureSearch(servers, context)];
    return {
      figures: parts.flatMap(({ figures }) => figures),
      notes: parts.flatMap(({ notes }) => notes ?? []),
      details: parts.map(({ details }) => details),
      plots: Object.fromEntries(parts.flatMap(({ plots }) => Object.entries(plots ?? {}))),
    };
  } finally {
    await servers.stop();
  }
}
