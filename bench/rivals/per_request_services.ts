import { Buffer } from "node:buffer";
import { MilvusClient } from "@zilliz/milvus2-sdk-node";
import { MongoClient } from "mongodb";
import { loadStaticModel } from "../../actors/embedding/static/static_model.ts";
import { systemClock } from "../../runtime/clock.ts";
import { startHttpListener } from "../../runtime/http_listener.ts";
import { serveCommands } from "../harness/side_process.ts";

/**
 * What Kennel replaces: a service that makes its clients for each request, on the same listener. It embeds a query with the
 * same model, which it keeps, finds the ten nearest passages in Milvus, reads their texts from MongoDB, and closes what it
 * has opened. No checks, limits, metrics, logs or deadlines.
 */
export interface PerRequestServicesCommand {
  /** `host:port` */
  readonly milvus: string;
  /** As Milvus calls it. */
  readonly collection: string;
  /** With its database. */
  readonly mongodb: string;
  /** What stands before a passage's id in the `_id`s of `parents`. */
  readonly parentsPrefix: string;
  /** `load`: new clients and loadCollection; `connect`: new clients; `keep`: the same clients for all requests. */
  readonly each: "load" | "connect" | "keep";
}

interface Clients {
  readonly milvus: MilvusClient;
  readonly mongodb: MongoClient;
}

interface Hit {
  readonly id: string;
  readonly document_id: string;
  /** Of the passage in MongoDB. */
  readonly parent_id: string;
  readonly title: string;
  readonly url: string;
  readonly score: number;
}

const FIELDS = ["id", "document_id", "parent_id", "title", "url"];
const HITS = 10;
/** As Kennel's own: what the graph weighs, and Bounded, which does not wait for the server's clock. */
const EF = 128;
const BOUNDED = 2;

function open({ milvus: address, mongodb }: PerRequestServicesCommand): Clients {
  const milvus = new MilvusClient({ address, telemetry: { enabled: false }, logLevel: "error" });
  milvus.connectPromise.catch(ignore); // whoever awaits it gets the error, and without this the process ends
  return { milvus, mongodb: new MongoClient(mongodb) };
}

async function close({ milvus, mongodb }: Clients): Promise<void> {
  await Promise.all([milvus.closeConnection(), mongodb.close()]);
}

async function answer(command: PerRequestServicesCommand, kept: Clients, vector: readonly number[]): Promise<string> {
  if (command.each === "keep") return retrieve(command, kept, vector);
  const clients = open(command);
  try {
    await clients.milvus.connectPromise;
    if (command.each === "load") await clients.milvus.loadCollection({ collection_name: command.collection });
    return await retrieve(command, clients, vector);
  } finally {
    await close(clients);
  }
}

async function retrieve(
  { collection, parentsPrefix }: PerRequestServicesCommand,
  { milvus, mongodb }: Clients,
  vector: readonly number[],
): Promise<string> {
  const { status, results } = await milvus.search({
    collection_name: collection,
    anns_field: "vector",
    data: [...vector],
    metric_type: "IP",
    params: { ef: EF },
    limit: HITS,
    output_fields: FIELDS,
    consistency_level: BOUNDED as never,
  });
  if (status.error_code !== "Success") throw new Error(`Milvus does not search: ${status.reason}`);
  const hits = results as unknown as readonly Hit[];
  const parents = mongodb.db().collection<{ readonly _id: string; readonly id: string; readonly text: string }>("parents");
  const found = await parents.find({ _id: { $in: hits.map(({ parent_id }) => parentsPrefix + parent_id) } }).toArray();
  const texts = new Map(found.map(({ id, text }) => [id, text]));
  return JSON.stringify({ object: "list", data: hits.map((hit) => ({ ...hit, text: texts.get(hit.parent_id) })) });
}

function ignore(): void {}

const MAX_BODY_BYTES = 1_048_576;

if (import.meta.main) {
  const model = await loadStaticModel();
  let state: { readonly command: PerRequestServicesCommand; readonly kept: Clients } | null = null;
  const listener = await startHttpListener(
    {
      host: "127.0.0.1",
      port: 0,
      maxConnections: 1_024,
      maxHeaderBytes: 16_384,
      headersTimeoutMs: 60_000,
      requestTimeoutMs: 60_000,
      keepAliveTimeoutMs: 60_000,
    },
    async (request) => {
      try {
        if (state === null) throw new Error("nothing to search yet");
        const sent = await request.read(MAX_BODY_BYTES, () => new Error("the body is too large"));
        const { query } = JSON.parse(Buffer.from(sent).toString()) as { readonly query: string };
        const vector = model.embedSync(query);
        if (vector === null) throw new Error("the model knows no word of the query");
        const body = await answer(state.command, state.kept, [...vector]);
        return { status: 200, headers: { "content-type": "application/json" }, body };
      } catch (thrown) {
        return { status: 500, headers: {}, body: String(thrown) };
      }
    },
    systemClock(),
  );
  await serveCommands<PerRequestServicesCommand>(async (command) => {
    state = { command, kept: open(command) };
    return listener.port;
  });
}
