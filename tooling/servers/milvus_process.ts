import { DataType, MilvusClient } from "@zilliz/milvus2-sdk-node";
import { type ServerCommand, type ServerProcess, startServerProcess } from "./server_process.ts";

export interface MilvusServer extends ServerProcess {
  /** `127.0.0.1:19530` */
  readonly address: string;
}

const START_LIMIT_MS = 90_000;

/** A health check says yes long before collections are loaded, so that readiness is a search. */
export async function startMilvusProcess(address: string, command: Omit<ServerCommand, "tryOnce" | "startLimitMs">): Promise<MilvusServer> {
  const server = await startServerProcess({ ...command, tryOnce: () => searchOnce(address), startLimitMs: START_LIMIT_MS });
  return { address, ...server };
}

const PROBE = { collection_name: "readiness_probe" } as const;

/**
 * Its channel outlives the client for a while. Without these it goes on pinging, Milvus Lite takes that for an attack and hangs
 * up, and Deno's HTTP/2 ends the whole process now and then when that comes.
 */
const QUIET = { "grpc.keepalive_time_ms": 2_147_483_647, "grpc.keepalive_permit_without_calls": 0 } as const;

async function searchOnce(address: string): Promise<void> {
  const client = new MilvusClient({
    address,
    timeout: 5_000,
    maxRetries: 0,
    telemetry: { enabled: false },
    logLevel: "error",
    pool: { min: 0, max: 1 },
    channelOptions: QUIET,
  });
  try {
    await client.connectPromise;
    const { value } = await client.hasCollection(PROBE);
    if (!value) {
      await client.createCollection({
        ...PROBE,
        fields: [
          { name: "id", data_type: DataType.VarChar, is_primary_key: true, max_length: 8 },
          { name: "vector", data_type: DataType.FloatVector, dim: 2 },
        ],
      });
      await client.createIndex({ ...PROBE, field_name: "vector", index_type: "FLAT", metric_type: "IP" });
    }
    await client.loadCollectionAsync(PROBE); // Milvus Lite loads nothing by itself after a restart
    const { status } = await client.search({ ...PROBE, data: [1, 0], limit: 1, output_fields: ["id"] });
    if (status?.error_code !== "Success") throw new Error(status?.reason ?? "a search gave no status");
  } finally {
    await client.closeConnection();
  }
}
