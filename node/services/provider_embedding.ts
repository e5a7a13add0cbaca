import { join } from "node:path";
import { batchEmbeddings } from "../../actors/embedding/batching.ts";
import { type DiskEmbeddings, openDiskEmbeddings } from "../../actors/embedding/disk.ts";
import type { EmbeddingModel, Recall } from "../../actors/embedding/embedding.ts";
import type { EmbeddingStore } from "../../actors/embedding/embedding_store.ts";
import { KnownDimensions } from "../../actors/embedding/known_dimensions.ts";
import { EmbeddingLevel, type EmbeddingLevelOptions, type EmbeddingLevelStats, withLevels } from "../../actors/embedding/levels.ts";
import { knownModel } from "../../actors/embedding/openai/known_models.ts";
import { knownOrRefused, OpenAiEmbeddings } from "../../actors/embedding/openai.ts";
import { embeddingsIn } from "../../actors/embedding/redis.ts";
import { superviseEmbeddingModel } from "../../actors/embedding/supervised.ts";
import { tracedEmbeddingModel } from "../../actors/embedding/traced.ts";
import { Provider } from "../../actors/model_provider/provider.ts";
import { openRedisFailover } from "../../actors/redis/redis_failover.ts";
import { tracedRedis } from "../../actors/redis/traced.ts";
import type { ProviderChoice } from "../../config/embedding_choice.ts";
import { redisAddresses } from "../../config/schema.ts";
import { KennelError } from "../../runtime/errors.ts";
import { type Service, type ServiceSpec, superviseService } from "../../supervisor/service.ts";
import type { CacheReading, MetricSources } from "../../telemetry/observed_metrics.ts";
import { NO_POOL, type ServiceParts } from "./parts.ts";

/** What tells a node's models apart: names of services, caches and files, and what is asked of the provider. */
export interface ProviderPart {
  /** `embedding`, or `rerank_embedding` for the model that ranks anew. */
  readonly name: "embedding" | "rerank_embedding";
  /** Prefix of the services that keep its vectors. */
  readonly levels: "" | "rerank_";
  /** Length of vectors to ask for; 0: the model's own. */
  readonly dimensions: number;
}

interface ProviderModel {
  readonly service: Service<EmbeddingModel>;
  readonly model: EmbeddingModel;
  /** What the levels remember, whether or not the provider is there. */
  readonly recall: Recall;
  readonly caches: MetricSources["caches"];
  /** Resolves when the length of the vectors is known and the levels are open, or were waited for long enough; never rejects. */
  readonly settled: Promise<void>;
}

/** Ingest waits for the disk rather than pay twice; a query does not ask it. */
const DISK_TIMEOUT_MS = 5_000;
const MAX_DISK_WRITES = 8_192;
/** Less than these services have for stopping. */
const FLUSH_LIMIT_MS = 4_000;
/** Collections cannot be made before it is known; a node whose provider is away starts nevertheless. */
const DIMENSIONS_LIMIT_MS = 5_000;
/** What a start waits for Redis and the disk: the first questions would be paid for although their vectors are there. */
const LEVELS_LIMIT_MS = 1_000;

/** A provider's model: batched over what Redis and the disk remember. */
export function superviseProviderModel(parts: ServiceParts, choice: ProviderChoice, part: ProviderPart): ProviderModel {
  const { config, clock } = parts;
  const { openai } = config;
  const learnt = new KnownDimensions(join(config.dataDir, `${part.name}_dimensions.json`));
  // What the name of a model means, OpenAI alone can promise.
  const isOwn = choice.kind === "openai" && openai.baseUrls.length === 0;
  const promised = part.dimensions || (isOwn ? knownModel(choice.model)?.dimensions : null) || null;
  const dimensions = () => promised ?? learnt.get(choice.name);
  const service = superviseProvider(parts, choice, part, dimensions, learnt);
  const facts = {
    name: choice.name,
    maxBatch: openai.maxInputs,
    get dimensions() {
      return knownOrRefused(dimensions(), choice.name);
    },
  };
  const model = superviseEmbeddingModel(service, facts, config.embeddingCalls.callTimeoutMs);
  const levels = [...redisLevel(parts, part), ...diskLevel(parts, part)];
  const lasting = withLevels(
    model,
    levels.map(({ level }) => level),
    dimensions,
  );
  const { windowMs } = openai;
  const { maxWaitingTexts } = config.embeddingCalls;
  // Half of the connections for each purpose: an ingest leaves queries theirs.
  const maxConcurrentCalls = Math.ceil((openai.maxConnections * choice.addresses.length) / 2);
  return {
    service,
    settled: settled([
      ...(dimensions() === null ? [service.whenReady(AbortSignal.timeout(DIMENSIONS_LIMIT_MS))] : []),
      ...levels.map(({ ready }) => ready),
    ]),
    recall: lasting.recall,
    model: batchEmbeddings(lasting, { windowMs, maxWaitingTexts, maxConcurrentCalls, clock }),
    caches: Object.fromEntries(levels.map(({ name, read }) => [name, read])),
  };
}

