import { MilvusClient } from "@zilliz/milvus2-sdk-node";
import { loadStaticModel } from "../../actors/embedding/static/static_model.ts";
import { serveCommands } from "../harness/side_process.ts";
import { quantile } from "../harness/statistics.ts";
import type { BareResult } from "./bare_store.ts";

/**
 * The bare call of Milvus' client that a vector search is made of, in a process of its own: the ten nearest with all that
 * an answer shows of them, vectors made before the clock runs. What Kennel costs is what it takes beyond this.
 */
export type BareMilvusCommand =
  | {
      readonly kind: "open";
      /** `host:port` */
      readonly address: string;
      /** As Milvus calls it. */
      readonly collection: string;
      readonly queries: readonly string[];
      /** A client with so many channels for each of them: a channel has one call in flight. */
      readonly poolSizes: readonly number[];
    }
  | { readonly kind: "run"; readonly poolSize: number; readonly inFlight: number; readonly durationMs: number };

interface Bare {
  readonly collection: string;
  readonly vectors: readonly (readonly number[])[];
  readonly clients: ReadonlyMap<number, MilvusClient>;
}

const FIELDS = ["id", "document_id", "parent_id", "title", "url", "text", "$meta"];
const HITS = 10;
/** As Kennel's own: what the graph weighs, and Bounded, which does not wait for the server's clock. */
const EF = 128;
const BOUNDED = 2;

async function open(command: Extract<BareMilvusCommand, { kind: "open" }>): Promise<Bare> {
  const { address, collection, queries, poolSizes } = command;
  const model = await loadStaticModel();
  const vectors = queries.flatMap((query) => {
    const vector = model.embedSync(query);
    return vector === null ? [] : [[...vector]];
  });
  const clients = new Map<number, MilvusClient>();
  for (const size of poolSizes) {
    const client = new MilvusClient({ address, telemetry: { enabled: false }, logLevel: "error", pool: { min: 1, max: size } });
    await client.connectPromise;
    clients.set(size, client);
  }
  return { collection, vectors, clients };
}

async function search(client: MilvusClient, collection: string, vector: readonly number[]): Promise<readonly unknown[]> {
  const { status, results } = await client.search({
    collection_name: collection,
    anns_field: "vector",
    data: vector as number[],
    metric_type: "IP",
    params: { ef: EF },
    limit: HITS,
    output_fields: FIELDS,
    consistency_level: BOUNDED as never,
  });
  if (status.error_code !== "Success") throw new Error(`Milvus does not search: ${status.reason}`);
  return results as unknown as readonly unknown[];
}

async function run({ collection, vectors, clients }: Bare, command: Extract<BareMilvusCommand, { kind: "run" }>): Promise<BareResult> {
  const client = clients.get(command.poolSize);
  if (client === undefined) throw new Error(`There is no client with ${command.poolSize} channels`);
  const latencies: number[] = [];
  let next = 0;
  let sample: readonly unknown[] = [];
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: command.inFlight }, async () => {
      while (performance.now() - startMs < command.durationMs) {
        next += 1;
        const askedMs = performance.now();
        sample = await search(client, collection, vectors[next % vectors.length] as readonly number[]);
        latencies.push(performance.now() - askedMs);
      }
    }),
  );
  const perSecond = (latencies.length * 1_000) / (performance.now() - startMs);
  const [p50Ms, p99Ms] = [quantile(latencies, 0.5), quantile(latencies, 0.99)];
  return { requests: latencies.length, perSecond, p50Ms, p99Ms, sample: JSON.stringify(sample) };
}

if (import.meta.main) {
  let bare: Bare | null = null;
  await serveCommands<BareMilvusCommand>(async (command) => {
    if (command.kind === "open") {
      bare = await open(command);
      return null;
    }
    if (bare === null) throw new Error("The collection has to be opened first");
    return run(bare, command);
  });
}
