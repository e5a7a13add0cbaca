import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFerretDb } from "../../../tooling/servers/ferretdb.ts";
import { startMilvus } from "../../../tooling/servers/milvus.ts";
import { type RedisServer, startRedis } from "../../../tooling/servers/redis.ts";
import type { ServerProcess } from "../../../tooling/servers/server_process.ts";
import { type FaultProxy, startFaultProxy } from "../../support/fault_proxy.ts";
import { type OpenAiServer, startOpenAiServer } from "../../support/openai_server.ts";
import { ferretDbPath, milvusPythonPath, redisPath } from "../../support/services.ts";
import { type FailingServer, startFailingGrpc, startFailingMongo } from "./failing_servers.ts";

/** A real server, and the proxy through which alone the node reaches it. */
export interface Reached<Server> {
  readonly server: Server;
  readonly proxy: FaultProxy;
}

export interface Servers {
  readonly milvus: Reached<ServerProcess>;
  readonly mongodb: Reached<ServerProcess>;
  readonly redis: Reached<RedisServer>;
  /** In this process. */
  readonly provider: Reached<OpenAiServer>;
  readonly failingMilvus: FailingServer;
  readonly failingMongodb: FailingServer;
  /** A node's settings that lead to the proxies. */
  readonly settings: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Of the provider's vectors. */
export const DIMENSIONS = 32;

/** Every service that a node can have, on a folder that goes with them. */
export async function startServers(): Promise<Servers> {
  const folder = await mkdtemp(join(tmpdir(), "kennel-faults-"));
  const ends: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  const kept = async <Started extends { stop(): Promise<void> }>(starting: Promise<Started>): Promise<Started> => {
    const started = await starting;
    ends.push(() => started.stop());
    return started;
  };
  const stop = async () => {
    for (const end of ends.reverse()) await end();
  };
  try {
    await mkdir(join(folder, "milvus"));
    const milvus = await kept(startMilvus(milvusPythonPath(), join(folder, "milvus")));
    const mongodb = await kept(startFerretDb(ferretDbPath(), folder));
    const redis = await kept(startRedis(redisPath(), folder));
    const provider = await kept(startOpenAiServer({ dimensions: DIMENSIONS }));
    const through = (address: string) => kept(startFaultProxy(Number(/:(\d+)/.exec(address)?.[1])));
    const proxies = {
      milvus: await through(milvus.address),
      mongodb: await through(`:${mongodb.port}`),
      redis: await through(redis.url.slice("redis:".length)),
      provider: await through(provider.url.slice("http:".length)),
    };
    return {
      milvus: { server: milvus, proxy: proxies.milvus },
      mongodb: { server: mongodb, proxy: proxies.mongodb },
      redis: { server: redis, proxy: proxies.redis },
      provider: { server: provider, proxy: proxies.provider },
      failingMilvus: await kept(startFailingGrpc()),
      failingMongodb: await kept(startFailingMongo()),
      settings: {
        KENNEL_MILVUS_URL: `http://127.0.0.1:${proxies.milvus.port}`,
        KENNEL_MONGODB_URL: `mongodb://127.0.0.1:${proxies.mongodb.port}/?directConnection=true`,
        KENNEL_REDIS_URL: `redis://127.0.0.1:${proxies.redis.port}`,
        KENNEL_EMBEDDING: "openai:test-model",
        OPENAI_BASE_URL: `http://127.0.0.1:${proxies.provider.port}/v1`,
        OPENAI_API_KEY: "key",
      },
      stop,
    };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}
