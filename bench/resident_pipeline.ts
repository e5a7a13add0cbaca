import process from "node:process";
import type { StaticModel } from "../actors/embedding/static/static_model.ts";
import { ByteCache } from "../actors/retriever/index/byte_cache.ts";
import { MemoryIndex } from "../actors/retriever/index/memory_index.ts";
import type { ResidentIndex } from "../actors/retriever/index/resident/resident_index.ts";
import { ScanThreads } from "../actors/retriever/index/resident/scan_threads.ts";
import { Turns } from "../actors/retriever/index/turns.ts";
import { phaseTimes } from "../actors/retriever/pipeline/phase_times.ts";
import { runPipeline } from "../actors/retriever/pipeline/pipeline.ts";
import { planSearch } from "../actors/retriever/pipeline/plan.ts";
import type { PipelineParts, ShownParent } from "../actors/retriever/pipeline/search_context.ts";
import { PLAIN_STRATEGIES, type SearchRequest, type Strategy } from "../actors/retriever/search.ts";
import { systemClock } from "../runtime/clock.ts";
import { searchRequest } from "../test/actors/retriever/search_requests.ts";
import { median } from "./harness/statistics.ts";

export interface PipelineCost {
  readonly name: string;
  readonly microseconds: number;
}

const FUSION = { type: "weighted", alpha: 0.3 } as const;
const FULL = { mode: "full", canEmbed: true, canSearchVectors: true, canSearchText: true, degradations: [] } as const;
const TIMEOUT_MS = 10_000;
const SCAN_THREADS_FROM_ROWS = 100_000;
const PHASES = ["embed", "vector", "bm25", "fuse", "encode"] as const;

/**
 * What the whole pipeline takes of a query, from the admitted request to the answer's bytes, by strategy; and which part of
 * a hybrid query each phase has (elapsed time, so a busy machine shows in it).
 */
export async function measurePipeline(
  index: ResidentIndex,
  model: StaticModel,
  queries: readonly string[],
  rounds: number,
): Promise<readonly PipelineCost[]> {
  const parts = pipelineParts(model);
  const { clock } = parts;
  const turns = new Turns({ maxTurnMs: 2, maxWaiting: 1, clock });
  const scans = new ScanThreads({ threads: 1, fromRows: SCAN_THREADS_FROM_ROWS, maxWaiting: 1, timeoutMs: TIMEOUT_MS, clock });
  const memory = new MemoryIndex(index, { turns, scans });
  const never = new AbortController().signal;
  const ask = (query: string, strategy: Strategy) => {
    const request = requestOf(query, strategy);
    const nowMs = parts.clock.monotonicMs();
    const search = {
      request,
      plan: planSearch(request, FUSION, FULL),
      mode: FULL.mode,
      notBeforeMs: null,
      receivedMs: nowMs,
      isEmpty: false,
      isShedding: false,
      visible: null,
    };
    return runPipeline(parts, memory, search, nowMs + TIMEOUT_MS, never);
  };
  const costs: PipelineCost[] = [];
  for (const strategy of PLAIN_STRATEGIES) {
    for (const query of queries) await ask(query, strategy);
    const perRound: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const before = process.cpuUsage();
      for (const query of queries) await ask(query, strategy);
      const { user, system } = process.cpuUsage(before);
      perRound.push((user + system) / queries.length);
    }
    costs.push({ name: `pipeline, ${strategy}`, microseconds: median(perRound) });
  }
  const phases = new Map<string, number[]>(PHASES.map((phase) => [phase, []]));
  for (const query of queries) {
    const { timings_ms: timings } = (await ask(query, "hybrid")).answer.rest;
    for (const [phase, samples] of phases) samples.push((timings[phase] ?? 0) * 1_000);
  }
  return [...costs, ...[...phases].map(([phase, samples]) => ({ name: `pipeline, hybrid: ${phase}`, microseconds: median(samples) }))];
}

function pipelineParts(model: StaticModel): PipelineParts {
  const clock = systemClock();
  return {
    clock,
    model,
    documents: { getParents: async () => [] },
    modes: { serviceOf: (role) => ({ service: role, breaker: "closed" }) },
    metrics: { answered: () => {}, failed: () => {}, degraded: () => {}, activated: () => {}, passivated: () => {}, count: () => {} },
    times: phaseTimes(clock, 60_000),
    ageMs: () => 0,
    reranker: null,
    languageModel: null,
    limits: {
      embedShare: 0.5,
      retrieveShare: 0.9,
      parentsShare: 0.5,
      rewriteShare: 0.4,
      rerankShare: 0.7,
      minPhaseChance: 0.5,
      stragglerFactor: 4,
      minStragglerMs: 250,
    },
    collection: "bench",
    version: 1,
    parentTexts: new ByteCache(0, ({ text }: ShownParent) => text.length),
  };
}

function requestOf(query: string, strategy: Strategy): SearchRequest {
  return searchRequest({ collection: "bench", query, strategy, useCache: false });
}
