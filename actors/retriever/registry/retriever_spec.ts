import type { ChildSpec } from "../../../supervisor/child.ts";
import { ByteCache } from "../index/byte_cache.ts";
import { Residency } from "../index/residency.ts";
import { StoreIndex } from "../index/store_index.ts";
import type { RetrieverMessage } from "../messages.ts";
import { phaseTimes } from "../pipeline/phase_times.ts";
import { type RetrieverState, retriever } from "../retriever.ts";
import type { ReplicaPlan } from "./active_collection.ts";
import type { RegistryOptions, RegistryParts, ResolvedCollection } from "./options.ts";

/** What a retriever of this collection is made of. @param isSnapshotCurrent whether nothing was written since the newest index version */
export function retrieverSpec(
  parts: RegistryParts,
  options: RegistryOptions,
  resolved: ResolvedCollection,
  plan: ReplicaPlan,
  isSnapshotCurrent: () => boolean,
): ChildSpec<RetrieverState, RetrieverMessage> {
  const { record, version } = resolved;
  const model = parts.models(record.settings.embedding);
  const { probeTimeoutMs } = options.retrieverLimits;
  const name = { collection: record.name, version };
  const storeReason = reasonForStore(parts, options, resolved);
  return {
    name: plan.name,
    kind: "retriever",
    limits: options.retrieverLimits,
    details: plan.details,
    // It asks for a sign of life of the actor alone: the stores have probes of their own.
    probe: async (actor, signal) => void (await actor.ask<true>({ kind: "probe" }, { timeoutMs: probeTimeoutMs, signal, lane: "control" })),
    behavior: () =>
      retriever({
        openStoreIndex: () =>
          new StoreIndex({
            name,
            store: parts.vectorStore,
            lexical: parts.lexicalIndex,
            dimensions: model.dimensions,
            indexVersion: plan.targetVersion(),
            maxPassageBytes: options.maxPassageBytes,
          }),
        residency:
          parts.resident === null || storeReason !== null
            ? null
            : new Residency(
                { clock: parts.clock, ...parts.resident },
                {
                  language: record.settings.language,
                  dimensions: model.dimensions,
                  snapshotPath: parts.resident.snapshots.pathOf(resolved),
                  isSnapshotCurrent,
                  scan: (pageRows, signal) => parts.vectorStore.scan(name, pageRows, signal),
                },
              ),
        storeReason: storeReason ?? "",
        warmLimitMs: options.warmLimitMs,
        onIndex: plan.onIndex,
        onTrouble: (step, error) =>
          parts.logger.warn({ collection: record.name, step, code: error.code, err: error }, "a retriever goes on with less"),
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

/** Why the store answers for a collection, as the status tells; null: it is to be held in memory. */
export function reasonForStore(
  { resident }: Pick<RegistryParts, "resident">,
  { passivation }: Pick<RegistryOptions, "passivation">,
  { record }: ResolvedCollection,
): string | null {
  const { settings, chunks } = record;
  if (resident === null) return "this node holds no collection in memory";
  if (settings.resident === "never") return 'the collection is set to resident "never"';
  const { maxRows } = resident.limits;
  if (chunks > maxRows) return `it has ${chunks} chunks, memory pays up to ${maxRows}`;
  if (settings.resident === "auto" && chunks * resident.bytesPerChunk > passivation.maxBytes) {
    return `it would take about ${chunks * resident.bytesPerChunk} bytes of memory, all collections have ${passivation.maxBytes}`;
  }
  return null;
}
