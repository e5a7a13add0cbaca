import * as assert from "uvu/assert";
import { type KennelProcess, startKennel } from "../../support/kennel_process.ts";
import { startServer as startMilvusServer } from "../milvus/stores.ts";
import { newDatabase, startServer as startFerretServer } from "../mongodb/server.ts";
import { startServers as startNatsServers, until } from "../nats/nats_rig.ts";

const DEADLINE_MS = 2_000;
/** After it a client takes a server that says nothing for gone, and asks another. */
const PATIENCE_MS = 700;

/** The servers that the nodes of a cluster share. */
export interface SharedServers {
  readonly env: Readonly<Record<string, string>>;
  readonly nats: Awaited<ReturnType<typeof startNatsServers>>["servers"];
  stop(): Promise<void>;
}

export async function startSharedServers(): Promise<SharedServers> {
  const nats = await startNatsServers();
  const ferret = await startFerretServer();
  const milvus = await startMilvusServer("milvus_lite");
  return {
    nats: nats.servers,
    env: {
      KENNEL_NATS_URL: nats.servers.map(({ url }) => url).join(","),
      KENNEL_MILVUS_URL: `http://${milvus.address}`,
      KENNEL_MONGODB_URL: newDatabase(ferret),
      KENNEL_LOAD_DOCUMENTATION: "false",
    },
    async stop() {
      await milvus.stop();
      await ferret.stop();
      await nats.stop();
    },
  };
}

export interface ClusterNodeStatus {
  readonly node: string;
  readonly state: string;
  readonly collections: number;
}

export interface ClusterStatus {
  readonly connection: string;
  readonly leader: string | null;
  readonly nodes: readonly ClusterNodeStatus[];
  readonly collections: readonly { readonly collection: string; readonly nodes: readonly string[]; readonly owners: readonly string[] }[];
  readonly queries: { readonly queries: number; readonly forwarded: number; readonly sends: Readonly<Record<string, number>> };
}

/** Real processes that are one cluster, by their names. */
export class Nodes {
  readonly #env: Readonly<Record<string, string>>;
  readonly #nodes = new Map<string, KennelProcess>();
  readonly #tree: string | undefined;

  /** @param tree the sources, with their packages, that they are started from. @default these */
  constructor(env: Readonly<Record<string, string>>, tree?: string) {
    this.#env = env;
    this.#tree = tree;
  }

  get names(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  of(name: string): KennelProcess {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`Node ${name} does not run`);
    return node;
  }

  async start(name: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#nodes.set(name, await startKennel({ ...this.#env, KENNEL_NODE_NAME: name, ...env }, this.#tree));
  }

  /** As `kill -9`. */
  async kill(name: string): Promise<void> {
    const node = this.of(name);
    this.#nodes.delete(name);
    node.signal("SIGKILL");
    await node.stop();
  }

  /** As an orchestrator does: SIGTERM, and clients are told of it. */
  async drain(name: string): Promise<void> {
    const node = this.of(name);
    this.#nodes.delete(name);
    await node.stop();
  }

  async stopAll(): Promise<void> {
    await Promise.all(
      this.names.map((name) => {
        this.of(name).signal("SIGCONT");
        return this.drain(name);
      }),
    );
  }

  async call<Answer>(
    name: string,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly body: Answer }> {
    const answer = await fetch(`${this.of(name).url}${path}`, {
      method,
      headers: { "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    return { status: answer.status, body: (await answer.json()) as Answer };
  }

  async cluster(name: string): Promise<ClusterStatus> {
    return (await this.call<{ readonly cluster: ClusterStatus }>(name, "GET", "/v1/status")).body.cluster;
  }
}

export interface LoadReport {
  readonly queries: number;
  /** What the clients saw that got no answer within their deadline, in their words. */
  readonly failures: readonly string[];
  readonly slowestMs: number;
}

/** Clients that ask one question after another, each of any node, and another one where that one is gone, says nothing or refuses. */
export class Load {
  readonly #nodes: Nodes;
  readonly #collection: string;
  readonly #note: (tookMs: number, failure: string | null) => void;
  readonly #failures: string[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[];
  #queries = 0;
  #slowestMs = 0;

  /** @param note told of each query that has ended */
  constructor(nodes: Nodes, collection: string, clients: number, note: (tookMs: number, failure: string | null) => void) {
    this.#note = note;
    this.#nodes = nodes;
    this.#collection = collection;
    this.#running = Array.from({ length: clients }, () => this.#run());
  }

  get queries(): number {
    return this.#queries;
  }

  async end(): Promise<LoadReport> {
    this.#stop.abort();
    await Promise.all(this.#running);
    return { queries: this.#queries, failures: this.#failures, slowestMs: Math.round(this.#slowestMs) };
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const startedMs = performance.now();
      const failure = await this.#ask(startedMs + DEADLINE_MS);
      if (failure !== null) this.#failures.push(failure);
      const tookMs = performance.now() - startedMs;
      this.#slowestMs = Math.max(this.#slowestMs, tookMs);
      this.#note(tookMs, failure);
    }
  }

  /** @returns why there was no answer; null: there was one */
  async #ask(deadlineMs: number): Promise<string | null> {
    const query = `birds and number ${++this.#queries}`;
    const tried: string[] = [];
    let avoided = "";
    for (let leftMs = DEADLINE_MS; leftMs > 0; leftMs = deadlineMs - performance.now()) {
      const others = this.#nodes.names.filter((name) => name !== avoided);
      const name = others[Math.floor(Math.random() * others.length)] ?? avoided;
      avoided = name;
      const outcome = await this.#askNode(name, query, leftMs);
      if (outcome === null) return null;
      tried.push(`${name}: ${outcome}`);
    }
    return tried.join("; ");
  }

  async #askNode(name: string, query: string, leftMs: number): Promise<string | null> {
    try {
      const answer = await fetch(`${this.#nodes.of(name).url}/v1/collections/${this.#collection}/search`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-request-timeout-ms": String(Math.ceil(leftMs)) },
        body: JSON.stringify({ query, top_k: 3 }),
        signal: AbortSignal.timeout(Math.ceil(Math.min(PATIENCE_MS, leftMs))),
      });
      const body = (await answer.json()) as { readonly data?: readonly unknown[]; readonly error?: { readonly code: string } };
      if (answer.status !== 200) return `${answer.status} ${body.error?.code}`;
      return body.data?.length === 3 ? null : `${body.data?.length} hits`;
    } catch (thrown) {
      return String((thrown as { readonly cause?: { readonly code?: string } }).cause?.code ?? thrown);
    }
  }
}

/** Runs `what` under a load, and until its clients have asked a good deal since; fails if any query had no answer. */
export async function answeredWhile(load: Load, what: () => Promise<void>): Promise<void> {
  try {
    await until("the clients ask", () => load.queries >= 30);
    await what();
    const soFar = load.queries;
    await until("the clients go on asking", () => load.queries >= soFar + 100);
  } finally {
    await load.end();
  }
  const { queries, failures, slowestMs } = await load.end();
  console.log(`${queries} queries, ${failures.length} failed, slowest ${slowestMs} ms`);
  assert.equal(failures, []);
}
