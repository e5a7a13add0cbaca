import { toKennelError } from "../../../runtime/errors.ts";
import type { ChildSpec } from "../../../supervisor/child.ts";
import { sharedModel } from "../../embedding/bulkhead.ts";
import { sharedReranker } from "../../reranker/bulkhead.ts";
import type { ChunkRow, IndexName, LexicalIndex, VectorStore } from "../../vector_store/vector_store.ts";
import { ByteCache } from "../index/byte_cache.ts";
import { hedgedParents, hedgedSearches } from "../index/hedged_reads.ts";
import { Residency } from "../index/residency.ts";
import { StoreIndex } from "../index/store_index.ts";
import type { RetrieverMessage } from "../messages.ts";
import { phaseTimes } from "../pipeline/phase_times.ts";
import type { ShownParent } from "../pipeline/search_context.ts";
import { retriever } from "../retriever.ts";
import type { RetrieverState } from "../retriever_state.ts";
import type { ReplicaPlan } from "./active_collection.ts";
import type { Freshness } from "./freshness.ts";
import type { RegistryOptions, RegistryParts, ResolvedCollection } from "./options.ts";

/** Rows of an adopted collection are changed by others, who tell nobody; Milvus' own reads are as old as this, too. */
const MAX_ADOPTED_PASSAGE_AGE_MS = 1_000;

/** What a retriever of this collection is made of. @param isSnapshotCurrent whether nothing was written since the newest index version */
export function retrieverSpec(
  parts: RegistryParts,
  options: RegistryOptions,
  resolved: ResolvedCollection,
  plan: ReplicaPlan,
  freshness: Freshness,
  isSnapshotCurrent: () => boolean,
): ChildSpec<RetrieverState, RetrieverMessage> {
  const { record, version } = resolved;
  const model = parts.models(record.settings.embedding);
  const { hedging, bulkheads } = parts;
  const store = hedging.searches === null ? null : hedgedSearches(joined(parts), hedging.searches);
  const { probeTimeoutMs } = options.retrieverLimits;
  const name = { collection: record.name, version };
  const storeReason = reasonForStore(parts, options, resolved);
  return {
    name: plan.name,
    kind: "retriever",
    limits: options.retrieverLimits,
    details: plan.details,
    waitsForServices: true,
    // It asks for a sign of life of the actor alone: the stores have probes of their own.
    probe: async (actor, signal) => void (await actor.ask<true>({ kind: "probe" }, { timeoutMs: probeTimeoutMs, signal, lane: "control" })),
    behavior: () =>
      retriever({
        openStoreIndex: () =>
          new StoreIndex({
            name,
            store: store ?? parts.vectorStore,
            lexical: store ?? parts.lexicalIndex,
            dimensions: record.settings.adopt?.dimensions ?? model.dimensions,
            ...(record.settings.adopt === undefined
              ? {}
              : { passagesOfOthers: { maxAgeMs: MAX_ADOPTED_PASSAGE_AGE_MS, clock: parts.clock } }),
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
                  scan: (pageRows, signal) => scanOrNothing(parts, name, pageRows, signal),
                  parents: (ids, signal) => parts.documents.getParents(record.name, version, ids, signal),
                },
              ),
        storeReason: storeReason ?? "",
        warmLimitMs: options.warmLimitMs,
        onIndex: plan.onIndex,
        onTrouble: (step, error) =>
          parts.logger.warn({ collection: record.name, step, code: error.code, err: error }, "a retriever goes on with less"),
        parts: {
          clock: parts.clock,
          model: bulkheads.embedding === null ? model : sharedModel(model, bulkheads.embedding, record.name),
          reranker:
            parts.reranker === null || bulkheads.reranker === null
              ? parts.reranker
              : sharedReranker(parts.reranker, bulkheads.reranker, record.name),
          documents: hedging.parents === null ? parts.documents : hedgedParents(parts.documents, hedging.parents),
          languageModel: parts.languageModel,
          ...(record.settings.adopt === undefined ? {} : { adoptedDimensions: record.settings.adopt.dimensions }),
          modes: parts.modes,
          metrics: parts.metrics,
          ...(parts.tracer === undefined ? {} : { tracer: parts.tracer }),
          ageMs: () => freshness.ageMs,
          times: phaseTimes(parts.clock, options.phaseMemoryMs),
          limits: options.pipeline,
          collection: record.name,
          version,
          parentTexts: new ByteCache(options.maxParentBytes, ({ text }: ShownParent) => text.length),
        },
      }),
  };
}

function joined({ vectorStore, lexicalIndex }: RegistryParts): Pick<VectorStore, "searchVector" | "fetchChunks"> & LexicalIndex {
  return {
    searchVector: (index, vector, options, signal) => vectorStore.searchVector(index, vector, options, signal),
    fetchChunks: (index, ids, signal) => vectorStore.fetchChunks(index, ids, signal),
    searchText: (index, query, options, signal) => lexicalIndex.searchText(index, query, options, signal),
  };
}

/** All rows of an index. A collection into which nothing was put yet need not have one; of one with documents it is lost. */
async function* scanOrNothing(
  { vectorStore, collections }: RegistryParts,
  name: IndexName,
  pageRows: number,
  signal: AbortSignal,
): AsyncIterable<readonly ChunkRow[]> {
  try {
    yield* vectorStore.scan(name, pageRows, signal);
  } catch (thrown) {
    const isEmpty = collections.resolve(name.collection)?.record.chunks === 0;
    if (!isEmpty || toKennelError(thrown).code !== "not_found") throw thrown;
  }
}

/** Why the store answers for a collection, as the status tells; null: it is to be held in memory. */
export function reasonForStore(
  { resident, flags }: Pick<RegistryParts, "resident" | "flags">,
  { passivation }: Pick<RegistryOptions, "passivation">,
  { record }: ResolvedCollection,
): string | null {
  const { settings, chunks } = record;
  if (settings.adopt !== undefined) return "others write to the collection that it has adopted, so it is searched where it lies";
  if (resident === null) return "this node holds no collection in memory";
  if (!flags.residentIndex) return "the flag resident_index is off";
  if (settings.resident === "never") return 'the collection is set to resident "never"';
  const { maxRows } = resident.limits;
  if (chunks > maxRows) return `it has ${chunks} chunks, memory pays up to ${maxRows}`;
  if (settings.resident === "auto" && chunks * resident.bytesPerChunk > passivation.maxBytes) {
    return `it would take about ${chunks * resident.bytesPerChunk} bytes of memory, all collections have ${passivation.maxBytes}`;
  }
  if (settings.resident === "auto" && resident.bytesAboveHighWater() > 0) {
    return "this node's memory is above its high-water mark";
  }
  return null;
}
