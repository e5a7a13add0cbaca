import { decideMode, degradationsOf, type FailedService } from "../../../../actors/coordinator/mode.ts";
import type { Modes, Role } from "../../../../actors/coordinator/modes.ts";
import type { CollectionRecord, CollectionSettings } from "../../../../actors/document_store/collection_record.ts";
import type { SharedAnswers } from "../../../../actors/retriever/answers/shared_answers.ts";
import type { RegistryOptions, ResidentParts } from "../../../../actors/retriever/registry/options.ts";
import type { PopularByCollection, PopularQueryStore } from "../../../../actors/retriever/registry/popular_queries.ts";
import { PopularQueries } from "../../../../actors/retriever/registry/popular_queries.ts";
import { RetrieverRegistry } from "../../../../actors/retriever/registry/registry.ts";
import type { EncodedAnswer, SearchRequest } from "../../../../actors/retriever/search.ts";
import type { ChunkRow } from "../../../../actors/vector_store/vector_store.ts";
import { ALL_ON, type Flags } from "../../../../config/flags.ts";
import { kennelError } from "../../../../runtime/errors.ts";
import type { HedgeBudget } from "../../../../runtime/hedge.ts";
import { seededRandom } from "../../../../runtime/random.ts";
import { createLogger } from "../../../../telemetry/logs.ts";
import { OPEN_SCOPE, type Scope } from "../../../../transport/transport.ts";
import { startSupervisor, testLimits } from "../../../support/supervision.ts";
import { FaultyModel, FaultyStore, type SearchStore, textRow } from "../faulty_store.ts";
import { collectionRecord, countingMetrics, PATIENT, searchRequest } from "../search_requests.ts";

export const OPTIONS: RegistryOptions = {
  maxActive: 10,
  passivation: { idleMs: 60_000, maxBytes: 10_000_000 },
  sweepIntervalMs: 1_000,
  maxActivations: 4,
  activationTimeoutMs: 5_000,
  warmCollections: 2,
  warmLimitMs: 500,
  refreshTimeoutMs: 1_000,
  writeTimeoutMs: 1_000,
  maxWaiting: 100,
  answers: { maxBytes: 1_000_000, ttlMs: 600_000 },
  maxPassageBytes: 100_000,
  maxParentBytes: 100_000,
  phaseMemoryMs: 60_000,
  pipeline: PATIENT,
  shedding: { maxMissRatio: 0.1, minCalls: 20, holdMs: 2_000 },
  uses: { maxCollections: 10, flushIntervalMs: 1_000, flushLimitMs: 500 },
  retrieverLimits: testLimits({ maxInFlight: 32, mailboxCapacity: 100, slowCallMs: 60_000 }),
};

export const ROWS: readonly ChunkRow[] = [textRow("a", "cat cat"), textRow("b", "cat dog"), textRow("c", "bird")];

/** What is asked most, kept as a file would keep it. */
export class PopularMemory implements PopularQueryStore {
  kept: PopularByCollection = new Map();
  async read() {
    return this.kept;
  }
  async write(queries: PopularByCollection) {
    this.kept = queries;
  }
  async clear() {
    this.kept = new Map();
  }
}