function superviseProvider(
  { supervisor, config, clock, random, metrics, tracer }: ServiceParts,
  choice: ProviderChoice,
  part: ProviderPart,
  dimensions: () => number | null,
  learnt: KnownDimensions,
): Service<EmbeddingModel> {
  const { openai } = config;
  const dollars = (openai.dollarsPerMillionTokens || knownModel(choice.model)?.dollarsPerMillionTokens || 0) / 1e6;
  let provider: Provider | null = null;
  return superviseService<EmbeddingModel>(supervisor, {
    name: part.name,
    kind: "embedding",
    limits: config.supervision.embedding,
    pool: () => provider?.pool ?? NO_POOL,
    details: () => ({ model: choice.name, deployments: provider?.deployments ?? { total: choice.addresses.length, healthy: 0 } }),
    async open(signal) {
      const opened = await Provider.open({
        ...openai,
        kind: choice.kind,
        model: choice.name,
        addresses: choice.addresses,
        azureApiVersion: config.azure.apiVersion,
        pool: openai,
        onAttempt: (outcome, durationMs) => metrics.store.called({ store: part.name, operation: "embed", outcome, durationMs }),
        clock,
        random,
      });
      const model = new OpenAiEmbeddings({
        ...openai,
        name: choice.name,
        provider: opened,
        requestedDimensions: part.dimensions || null,
        dimensions,
        onTokens: (tokens) => metrics.model.used({ model: choice.name, tokens, dollars: tokens * dollars }),
      });
      try {
        if (dimensions() === null) await learnt.learn(choice.name, await model.measure(signal));
      } catch (thrown) {
        await opened.close();
        throw thrown;
      }
      provider = opened;
      return tracer.isOn ? tracedEmbeddingModel(tracer, model) : model;
    },
    close: async () => {
      await provider?.close();
      provider = null;
    },
    // Being asked to wait is a sign of life.
    probe: async (model, signal) => {
      await model.embed(["probe"], "query", signal).catch((error: unknown) => {
        if (!(error instanceof KennelError && error.code === "overloaded")) throw error;
      });
    },
  });
}

async function settled(waits: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(waits);
}

interface Level {
  readonly level: EmbeddingLevel;
  /** Resolves when it can be asked; rejects when that takes too long. */
  readonly ready: Promise<void>;
  readonly name: string;
  readonly read: () => CacheReading;
}

function redisLevel(parts: ServiceParts, part: ProviderPart): readonly Level[] {
  const { redis } = parts.config;
  if (redis.url === "") return [];
  let store: Awaited<ReturnType<typeof openRedisFailover>> | null = null;
  const { level, ready } = superviseLevel(
    parts,
    {
      name: `${part.levels}redis`,
      open: async () => {
        store = tracedRedis(parts.tracer, await openRedisFailover({ ...redis, urls: redisAddresses(redis.url) }));
        return embeddingsIn(store);
      },
      pool: () => store?.pool ?? NO_POOL,
      details: () => ({ address: store === null ? null : store.address + 1 }),
    },
    { ...redis, purposes: ["query", "document"], flushLimitMs: FLUSH_LIMIT_MS, clock: parts.clock },
  );
  return [{ level, ready, name: `${part.levels}embeddings_redis`, read: () => ({ ...level.stats, entries: null, bytes: null }) }];
}

function diskLevel(parts: ServiceParts, part: ProviderPart): readonly Level[] {
  const { config, clock } = parts;
  const { diskEmbeddingBytes: maxBytes } = config.cache;
  if (maxBytes === 0) return [];
  let store: DiskEmbeddings | null = null;
  const path = join(config.dataDir, `${part.levels}embeddings.db`);
  const { level, ready } = superviseLevel(
    parts,
    {
      name: `${part.levels}embedding_disk`,
      open: async () => {
        store = await openDiskEmbeddings({ path, maxBytes, callTimeoutMs: DISK_TIMEOUT_MS, clock });
        return store;
      },
    },
    {
      purposes: ["document"],
      readTimeoutMs: DISK_TIMEOUT_MS,
      writeTimeoutMs: DISK_TIMEOUT_MS,
      maxWaitingWrites: MAX_DISK_WRITES,
      flushLimitMs: FLUSH_LIMIT_MS,
      clock,
    },
  );
  return [
    { level, ready, name: `${part.levels}embeddings_disk`, read: () => ({ ...level.stats, ...(store?.size ?? { entries: 0, bytes: 0 }) }) },
  ];
}

function superviseLevel(
  { supervisor, config }: ServiceParts,
  spec: Pick<ServiceSpec<EmbeddingStore>, "name" | "open" | "pool" | "details">,
  options: EmbeddingLevelOptions,
): Pick<Level, "level" | "ready"> {
  let level: EmbeddingLevel | null = null;
  const service = superviseService<EmbeddingStore>(supervisor, {
    ...spec,
    kind: "embedding_cache",
    limits: config.supervision.embeddingCache,
    close: async (store) => {
      await level?.flush(store);
      await store.close();
    },
    probe: (store, signal) => store.probe(signal),
    details: () => ({ ...spec.details?.(), ...(level === null ? {} : wireStats(level.stats)) }),
  });
  level = new EmbeddingLevel(service, options);
  return { level, ready: service.whenReady(AbortSignal.timeout(LEVELS_LIMIT_MS)) };
}

function wireStats({ hits, misses, unanswered, written, droppedWrites, waitingWrites }: EmbeddingLevelStats) {
  return { hits, misses, unanswered, written, dropped_writes: droppedWrites, waiting_writes: waitingWrites };
}
