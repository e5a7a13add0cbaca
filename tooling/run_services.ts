// npm run services: the real servers that a production node uses, each on its usual port of 127.0.0.1, until it is interrupted.
//
//   npm run services                     FerretDB (speaks MongoDB's protocol), Milvus, NATS and Redis
//   npm run services -- ferretdb redis   those that are named; milvus_lite is the small Milvus that has BM25
//
// What is missing is installed into .cache; the data lies in .cache/services-data (KENNEL_SERVICES_DATA).

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { untilInterrupted } from "./command.ts";
import { startFerretDb } from "./servers/ferretdb.ts";
import { startMilvus } from "./servers/milvus.ts";
import { startMilvusLite } from "./servers/milvus_lite.ts";
import { startNats } from "./servers/nats.ts";
import { startRedis } from "./servers/redis.ts";
import { FERRETDB } from "./services/ferretdb.ts";
import { provideServices } from "./services/index.ts";
import { CACHE } from "./services/install.ts";
import { MILVUS } from "./services/milvus.ts";
import { MILVUS_LITE } from "./services/milvus_lite.ts";
import { NATS } from "./services/nats.ts";
import { REDIS } from "./services/redis.ts";
import type { RealService } from "./services/service.ts";

interface RunningServer {
  /** The setting that makes a node use it: `KENNEL_REDIS_URL=redis://127.0.0.1:6379`. */
  readonly setting: string;
  stop(): Promise<void>;
}

interface Runnable {
  readonly service: RealService;
  /** @param program what the service's one variable says; `folder` exists and is its own */
  start(program: string, folder: string): Promise<RunningServer>;
}

const RUNNABLE: readonly Runnable[] = [
  {
    service: FERRETDB,
    start: async (program, folder) => {
      const server = await startFerretDb(program, folder, 27_017);
      return { setting: `KENNEL_MONGODB_URL='${server.url}'`, stop: server.stop };
    },
  },
  {
    service: MILVUS,
    start: async (program, folder) => {
      const server = await startMilvus(program, folder, 19_530);
      return { setting: `KENNEL_MILVUS_URL=http://${server.address}`, stop: server.stop };
    },
  },
  {
    service: MILVUS_LITE,
    start: async (program, folder) => {
      const server = await startMilvusLite(program, folder, 19_531);
      return { setting: `KENNEL_MILVUS_URL=http://${server.address}`, stop: server.stop };
    },
  },
  {
    service: NATS,
    start: async (program, folder) => {
      const server = await startNats(program, folder, { port: 4_222 });
      return { setting: `KENNEL_NATS_URL=${server.url}`, stop: server.stop };
    },
  },
  {
    service: REDIS,
    start: async (program, folder) => {
      const server = await startRedis(program, folder, 6_379);
      return { setting: `KENNEL_REDIS_URL=${server.url}`, stop: server.stop };
    },
  },
];
/** One Milvus is enough, and the large one is the usual one. */
const USUAL = RUNNABLE.filter(({ service }) => service !== MILVUS_LITE);

function choose(names: readonly string[]): readonly Runnable[] {
  const known = RUNNABLE.map(({ service }) => service.name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new TypeError(`There is no service ${JSON.stringify(unknown)}; allowed: ${known.join(", ")}`);
  return names.length === 0 ? USUAL : RUNNABLE.filter(({ service }) => names.includes(service.name));
}

async function main(names: readonly string[], signal: AbortSignal): Promise<void> {
  const chosen = choose(names);
  const programs = await provideServices(
    signal,
    chosen.map(({ service }) => service),
  );
  const data = resolve(process.env.KENNEL_SERVICES_DATA ?? join(CACHE, "services-data"));
  const running: RunningServer[] = [];
  try {
    for (const { service, start } of chosen) {
      signal.throwIfAborted();
      const folder = join(data, service.name);
      mkdirSync(folder, { recursive: true });
      running.push(await start(programs[service.variables[0] as string] as string, folder));
      console.log(`${service.what} is ready`);
    }
    console.log(
      `\nData in ${data}. Start a node on them with:\n\n  ${running.map(({ setting }) => setting).join(" \\\n  ")} \\\n  npm start\n`,
    );
    await untilAborted(signal);
  } finally {
    await Promise.all(running.map((server) => server.stop()));
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  // The servers are children of this process and keep it alive.
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

const interrupted = untilInterrupted();
process.exit(
  await main(process.argv.slice(2), interrupted).then(
    () => 0,
    (error: Error) => {
      if (!interrupted.aborted) console.error(error.message);
      return interrupted.aborted ? 0 : 1;
    },
  ),
);
