import { openRedisFailover } from "../../actors/redis/redis_failover.ts";
import { tracedRedis } from "../../actors/redis/traced.ts";
import { type AnswerStore, SharedAnswers } from "../../actors/retriever/answers/shared_answers.ts";
import { redisAddresses } from "../../config/schema.ts";
import { superviseService } from "../../supervisor/service.ts";
import type { CacheReading } from "../../telemetry/observed_metrics.ts";
import { NO_POOL, type ServiceParts } from "./parts.ts";

/** Answers beyond it are rare, and dear to send around. */
const MAX_ANSWER_BYTES = 262_144;

export interface AnswerServices {
  readonly answers: SharedAnswers;
  readonly caches: Readonly<Record<string, () => CacheReading>>;
}

/** Answers in the Redis that is configured, a service of its own beside the embeddings there. */
export function superviseSharedAnswers({ supervisor, config, tracer }: ServiceParts): AnswerServices {
  const { redis, cache } = config;
  let store: Awaited<ReturnType<typeof openRedisFailover>> | null = null;
  let answers: SharedAnswers | null = null;
  const service = superviseService<AnswerStore & { probe(): Promise<void>; close(): Promise<void> }>(supervisor, {
    name: "redis_answers",
    kind: "answer_cache",
    limits: config.supervision.embeddingCache,
    open: async () => {
      const { answerKeyPrefix: keyPrefix, connectTimeoutMs } = redis;
      const urls = redisAddresses(redis.url);
      store = tracedRedis(tracer, await openRedisFailover({ keyPrefix, connectTimeoutMs, ttlMs: cache.answerTtlMs, urls }));
      return store;
    },
    close: (opened) => opened.close(),
    probe: (opened) => opened.probe(),
    pool: () => store?.pool ?? NO_POOL,
    details: () => ({ address: store === null ? null : store.address + 1, ...(answers === null ? {} : wireStats(answers)) }),
  });
  const { readTimeoutMs, writeTimeoutMs, maxWaitingWrites: maxOpenWrites } = redis;
  const shared = new SharedAnswers(service, { readTimeoutMs, writeTimeoutMs, maxOpenWrites, maxAnswerBytes: MAX_ANSWER_BYTES });
  answers = shared;
  return { answers, caches: { answers_redis: () => ({ ...shared.stats, entries: null, bytes: null }) } };
}

function wireStats({ stats: { hits, misses, unanswered, written, droppedWrites } }: SharedAnswers) {
  return { hits, misses, unanswered, written, dropped_writes: droppedWrites };
}
