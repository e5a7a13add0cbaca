import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadAnalyzer } from "../../../actors/retriever/index/resident/analyzer.ts";
import { Adoptions } from "../../../actors/vector_store/adoption.ts";
import { openLanceDb } from "../../../actors/vector_store/lancedb.ts";
import { LexicalReplica } from "../../../actors/vector_store/lexical_replica.ts";
import { type MilvusOptions, type MilvusStore, openMilvus } from "../../../actors/vector_store/milvus.ts";
import { ReplicaLevels } from "../../../actors/vector_store/replica_levels.ts";
import { systemClock } from "../../../runtime/clock.ts";
import { startMilvus } from "../../../tooling/servers/milvus.ts";
import { startMilvusLite } from "../../../tooling/servers/milvus_lite.ts";
import type { MilvusServer } from "../../../tooling/servers/milvus_process.ts";
import type { ContractOptions, Store } from "../../actors/vector_store/vector_store_contract.ts";
import { milvusLitePath, milvusPythonPath } from "../../support/services.ts";

/** Where Milvus is not as the port says, and why. What it does instead is tested in own_tests.ts or beside the contract. */
export const DEVIATIONS = {
  milvus: [
    {
      reason: "Milvus reads no past state: each page of a scan is of its own moment",
      tests: ["A scan shows one moment, whatever is written meanwhile"],
    },
  ],
  milvusLite: [
    {
      reason: "As Milvus; each page of a scan is of its own moment",
      tests: ["A scan shows one moment, whatever is written meanwhile"],
    },
    {
      reason: "The graph of Milvus Lite does not reach all of many equal vectors; compared one by one, all are found",
      tests: ["Searches go on and stay right while an index is optimized"],
    },
  ],
} as const satisfies Record<string, ContractOptions["skip"]>;

const never = new AbortController().signal;

/** A server on a new folder, which goes with it. */
export async function startServer(kind: "milvus" | "milvus_lite"): Promise<MilvusServer> {
  const folder = await mkdtemp(join(tmpdir(), `kennel-${kind}-`));
  const server = kind === "milvus" ? await startMilvus(milvusPythonPath(), folder) : await startMilvusLite(milvusLitePath(), folder);
  return {
    ...server,
    stop: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function connectTo(address: string, options: Partial<MilvusOptions> = {}): Promise<MilvusStore> {
  return openMilvus(
    {
      addresses: [{ address, isTls: false, username: "", password: "" }],
      database: "default",
      requestTimeoutMs: 5_000,
      pool: { min: 1, max: 8, maxWaiting: 1_000, acquireTimeoutMs: 5_000 },
      indexType: "HNSW",
      m: 16,
      efConstruction: 200,
      efSearch: 128,
      loadWords: async (language) => {
        const analyzer = await loadAnalyzer(language);
        return (text) => [...analyzer.analyze(text).counts].flatMap(([term, count]) => new Array<string>(count).fill(term));
      },
      adoptions: new Adoptions(),
      clock: systemClock(),
      ...options,
    },
    never,
  );
}

/** The store as a node has it where the server ranks no texts: LanceDB beside it. `remove` takes LanceDB's folder away. */
export async function withReplica(store: MilvusStore): Promise<{ readonly store: Store; remove(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), "kennel-lexical-"));
  const replica = await openLanceDb({
    directory,
    maxOpenTables: 64,
    minVectorIndexRows: 20_000,
    retentionMs: 60_000,
    clock: systemClock(),
  });
  const levels = new ReplicaLevels(join(directory, "levels"));
  const indexVersionOf = async () => null; // there is no document store beside it
  return {
    store: new LexicalReplica({ store, describe: (index, signal) => store.describe(index, signal), replica, levels, indexVersionOf }),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
