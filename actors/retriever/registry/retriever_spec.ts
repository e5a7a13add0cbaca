import type { ChildSpec } from "../../../supervisor/child.ts";
import { ByteCache } from "../index/byte_cache.ts";
import { StoreIndex } from "../index/store_index.ts";
import { phaseTimes } from "../pipeline/phase_times.ts";
import { type RetrieverMessage, type RetrieverState, retriever } from "../retriever.ts";
import type { ReplicaPlan } from "./active_collection.ts";
import type { RegistryOptions, RegistryParts, ResolvedCollection } from "./options.ts";

/** What a retriever of this collection is made of. */
export function retrieverSpec(
  parts: RegistryParts,
  options: RegistryOptions,
  { record, version }: ResolvedCollection,
  plan: ReplicaPlan,
): ChildSpec<RetrieverState, RetrieverMessage> {
  const model = parts.models(record.settings.embedding);
  const { probeTimeoutMs } = options.retrieverLimits;
  return {
    name: plan.name,
    kind: "retriever",
    limits: options.retrieverLimits,
    details: plan.details,
    // It asks for a sign of life of the actor alone: the stores have probes of their own.
    probe: async (actor, signal) => void (await actor.ask<true>({ kind: "probe" }, { timeoutMs: probeTimeoutMs, signal, lane: "control" })),
    behavior: () =>
      retriever({
        openIndex: () =>
          new StoreIndex({
            name: { collection: record.name, version },
            store: parts.vectorStore,
            lexical: parts.lexicalIndex,
            dimensions: model.dimensions,
            indexVersion: plan.targetVersion(),
            maxPassageBytes: options.maxPassageBytes,
          }),
        warmLimitMs: options.warmLimitMs,
        onIndex: plan.onIndex,
        onColdStart: (error) => parts.logger.warn({ collection: record.name, code: error.code }, "retriever starts cold"),
        parts: {
          clock: parts.clock,
          model,
          documents: parts.documents,
          modes: parts.modes,
          metrics: parts.metrics,
          times: phaseTimes(parts.clock, options.phaseMemoryMs),
          limits: options.pipeline,
          collection: record.name,
          version,
          parentTexts: new ByteCache(options.maxParentBytes, (text: Uint8Array) => text.length),
        },
      }),
  };
}