/** A registry over real supervised actors, a store with faults, and a clock that is moved by hand. */
export function startRegistry(
  over: Partial<RegistryOptions> = {},
  given: {
    readonly store?: SearchStore;
    readonly resident?: ResidentParts;
    readonly popular?: PopularQueryStore;
    /** Of searches. */
    readonly hedges?: HedgeBudget;
    readonly flags?: Flags;
    readonly shared?: Pick<SharedAnswers, "find" | "keep">;
  } = {},
) {
  const { supervisor, clock } = startSupervisor();
  const store = new FaultyStore(ROWS);
  const model = new FaultyModel();
  const metrics = countingMetrics();
  const failed = new Map<Role, FailedService>();
  const collections = new Map<string, CollectionRecord>();
  const aliases = new Map<string, string>();
  const recent: string[] = [];
  const parentStore = { calls: 0, fault: null as "fail" | "hang" | null, texts: {} as Record<string, string> };
  const modes: Modes = {
    read(residency, hasVector) {
      const away = new Map([...failed].filter(([role]) => !hasVector || role !== "embedding"));
      const needs = { residency, hasCachedAnswers: true };
      const isResident = residency === "resident";
      return {
        mode: decideMode(away, needs),
        canEmbed: !away.has("embedding"),
        canSearchVectors: isResident || !away.has("vector_store"),
        canSearchText: isResident || !away.has("lexical_index"),
        degradations: degradationsOf(away, needs),
      };
    },
    serviceOf: (role) => ({ service: role, breaker: failed.get(role)?.breaker ?? "closed" }),
  };
  const searched = given.store ?? store;
  const registry = new RetrieverRegistry(
    {
      clock,
      random: seededRandom(1),
      logger: createLogger({ level: "silent", node: "test" }),
      metrics,
      supervisor: supervisor.spawnSupervisor("retrievers", { shutdown: "together" }),
      collections: {
        resolve(name) {
          const record = collections.get(aliases.get(name) ?? name);
          return record === undefined ? null : { record, version: record.version };
        },
      },
      pinned: () => [...collections.values()].filter(({ settings }) => settings.pinned).map(({ name }) => name),
      vectorStore: searched,
      lexicalIndex: searched,
      reranker: null,
      languageModel: null,
      sharedAnswers: given.shared ?? null,
      models(name) {
        if (name !== model.name) throw kennelError("unavailable", { message: `There is no model "${name}"` });
        return model;
      },
      documents: {
        async getParents(_collection, _version, ids) {
          parentStore.calls++;
          if (parentStore.fault === "fail") throw kennelError("unavailable");
          if (parentStore.fault === "hang") return new Promise(() => {});
          return ids.flatMap((id) => (parentStore.texts[id] === undefined ? [] : [{ id, text: parentStore.texts[id], principals: [] }]));
        },
        noteUse: async () => {},
        recentlyUsed: async () => recent,
      },
      modes,
      flags: given.flags ?? ALL_ON,
      hedging: {
        searches: given.hedges === undefined ? null : { clock, budget: given.hedges, minDelayMs: 10, halfLifeMs: 15_000 },
        parents: null,
      },
      bulkheads: { embedding: null, reranker: null },
      popular: new PopularQueries(
        clock,
        given.popular ?? new PopularMemory(),
        { maxQueries: 2, maxCollections: 3, saveIntervalMs: 60_000 },
        () => {},
      ),
      resident: given.resident ?? null,
    },
    { ...OPTIONS, ...over },
  );

  const put = (name: string, record: Partial<CollectionRecord> = {}, settings: Partial<CollectionSettings> = {}) => {
    collections.set(name, collectionRecord({ name, ...record }, settings));
  };
  put("docs");

  const retrievers = () => supervisor.status().children[0]?.children ?? [];
  /** The search as a transport would make it: its signal carries the deadline. */
  const search = (
    request: Partial<SearchRequest> = {},
    options: { readonly timeoutMs?: number; readonly scope?: Scope; readonly signal?: AbortSignal } = {},
  ) => {
    const timeoutMs = options.timeoutMs ?? 10_000;
    const headers = { requestId: "r", timeoutMs, traceparent: null, scope: options.scope ?? OPEN_SCOPE };
    const end = new AbortController();
    const timer = clock.setTimer(timeoutMs, () => end.abort(deadline()));
    const answer = registry.search(searchRequest(request), headers, AbortSignal.any([end.signal, options.signal ?? end.signal]));
    answer.then(timer.cancel, timer.cancel);
    return answer;
  };
  /** What the transport asks before it makes a search. */
  const ready = (request: Partial<SearchRequest> = {}, scope: Scope = OPEN_SCOPE) =>
    registry.ready(searchRequest(request), { requestId: "r", timeoutMs: 10_000, traceparent: null, scope });
  /** A store's outage as the coordinator would publish it. */
  const fail = (...roles: Role[]) => {
    failed.clear();
    for (const role of roles) failed.set(role, { service: role, breaker: "open" });
  };
  /** What ingest does when it has written: the rows, then the record, then the word. */
  const write = async (name: string, rows: readonly ChunkRow[], parents: ReadonlyMap<string, string> | null = null) => {
    const before = store.rows;
    store.rows = rows;
    const record = collections.get(name);
    if (record === undefined) throw new Error(`no collection ${name}`);
    const changed = rows.filter((row) => !before.includes(row));
    const documentIds = [...new Set([...before.filter((row) => !rows.includes(row)), ...changed].map(({ documentId }) => documentId))];
    const whole = rows.filter(({ documentId }) => documentIds.includes(documentId));
    await registry.written({ collection: name, version: record.version }, { documentIds, rows: whole, parents });
    const indexVersion = record.indexVersion + 1;
    collections.set(name, { ...record, indexVersion });
    await registry.refresh(name, indexVersion);
    return indexVersion;
  };
  /** Takes everything down; who waits for threads or files has to wait for this before time is moved. */
  const end = async () => {
    await registry.drain();
    await supervisor.stop({ reason: "end of test", limitMs: 2_000 });
  };
  const stop = async () => {
    const ended = end();
    await clock.advance(5_000);
    await ended;
  };
  return {
    registry,
    supervisor,
    clock,
    store,
    model,
    metrics,
    collections,
    aliases,
    recent,
    parentStore,
    put,
    search,
    ready,
    fail,
    write,
    retrievers,
    end,
    stop,
  };
}

export type RegistryRig = ReturnType<typeof startRegistry>;

function deadline(): Error {
  return kennelError("deadline_exceeded");
}

export async function withRegistry(over: Partial<RegistryOptions>, body: (rig: RegistryRig) => Promise<void>): Promise<void> {
  const rig = startRegistry(over);
  try {
    await body(rig);
  } finally {
    await rig.stop();
  }
}

export const cacheOf = (answer: EncodedAnswer): string => answer.rest.cache;
