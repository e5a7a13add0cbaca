import { MongoClient } from "mongodb";
import { kennelError } from "../../../runtime/errors.ts";
import type { Capabilities } from "./database.ts";
import { toStoreError } from "./errors.ts";
import type { PoolGauge } from "./pool_gauge.ts";

export interface ClientOptions {
  /** `mongodb://user:password@host:port,host:port/database?options` */
  readonly url: string;
  /** Connections to one server, at most and kept open. */
  readonly maxPoolSize: number;
  readonly minPoolSize: number;
  /** A connection unused for longer is closed, down to `minPoolSize`. */
  readonly maxIdleMs: number;
  /** Time that a call waits for a connection; after it `overloaded`. */
  readonly waitQueueTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** Time that a call waits for a server that can take it; after it `unavailable`. */
  readonly serverSelectionTimeoutMs: number;
  /** Pause between two looks at each server. */
  readonly heartbeatMs: number;
  /** A connection on which nothing comes back for this long is given up. */
  readonly socketTimeoutMs: number;
}

export interface ConnectedClient {
  readonly client: MongoClient;
  readonly databaseName: string;
  readonly capabilities: Capabilities;
}

const DEFAULT_DATABASE = "kennel";

/** Connects, or rejects with `unavailable` and leaves nothing open. */
export async function connectClient(options: ClientOptions, gauge: PoolGauge): Promise<ConnectedClient> {
  const client = createClient(options);
  gauge.follow(client, options.maxPoolSize);
  try {
    await client.connect();
    const { dbName } = client.options;
    const databaseName = dbName === "test" ? DEFAULT_DATABASE : dbName; // the driver's word for none
    const info = await client.db(databaseName).command({ buildInfo: 1 });
    // FerretDB reads a whole collection unless the filter is one `_id`.
    return { client, databaseName, capabilities: { hasIndexedFilters: !("ferretdbVersion" in info) } };
  } catch (thrown) {
    await client.close().catch(() => undefined);
    throw toStoreError(thrown);
  }
}

function createClient(options: ClientOptions): MongoClient {
  try {
    return new MongoClient(options.url, {
      appName: "kennel",
      maxPoolSize: options.maxPoolSize,
      minPoolSize: options.minPoolSize,
      maxIdleTimeMS: options.maxIdleMs,
      waitQueueTimeoutMS: options.waitQueueTimeoutMs,
      connectTimeoutMS: options.connectTimeoutMs,
      serverSelectionTimeoutMS: options.serverSelectionTimeoutMs,
      heartbeatFrequencyMS: options.heartbeatMs,
      socketTimeoutMS: options.socketTimeoutMs,
      // What is acknowledged outlives a change of the primary; what is read was acknowledged by it.
      writeConcern: { w: "majority" },
      readPreference: "primary",
      retryReads: true,
      retryWrites: true,
    });
  } catch (thrown) {
    // The driver's sentence may repeat the address with its password.
    const kind = thrown instanceof Error ? thrown.name : "unknown error";
    throw kennelError("unavailable", { message: `The document store's address cannot be used (${kind})` });
  }
}
