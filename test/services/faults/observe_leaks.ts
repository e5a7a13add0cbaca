// Takes about a second a cycle with Milvus, so it is run by hand: TEST_LOSS_CYCLES says how often each service is lost.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PoolGauge } from "../../../actors/document_store/mongodb.ts";
import { OpenAiEmbeddings } from "../../../actors/embedding/openai.ts";
import { openRedisEmbeddings } from "../../../actors/embedding/redis.ts";
import { Provider } from "../../../actors/model_provider/provider.ts";
import { seededRandom } from "../../../runtime/random.ts";
import { superviseService } from "../../../supervisor/service.ts";
import { createSupervisor } from "../../../supervisor/supervisor.ts";
import { createLogger } from "../../../telemetry/logs.ts";
import type { FaultProxy } from "../../support/fault_proxy.ts";
import { testLimits } from "../../support/supervision.ts";
import { connectTo } from "../milvus/stores.ts";
import { openStore } from "../mongodb/server.ts";
import { type CountedClock, countedClock, type Holdings, readHoldings } from "./holdings.ts";
import { DIMENSIONS, type Servers, startServers } from "./servers.ts";

/** Losses and returns of each service. */
const CYCLES = Number(process.env.TEST_LOSS_CYCLES ?? 1_000);
/** Before the first count: code is compiled, caches fill, pools grow. */
const WARM_UP = 50;
/** What the heap may have grown by after all cycles: a socket, timer or client kept by each would be many times that. */
const MAX_HEAP_GROWTH_BYTES = 3_000_000;
/** A connection more may be on its way at either count. */
const SLACK = 2;
const CALL_MS = 5_000;
const CYCLE_LIMIT_MS = 20_000;

/** A resource as its actor has it. */
interface Adapter<Resource> {
  readonly name: string;
  readonly proxy: FaultProxy;
  open(clock: CountedClock): Promise<Resource>;
  close(resource: Resource): Promise<void>;
  /** Drops what the server of the tests remembers. */
  forget?(): void;
  /** One real request. */
  use(resource: Resource, signal: AbortSignal): Promise<unknown>;
}

const test = suite("services that are lost and come back");
let servers: Servers | null = null;
test.before(async () => {
  servers = await startServers();
});
test.after(() => servers?.stop());

for (const [name, adapterOf] of Object.entries({ milvus, mongodb, redis, provider })) {
  test(`${name}: ${CYCLES} losses and returns leave sockets, timers and memory where they were`, async () => {
    if (servers === null) throw new Error("The servers did not start");
    await loseAndRegain(adapterOf(servers) as Adapter<unknown>);
  });
}
test.run();

async function loseAndRegain<Resource>(adapter: Adapter<Resource>): Promise<void> {
  const clock = countedClock();
  const logger = createLogger({ level: "silent", node: "test" });
  const supervisor = createSupervisor({ name: "node", clock, random: seededRandom(7), logger });
  const service = superviseService<Resource>(supervisor, {
    name: adapter.name,
    kind: adapter.name,
    // One failure opens the breaker; it looks again as soon as the service can be there.
    limits: testLimits({ minCalls: 1, backoffMs: 10, maxBackoffMs: 20, probeTimeoutMs: 5_000, startTimeoutMs: 10_000 }),
    open: () => adapter.open(clock),
    close: (resource) => adapter.close(resource),
    probe: async (resource, signal) => void (await adapter.use(resource, signal)),
  });
  const call = async (): Promise<boolean> => {
    const used = service.call((resource, signal) => adapter.use(resource, signal), {
      timeoutMs: CALL_MS,
      signal: AbortSignal.timeout(CALL_MS),
    });
    return used.then(
      () => true,
      () => false,
    );
  };
  const cycle = async (): Promise<void> => {
    adapter.forget?.();
    await adapter.proxy.set({ kind: "refuse" });
    const limit = AbortSignal.timeout(CYCLE_LIMIT_MS);
    while (service.isAvailable) {
      limit.throwIfAborted();
      await call();
    }
    await adapter.proxy.set({ kind: "pass" });
    while (!(await call())) {
      limit.throwIfAborted();
      await service.whenReady(limit);
    }
  };
  const alive = setInterval(() => {}, 1_000); // the clock's timers alone keep no process alive
  try {
    await service.whenReady(AbortSignal.timeout(CYCLE_LIMIT_MS));
    for (let turn = 0; turn < WARM_UP; turn++) await cycle();
    const before = await settled(clock, adapter.proxy, null);
    for (let turn = 0; turn < CYCLES; turn++) await cycle();
    const after = await settled(clock, adapter.proxy, before);
    console.log(`${adapter.name}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`);
    assert.ok(after.connections <= before.connections + SLACK, `connections: ${before.connections} -> ${after.connections}`);
    assert.ok(after.descriptors <= before.descriptors + SLACK, `descriptors: ${before.descriptors} -> ${after.descriptors}`);
    assert.ok(after.timers <= before.timers + SLACK, `timers: ${before.timers} -> ${after.timers}`);
    assert.ok(after.ownTimers <= before.ownTimers + SLACK, `own timers: ${before.ownTimers} -> ${after.ownTimers}`);
    const growth = after.heapBytes - before.heapBytes;
    assert.ok(growth <= MAX_HEAP_GROWTH_BYTES, `heap: ${before.heapBytes} -> ${after.heapBytes} bytes`);
  } finally {
    clearInterval(alive);
    await supervisor.stop({ reason: "done", limitMs: 5_000 });
  }
}

