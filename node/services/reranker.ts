import { CohereReranker } from "../../actors/reranker/cohere.ts";
import type { Reranker } from "../../actors/reranker/reranker.ts";
import { superviseReranker } from "../../actors/reranker/supervised.ts";
import { tracedReranker } from "../../actors/reranker/traced.ts";
import { KennelError } from "../../runtime/errors.ts";
import { type HttpPool, openHttpPool } from "../../runtime/http_pool.ts";
import { type Service, superviseService } from "../../supervisor/service.ts";
import { NO_POOL, type ServiceParts } from "./parts.ts";

const MIN_CONNECTIONS = 2;
/** A call that has waited this long for a connection gets another one. */
const GROW_AFTER_MS = 20;

interface RerankService {
  readonly service: Service<Reranker>;
  readonly reranker: Reranker;
}

/** The service at `rerank.url`; null: there is none. */
export function superviseReranking({ supervisor, config, clock, metrics, tracer }: ServiceParts): RerankService | null {
  const { rerank } = config;
  if (rerank.url === "") return null;
  let pool: HttpPool | null = null;
  const service = superviseService<Reranker>(supervisor, {
    name: "reranker",
    kind: "reranker",
    limits: config.supervision.reranker,
    pool: () => pool?.stats ?? NO_POOL,
    details: () => ({ model: rerank.model }),
    async open(signal) {
      const opened = await openHttpPool({ ...rerank, minConnections: MIN_CONNECTIONS, growAfterMs: GROW_AFTER_MS, clock });
      const reranker = new CohereReranker({ ...rerank, pool: opened });
      try {
        await probe(reranker, signal);
      } catch (thrown) {
        await opened.close();
        throw thrown;
      }
      pool = opened;
      const seen = tracer.isOn ? tracedReranker(tracer, reranker, config.traces.content) : reranker;
      return measured(seen, (outcome, durationMs) => metrics.store.called({ store: "reranker", operation: "rerank", outcome, durationMs }));
    },
    close: async () => {
      await pool?.close();
      pool = null;
    },
    probe,
  });

  function measured(reranker: Reranker, told: (outcome: string, durationMs: number) => void): Reranker {
    return {
      name: reranker.name,
      weight: reranker.weight,
      async rerank(query, texts, signal) {
        const startedMs = clock.monotonicMs();
        const tell = (outcome: string) => told(outcome, clock.monotonicMs() - startedMs);
        try {
          const scores = await reranker.rerank(query, texts, signal);
          tell("ok");
          return scores;
        } catch (thrown) {
          tell(thrown instanceof KennelError ? thrown.code : "internal");
          throw thrown;
        }
      },
    };
  }

  return { service, reranker: superviseReranker(service, { name: rerank.model, weight: rerank.weight }, rerank.callTimeoutMs) };
}

/** Being asked to wait is a sign of life. */
async function probe(reranker: Reranker, signal: AbortSignal): Promise<void> {
  await reranker.rerank("probe", ["probe"], signal).catch((error: unknown) => {
    if (!(error instanceof KennelError && error.code === "overloaded")) throw error;
  });
}
