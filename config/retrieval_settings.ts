import { z } from "zod";
import { setting } from "./setting.ts";
import { bytes, count, MIB, milliseconds, share } from "./value_types.ts";

/** Retrievers: what they may take, share and keep. */
export const RETRIEVAL_SETTINGS = {
  retriever: {
    maxBytes: setting(bytes(), 512 * MIB, "Memory of all warm retrievers together, as they count it; the least recently used makes room"),
    maxActive: setting(count(), 256, "Retrievers kept warm at once"),
    idleMs: setting(milliseconds(30 * 86_400_000), 900_000, "A retriever that nobody asked for this long is passivated"),
    warmCollections: setting(z.int().min(0).max(10_000), 16, "Recently used collections that are warmed at start, besides pinned ones"),
    warmQueries: setting(
      z.int().min(0).max(1_000),
      32,
      "Most asked questions of each warmed collection that are asked again after a start, in the background, so that caches are warm; they are kept in the data folder. 0: none",
    ),
    maxActivations: setting(count(1_000), 4, "Activations running at once"),
    activationTimeoutMs: setting(milliseconds(600_000), 15_000, "Time an activation may take"),
    warmLimitMs: setting(milliseconds(600_000), 5_000, "Time that opening tables and a first search may take when a retriever starts"),
    maxPassageBytes: setting(z.int().min(0), 8 * MIB, "Passages that one retriever keeps because they were answers before; 0: none"),
    embedShare: setting(share, 0.5, "Share of a query's remaining time that embedding may take"),
    retrieveShare: setting(share, 0.9, "Share of a query's remaining time that a branch may take, embedding included"),
    parentsShare: setting(share, 0.5, "Share of a query's remaining time that fetching parents may take"),
    rewriteShare: setting(share, 0.4, "Share of a query's remaining time that a language model may take to write further questions"),
    rerankShare: setting(share, 0.7, "Share of a query's remaining time that ranking anew may take"),
    minPhaseChance: setting(
      z.number().min(0).max(1),
      0.5,
      "An optional phase (rewriting, ranking anew, parents) is left out when fewer of its latest runs have ended in the time it may take: 0.5 asks its p50 to fit, 0.95 its p95",
    ),
    stragglerFactor: setting(z.number().min(1).max(1_000), 4, "Once a branch has answered, others get this many times their usual p95 ..."),
    minStragglerMs: setting(z.int().min(0).max(600_000), 250, "... and at least this"),
    useFlushIntervalMs: setting(milliseconds(), 10_000, "Pause between two notes of which collections were used"),
  },

  hedging: {
    maxShare: setting(
      z.number().min(0).max(1),
      0.05,
      "Second attempts of reads that Milvus or MongoDB is slow with, as a share of all such reads; the first answer wins. 0: none",
    ),
    minDelayMs: setting(milliseconds(600_000), 10, "A read gets its second attempt after its usual p95, and never sooner than this"),
  },

  bulkhead: {
    maxShare: setting(
      share,
      0.75,
      "Share of a store's, model's or reranker's calls at once that one collection may have while no other wants any; the more want some, the less each. 1: all",
    ),
    maxWaiting: setting(count(), 1_000, "Calls of one collection that wait for each of them; beyond it `overloaded`"),
  },

  shedding: {
    maxMissRatio: setting(
      share,
      0.1,
      "Share of a collection's computed queries that may miss their deadlines; above it optional work is shed, then a part of its queries",
    ),
    minCalls: setting(count(), 20, "Queries below which no more is shed"),
    holdMs: setting(milliseconds(600_000), 2_000, "Time that each step lasts at least"),
  },

  resident: {
    maxChunks: setting(
      count(2_000_000),
      250_000,
      "Chunks beyond which a collection is answered by its store: a search of more would take above 2 ms of processor time",
    ),
    bytesPerChunk: setting(
      count(),
      2_000,
      "Memory that a chunk with its text is expected to take; what `auto` decides by whether a collection fits into `retriever.maxBytes`",
    ),
    highWater: setting(
      share,
      0.85,
      "Share of the machine's or container's memory from which on the least recently used warm collections make way and no other becomes resident",
    ),
    bitsFromChunks: setting(count(), 20_000, "Chunks from which on vectors are searched by one bit a component first"),
    mergeFromChunks: setting(count(), 1_000, "Written chunks, at least a tenth of all, from which on they are merged into the index"),
    maxBuilds: setting(count(64), 2, "Indexes built from the store at once; each holds the rows it has read"),
    buildPageChunks: setting(count(100_000), 1_000, "Chunks read from the store in one step of a build"),
    maxBacklogChunks: setting(count(), 10_000, "Chunks that may be written while a build runs; with more it is given up and tried again"),
    taskTimeoutMs: setting(milliseconds(3_600_000), 120_000, "Time for one step in the index thread: a page, a merge, a file"),
    saveAfterMs: setting(milliseconds(), 5_000, "Quiet after the last write before an index is saved to the data folder"),
    saveLimitMs: setting(milliseconds(600_000), 4_000, "Time that saving may take when a retriever stops"),
    retryAfterMs: setting(milliseconds(), 30_000, "Pause after a build that failed"),
    scanThreads: setting(count(64), 1, "Threads that scan the vectors of large collections"),
    scanThreadsFromChunks: setting(count(), 100_000, "Chunks above which a collection's vectors are scanned in those threads"),
    maxTurnMs: setting(
      z.number().gt(0).max(1_000),
      2,
      "Time that searches in memory take of one turn of the event loop; the others wait for the next",
    ),
  },

  cache: {
    answerBytes: setting(z.int().min(0), 64 * MIB, "Memory for answers; 0: none are kept"),
    answerTtlMs: setting(milliseconds(), 300_000, "Longest life of a cached answer; a changed index ends it sooner"),
    queryEmbeddingBytes: setting(z.int().min(0), 32 * MIB, "Memory for vectors of queries; 0: none are kept"),
    documentEmbeddingBytes: setting(z.int().min(0), 32 * MIB, "Memory for vectors of documents; 0: none are kept"),
    diskEmbeddingBytes: setting(
      z.int().min(0),
      512 * MIB,
      "Space in the data folder for vectors of documents that a provider has made; 0: none are kept",
    ),
  },
};
