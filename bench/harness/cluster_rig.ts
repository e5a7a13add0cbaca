import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type FerretServer, startFerretDb } from "../../tooling/servers/ferretdb.ts";
import { startMilvusLite } from "../../tooling/servers/milvus_lite.ts";
import type { MilvusServer } from "../../tooling/servers/milvus_process.ts";
import { type NatsServer, startNatsCluster } from "../../tooling/servers/nats.ts";
import { FERRETDB } from "../../tooling/services/ferretdb.ts";
import { provideServices } from "../../tooling/services/index.ts";
import { MILVUS_LITE } from "../../tooling/services/milvus_lite.ts";
import { NATS } from "../../tooling/services/nats.ts";
import type { BenchContext } from "./benchmark.ts";
import type { DelayCommand } from "./delay_proxy.ts";
import { pause } from "./kennel_client.ts";
import { type KennelServer, startKennelServer } from "./kennel_server.ts";
import { type SideProcess, startSideProcess } from "./side_process.ts";

const SERVICES = [NATS, FERRETDB, MILVUS_LITE] as const;
const SETTLE_LIMIT_MS = 180_000;

/** Whether the environment says where the servers' programs lie, so that nothing would have to be installed. */
export function areClusterServersProvided(): boolean {
  return SERVICES.every(({ variables }) => variables.every((variable) => process.env[variable] !== undefined));
}

/** A part of `GET /v1/status`. */
export interface ClusterView {
  readonly leader: string | null;
  readonly nodes: readonly { readonly node: string; readonly state: string }[];
  readonly collections: readonly { readonly collection: string; readonly nodes: readonly string[]; readonly owners: readonly string[] }[];
  readonly pending_moves: number;
  readonly queries: { readonly queries: number; readonly sends: Readonly<Record<string, number>> };
}

/** Three NATS servers that are one, and the stores that nodes share: Milvus Lite behind a proxy that delays it, FerretDB. */
export class ClusterRig {
  readonly nats: readonly NatsServer[];
  readonly #ferret: FerretServer;
  readonly #milvus: MilvusServer;
  readonly #proxy: SideProcess;
  readonly #proxyPort: number;
  readonly #folder: string;
  readonly #signal: AbortSignal;
  #nodes = 0;

  private constructor(
    nats: readonly NatsServer[],
    ferret: FerretServer,
    milvus: MilvusServer,
    proxy: SideProcess,
    proxyPort: number,
    { workFolder, signal }: BenchContext,
  ) {
    this.nats = nats;
    this.#ferret = ferret;
    this.#milvus = milvus;
    this.#proxy = proxy;
    this.#proxyPort = proxyPort;
    this.#folder = workFolder;
    this.#signal = signal;
  }

  static async start(context: BenchContext, storeLatencyMs: number): Promise<ClusterRig> {
    const programs = await provideServices(context.signal, SERVICES);
    const folders = ["nats", "ferretdb", "milvus"].map((name) => join(context.workFolder, name)) as [string, string, string];
    await Promise.all(folders.map((folder) => mkdir(folder, { recursive: true })));
    const stops: (() => Promise<unknown>)[] = [];
    try {
      const nats = await startNatsCluster(programs.TEST_NATS_SERVER as string, folders[0]);
      stops.push(() => Promise.all(nats.map((server) => server.stop())));
      const ferret = await startFerretDb(programs.TEST_FERRETDB as string, folders[1]);
      stops.push(() => ferret.stop());
      const milvus = await startMilvusLite(programs.TEST_MILVUS_LITE as string, folders[2]);
      stops.push(() => milvus.stop());
      const proxy = startSideProcess(new URL("./delay_proxy.ts", import.meta.url));
      stops.push(() => proxy.stop());
      const command: DelayCommand = { serverPort: Number(milvus.address.split(":").at(-1)), eachWayMs: storeLatencyMs / 2 };
      return new ClusterRig(nats, ferret, milvus, proxy, await proxy.ask<number>(command), context);
    } catch (thrown) {
      await Promise.allSettled(stops.map((stop) => stop()));
      throw thrown;
    }
  }

  /** A node that knows its collections. @param environment `KENNEL_NATS_URL: ""` keeps it out of the cluster */
  async startNode(name: string, environment: Readonly<Record<string, string>> = {}): Promise<KennelServer> {
    this.#nodes += 1;
    const own = {
      KENNEL_NODE_NAME: name,
      KENNEL_NATS_URL: this.nats.map(({ url }) => url).join(","),
      KENNEL_MILVUS_URL: `http://127.0.0.1:${this.#proxyPort}`,
      KENNEL_MONGODB_URL: this.#ferret.url.replace("/?", "/bench?"),
    };
    const node = await startKennelServer(join(this.#folder, `node-${this.#nodes}`), { ...own, ...environment }, this.#signal);
    // It is ready before its stores can be reached.
    for (const limitMs = performance.now() + SETTLE_LIMIT_MS; (await node.statusOf("GET", "/v1/collections")) !== 200; await pause(50)) {
      if (performance.now() < limitMs) continue;
      await node.stop();
      throw new Error(`Node ${name} has not reached its stores`);
    }
    return node;
  }

  async stop(): Promise<void> {
    await this.#proxy.stop();
    await Promise.all([this.#milvus.stop(), this.#ferret.stop(), ...this.nats.map((server) => server.stop())]);
  }
}

/** Asks for each collection until it is answered: what is used is opened where it is to be, once the stores can be reached. */
export async function opened(node: KennelServer, collections: readonly string[]): Promise<void> {
  const limitMs = performance.now() + SETTLE_LIMIT_MS;
  for (const name of collections) {
    while ((await node.statusOf("POST", `/v1/collections/${name}/search`, { query: "open", strategy: "bm25" })) !== 200) {
      if (performance.now() > limitMs) throw new Error(`${name} was not opened`);
      await pause(200);
    }
  }
}

export async function viewOf(node: KennelServer): Promise<ClusterView> {
  return (await node.call<{ readonly cluster: ClusterView }>("GET", "/v1/status")).cluster;
}

/**
 * Waits until the nodes see `size` of them, one leads, and each of the collections is open where it is to be and nowhere
 * else: moves are rationed, so that this takes a while.
 */
export async function settled(nodes: readonly KennelServer[], size: number, collections: readonly string[]): Promise<ClusterView> {
  const limitMs = performance.now() + SETTLE_LIMIT_MS;
  for (;;) {
    const views = await Promise.all(nodes.map(viewOf));
    if (views.every((view) => isSettled(view, size, collections))) return views[0] as ClusterView;
    if (performance.now() > limitMs) throw new Error(`The cluster of ${size} has not settled: ${JSON.stringify(views[0]?.collections)}`);
    await pause(200);
  }
}

function isSettled(view: ClusterView, size: number, collections: readonly string[]): boolean {
  if (view.leader === null || view.pending_moves > 0) return false;
  if (view.nodes.filter(({ state }) => state === "alive").length !== size) return false;
  const places = new Map(view.collections.map((place) => [place.collection, place]));
  return collections.every((name) => {
    const place = places.get(name);
    return place !== undefined && place.nodes.length === place.owners.length && place.owners.every((owner) => place.nodes.includes(owner));
  });
}
