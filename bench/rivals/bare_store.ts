import type { EmbeddingModel } from "../../actors/embedding/embedding.ts";
import { loadStaticModel } from "../../actors/embedding/static/static_model.ts";
import { weightedFusion } from "../../actors/retriever/fusion/weighted.ts";
import { openLanceDb } from "../../actors/vector_store/lancedb.ts";
import type { Candidate, IndexName, LexicalIndex, VectorStore } from "../../actors/vector_store/vector_store.ts";
import { systemClock } from "../../runtime/clock.ts";
import { serveCommands } from "../harness/side_process.ts";
import { quantile } from "../harness/statistics.ts";

/**
 * The bare store calls that a search is made of, in a process of their own and without anything around them: embed, both
 * branches side by side, weighted fusion, the texts of ten hits, their JSON. What Kennel costs is what it takes beyond this.
 */
export type BareCommand =
  | { readonly kind: "open"; readonly directory: string; readonly index: IndexName }
  | { readonly kind: "run"; readonly queries: readonly string[]; readonly inFlight: number; readonly durationMs: number };

export interface BareResult {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** One answer, as long as Kennel's. */
  readonly sample: string;
}

export interface BareSearch {
  readonly store: VectorStore & LexicalIndex;
  readonly model: EmbeddingModel;
  readonly index: IndexName;
}

const CANDIDATES = { limit: 100, needed: null, filter: null, notBeforeMs: null } as const;
const HITS = 10;
const ALPHA = 0.3;
const never = new AbortController().signal;

export async function openBareSearch(directory: string, index: IndexName): Promise<BareSearch> {
  const options = {
    directory,
    maxOpenTables: 8,
    minVectorIndexRows: Number.MAX_SAFE_INTEGER,
    retentionMs: 3_600_000,
    clock: systemClock(),
  };
  const [store, model] = await Promise.all([openLanceDb(options), loadStaticModel()]);
  return { store, model, index };
}

export async function bareSearch({ store, model, index }: BareSearch, query: string): Promise<string> {
  const [vector] = await model.embed([query], "query", never);
  const [lexical, dense] = await Promise.all([
    store.searchText(index, query, CANDIDATES, never),
    vector == null ? [] : store.searchVector(index, vector, CANDIDATES, never),
  ]);
  const keyed = (candidates: readonly Candidate[]) => candidates.map((candidate) => ({ ...candidate, key: candidate.id }));
  const fused = weightedFusion([
    { candidates: keyed(dense), weight: ALPHA },
    { candidates: keyed(lexical), weight: 1 - ALPHA },
  ]).slice(0, HITS);
  const ids = fused.map(({ chunk }) => chunk.id);
  const chunks = new Map((await store.fetchChunks(index, ids, never)).map((chunk) => [chunk.id, chunk]));
  return JSON.stringify({ data: fused.map(({ chunk, fused: score }) => ({ ...chunks.get(chunk.id), score })) });
}

/** @param turn the place of the next query; goes on from command to command, so that no round repeats the queries of the last */
async function run(
  search: BareSearch,
  { queries, inFlight, durationMs }: Extract<BareCommand, { readonly kind: "run" }>,
  turn: { next: number },
): Promise<BareResult> {
  const latencies: number[] = [];
  let sample = "";
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (performance.now() - startMs < durationMs) {
        turn.next += 1;
        const askedMs = performance.now();
        sample = await bareSearch(search, queries[turn.next % queries.length] as string);
        latencies.push(performance.now() - askedMs);
      }
    }),
  );
  const perSecond = (latencies.length * 1000) / (performance.now() - startMs);
  return { requests: latencies.length, perSecond, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99), sample };
}

if (import.meta.main) {
  const turn = { next: 0 };
  let opened: BareSearch | null = null;
  await serveCommands<BareCommand>(async (command) => {
    if (command.kind === "open") {
      await opened?.store.close();
      opened = await openBareSearch(command.directory, command.index);
      return null;
    }
    if (opened === null) throw new Error("Nothing is open");
    return run(opened, command, turn);
  });
}
