import { openRedis, type RedisBytes, type RedisOptions } from "../redis/redis.ts";
import type { EmbeddingStore } from "./embedding_store.ts";
import { packVector, unpackVector } from "./packed_vector.ts";

export interface RedisEmbeddings extends EmbeddingStore {
  readonly pool: RedisBytes["pool"];
}

/** As `openRedis`. */
export async function openRedisEmbeddings(options: RedisOptions): Promise<RedisEmbeddings> {
  return embeddingsIn(await openRedis(options));
}

/** Embeddings as packed floats. */
export function embeddingsIn(store: RedisBytes): RedisEmbeddings {
  return {
    read: async (keys) => (await store.read(keys)).map((bytes) => (bytes === null ? null : unpackVector(bytes))),
    write: (entries) => store.write(entries.map(({ key, vector }) => ({ key, bytes: packVector(vector) }))),
    probe: () => store.probe(),
    close: () => store.close(),
    get pool() {
      return store.pool;
    },
  };
}
