import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RedisServer, startRedis } from "../../../tooling/servers/redis.ts";
import { redisPath } from "../../support/services.ts";

/** A Redis of its own for one piece of work. */
export async function withRedis(work: (redis: RedisServer) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-redis-"));
  let redis: RedisServer | null = null;
  try {
    redis = await startRedis(redisPath(), folder);
    await work(redis);
  } finally {
    await redis?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