interface Held extends Holdings {
  readonly connections: number;
}

/** What is being closed may take a moment; what does not go is a leak. */
async function settled(clock: CountedClock, proxy: FaultProxy, before: Held | null): Promise<Held> {
  const limitMs = performance.now() + 10_000;
  for (;;) {
    const held = { ...(await readHoldings(clock)), connections: proxy.connections };
    const isBack =
      before === null
        ? performance.now() > limitMs - 8_000
        : held.connections <= before.connections && held.descriptors <= before.descriptors && held.heapBytes <= before.heapBytes;
    if (isBack || performance.now() > limitMs) return held;
  }
}

function milvus({ milvus: { proxy } }: Servers): Adapter<Awaited<ReturnType<typeof connectTo>>> {
  return {
    name: "milvus",
    proxy,
    open: (clock) => connectTo(`127.0.0.1:${proxy.port}`, { clock, pool: { min: 1, max: 4, maxWaiting: 100, acquireTimeoutMs: 2_000 } }),
    close: (store) => store.close(),
    use: (store, signal) => store.probe(signal),
  };
}

function mongodb({ mongodb: { proxy } }: Servers): Adapter<Awaited<ReturnType<typeof openStore>>> {
  const gauge = new PoolGauge();
  return {
    name: "mongodb",
    proxy,
    open: (clock) => openStore(`mongodb://127.0.0.1:${proxy.port}/leak?directConnection=true`, { clock, gauge, minPoolSize: 1 }),
    close: (store) => store.close(),
    use: (store, signal) => store.listAliases(signal),
  };
}

function redis({ redis: { proxy } }: Servers): Adapter<Awaited<ReturnType<typeof openRedisEmbeddings>>> {
  const options = { url: `redis://127.0.0.1:${proxy.port}`, keyPrefix: "leak", ttlMs: 60_000, connectTimeoutMs: 500 };
  return {
    name: "redis",
    proxy,
    open: () => openRedisEmbeddings(options),
    close: (store) => store.close(),
    use: (store, signal) => store.read(["nothing"], signal),
  };
}

interface Model {
  readonly provider: Provider;
  readonly embeddings: OpenAiEmbeddings;
}

function provider({ provider: { server, proxy } }: Servers): Adapter<Model> {
  return {
    name: "provider",
    proxy,
    async open(clock) {
      const opened = await Provider.open({
        kind: "openai",
        model: "test",
        addresses: [{ url: `http://127.0.0.1:${proxy.port}/v1`, apiKey: "key", deployment: "test", weight: 1 }],
        azureApiVersion: "",
        pool: { minConnections: 4, maxConnections: 4, growAfterMs: 20, maxWaiting: 100, idleMs: 10_000, connectTimeoutMs: 1_000 },
        attemptTimeoutMs: 2_000,
        maxRetries: 0,
        retryDelayMs: 1,
        maxRetryDelayMs: 5,
        onAttempt: () => undefined,
        clock,
        random: seededRandom(1),
      });
      const embeddings = new OpenAiEmbeddings({
        name: "openai:test",
        provider: opened,
        maxInputs: 8,
        maxTokens: 1_000,
        requestedDimensions: null,
        dimensions: () => DIMENSIONS,
        onTokens: () => undefined,
      });
      return { provider: opened, embeddings };
    },
    close: ({ provider: opened }) => opened.close(),
    forget: () => server.forget(),
    use: ({ embeddings }, signal) => embeddings.embed(["text"], "query", signal),
  };
}
