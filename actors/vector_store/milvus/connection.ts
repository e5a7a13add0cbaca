import type { MilvusClient } from "@zilliz/milvus2-sdk-node";
import { unlessAborted } from "../../../runtime/cancellation.ts";
import { kennelError } from "../../../runtime/errors.ts";
import type { PoolStats } from "../../../supervisor/pool.ts";
import { succeeded } from "./failures.ts";

export interface MilvusAddress {
  /** `host:port` */
  readonly address: string;
  readonly isTls: boolean;
  readonly username: string;
  readonly password: string;
}

/**
 * The client's pool grows by itself when calls wait, but shrinks only when it is told to look: at all channels, for those
 * that nobody has used for a minute, down to the least. The channel given back last is lent first, or none would be idle.
 */
const SHRINKING = {
  fifo: false,
  evictionRunIntervalMillis: 15_000,
  numTestsPerEvictionRun: 1_000,
  softIdleTimeoutMillis: 60_000,
  idleTimeoutMillis: Number.MAX_SAFE_INTEGER,
} as const;

export interface ConnectionOptions {
  /** Tried in this order; the first that answers is used. At least one. */
  readonly addresses: readonly MilvusAddress[];
  readonly database: string;
  /** Longest single request to the server. */
  readonly requestTimeoutMs: number;
  readonly pool: {
    readonly min: number;
    /** Requests in flight at once: the client lends each a channel of its own. */
    readonly max: number;
    readonly maxWaiting: number;
    readonly acquireTimeoutMs: number;
  };
}

/** What a server of some version can do beyond dense vectors. */
export interface MilvusCapabilities {
  /** As it says it: `v2.3.5-lite` (the standalone server of the wheel), `milvus_lite-3.2.2`. */
  readonly version: string;
  /** BM25 over a text field. An older server takes the field and aborts when the collection is loaded. */
  readonly hasText: boolean;
  /** INVERTED indexes on scalar fields. */
  readonly hasInverted: boolean;
}

export function readCapabilities(version: string): MilvusCapabilities {
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(version)?.slice(1) ?? []).map(Number);
  const isLite = version.startsWith("milvus_lite");
  const isAtLeast = (wantedMajor: number, wantedMinor: number) => major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
  return { version, hasText: isLite ? major >= 3 : isAtLeast(2, 5), hasInverted: !isLite && isAtLeast(2, 4) };
}

/** One client with its channels. A client whose first connection failed never recovers, so that none of those gets out. */
export class MilvusConnection {
  readonly client: MilvusClient;
  readonly capabilities: MilvusCapabilities;
  /** Where it is connected to, for the status. */
  readonly address: string;
  readonly #max: number;

  private constructor(client: MilvusClient, capabilities: MilvusCapabilities, address: string, max: number) {
    this.client = client;
    this.capabilities = capabilities;
    this.address = address;
    this.#max = max;
  }

  /** Connects to the first address that answers. Rejects with `unavailable` when none does. */
  static async open(options: ConnectionOptions, signal: AbortSignal): Promise<MilvusConnection> {
    const failures: unknown[] = [];
    for (const address of options.addresses) {
      const client = await createClient(address, options);
      try {
        await unlessAborted(client.connectPromise, signal);
        const { version } = succeeded(await unlessAborted(client.getVersion(), signal));
        return new MilvusConnection(client, readCapabilities(version), address.address, options.pool.max);
      } catch (thrown) {
        failures.push(thrown);
        closeQuietly(client);
        if (signal.aborted) throw thrown;
      }
    }
    throw kennelError("unavailable", { message: "Cannot open the vector store: Milvus can't be reached", cause: failures.at(-1) });
  }

  get pool(): PoolStats {
    const { size, available, borrowed, pending } = this.client.channelPool;
    return { size, idle: available, inUse: borrowed, waiting: pending, limit: this.#max, max: this.#max };
  }

  close(): void {
    closeQuietly(this.client);
  }
}

/**
 * The SDK pings idle connections every 10 s. Milvus Lite, as any server with gRPC's own defaults, takes that for an attack and
 * hangs up, which Deno's HTTP/2 does not always survive. While calls run it still pings, so that a dead connection is found.
 */
const NO_IDLE_PINGS = { "grpc.keepalive_permit_without_calls": 0 } as const;

async function createClient({ address, isTls, username, password }: MilvusAddress, options: ConnectionOptions): Promise<MilvusClient> {
  const { MilvusClient: Client } = await import("@zilliz/milvus2-sdk-node"); // large: only nodes with a Milvus load it
  const { min, max, maxWaiting, acquireTimeoutMs } = options.pool;
  const client = new Client({
    address,
    ssl: isTls,
    username,
    password,
    database: options.database,
    timeout: options.requestTimeoutMs,
    maxRetries: 0, // each would have the whole time again; who calls has the deadline
    logLevel: "error",
    telemetry: { enabled: false },
    channelOptions: NO_IDLE_PINGS,
    pool: { min, max, maxWaitingClients: maxWaiting, acquireTimeoutMillis: acquireTimeoutMs, ...SHRINKING },
  });
  client.connectPromise.catch(ignore); // it begins at once, and a rejection that nobody awaits yet would end the process
  return client;
}

/** It waits for requests in flight, which end by their own time limit. */
function closeQuietly(client: MilvusClient): void {
  Promise.resolve(client.closeConnection()).catch(ignore);
}

function ignore(): void {}
