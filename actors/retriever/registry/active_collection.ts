import { cancellationOf } from "../../../runtime/cancellation.ts";
import { kennelError } from "../../../runtime/errors.ts";
import type { Random } from "../../../runtime/random.ts";
import type { Child, ChildSpec } from "../../../supervisor/child.ts";
import type { Residency } from "../../coordinator/modes.ts";
import type { CollectionRecord } from "../../document_store/collection_record.ts";
import type { RetrievalIndex } from "../index/index.ts";
import type { IndexWrite } from "../index/residency.ts";
import type { RetrieverMessage, SearchOutcome } from "../messages.ts";
import type { PreparedSearch } from "../pipeline/search_context.ts";
import type { DeadlinePressure } from "./deadline_pressure.ts";
import type { Tenant } from "./passivation.ts";

// Invariants:
//   V1. `targetVersion` is raised, in one turn with telling the retrievers, before anyone can ask for the new version; so
//       a search that is asked after it is received after the refresh.
//   V2. A retriever that could not hear of a refresh was not running; its next incarnation opens at `targetVersion`.

/** What a supervisor can do for retrievers. */
export interface RetrieverSupervisor {
  spawn<State, Message>(spec: ChildSpec<State, Message>): Child<Message>;
}

/** One retriever actor of a collection's pool. */
interface Replica {
  readonly child: Child<RetrieverMessage>;
  /** Asks of ours that it has not settled. */
  load: number;
  /** What the running incarnation searches; null before it has opened one. */
  readonly index: () => RetrievalIndex | null;
}

export interface ReplicaPlan {
  readonly name: string;
  /** The index version to open at. */
  readonly targetVersion: () => number;
  /** Another index answers from now on; the reason says why it is the store's. */
  readonly onIndex: (index: RetrievalIndex, reason: string | null) => void;
  readonly details: () => Readonly<Record<string, unknown>>;
}

/** Makes the child spec of a retriever: the registry knows what one is made of, the collection when it is needed. */
export type SpecMaker = (plan: ReplicaPlan) => ChildSpec<unknown, RetrieverMessage>;

interface VersionWaiter {
  readonly version: number;
  readonly resolve: () => void;
}

/** A collection with retrievers on this node. */
export class ActiveCollection implements Tenant {
  readonly key: string;
  readonly record: CollectionRecord;
  readonly version: number;
  readonly pressure: DeadlinePressure;
  lastUsedMs: number;
  readonly #random: Random;
  readonly #maxWaiting: number;
  readonly #replicas: Replica[] = [];
  readonly #waiters = new Set<VersionWaiter>();
  readonly #isToBeResident: boolean;
  readonly #ageMs: () => number;
  readonly #onIndex: () => void;
  #targetVersion: number;
  /** It is being put out of memory, unless a search comes first. */
  isLeaving = false;
  #stopping: Promise<void> | null = null;

  constructor(options: {
    readonly record: CollectionRecord;
    readonly version: number;
    readonly nowMs: number;
    readonly random: Random;
    /** Queries that may wait for an index version. */
    readonly maxWaiting: number;
    readonly isToBeResident: boolean;
    readonly pressure: DeadlinePressure;
    /** How long it is not known that the index is level with its store. */
    readonly ageMs: () => number;
    /** Told when what it holds in memory has changed much. */
    readonly onIndex: () => void;
  }) {
    this.record = options.record;
    this.version = options.version;
    this.pressure = options.pressure;
    this.key = activeKey(options.record.name, options.version);
    this.lastUsedMs = options.nowMs;
    this.#random = options.random;
    this.#maxWaiting = options.maxWaiting;
    this.#isToBeResident = options.isToBeResident;
    this.#ageMs = options.ageMs;
    this.#onIndex = options.onIndex;
    this.#targetVersion = options.record.indexVersion;
  }

  get isPinned(): boolean {
    return this.record.settings.pinned || this.record.settings.resident === "always";
  }

  get isStopping(): boolean {
    return this.#stopping !== null;
  }

  /** Whether a search would be answered without waiting for a start. */
  get isReady(): boolean {
    return !this.isStopping && this.#replicas.some(({ child }) => child.state.kind === "ready");
  }

  get load(): number {
    return this.#replicas.reduce((sum, { load }) => sum + load, 0);
  }

  get bytes(): number {
    return this.#replicas.reduce((sum, { index }) => sum + (index()?.bytes ?? 0), 0);
  }

  /** The newest index version known; answers of another one are old. */
  get targetVersion(): number {
    return this.#targetVersion;
  }

  /** What every search from now on sees at least. */
  get indexVersion(): number {
    return this.#replicas.reduce((least, { index }) => Math.min(least, index()?.indexVersion ?? this.#targetVersion), this.#targetVersion);
  }

  get residency(): Residency {
    return this.#replicas.length > 0 && this.#replicas.every(({ index }) => index()?.kind === "resident") ? "resident" : "store";
  }

  /** Starts the pool. Throws a `TypeError` when the supervisor takes no children. */
  open(supervisor: RetrieverSupervisor, makeSpec: SpecMaker): void {
    const { name, settings } = this.record;
    // One actor to an index in memory: more would hold the same again and wait for the same thread.
    const pool = this.#isToBeResident ? 1 : settings.pool;
    for (let number = 1; number <= pool; number++) {
      let index: RetrievalIndex | null = null;
      let reason: string | null = null;
      const spec = makeSpec({
        name: number === 1 ? this.key : `${this.key}.r${number}`,
        targetVersion: () => this.#targetVersion,
        onIndex: (opened, why) => {
          index = opened;
          reason = why;
          this.#onIndex();
          this.#wakeWaiters();
        },
        details: () => ({
          collection: name,
          version: this.version,
          index: index?.kind ?? null,
          index_reason: reason,
          index_version: index?.indexVersion ?? null,
          index_bytes: index?.bytes ?? 0,
          index_age_ms: this.#ageMs(),
          load: replica.load,
          deadlines: this.pressure.status,
        }),
      });
      const replica: Replica = { child: supervisor.spawn(spec), load: 0, index: () => index };
      this.#replicas.push(replica);
    }
  }

  /** Resolves when one of the pool can answer. */
  async whenReady(signal: AbortSignal): Promise<void> {
    await Promise.any(this.#replicas.map(({ child }) => child.whenReady(signal))).catch((thrown: AggregateError) => {
      throw thrown.errors[0];
    });
  }

  async ask(search: PreparedSearch, timeoutMs: number, signal: AbortSignal): Promise<SearchOutcome> {
    const replica = this.#pick();
    if (replica === null) throw kennelError("unavailable");
    replica.load++;
    try {
      return await replica.child.ask<SearchOutcome>({ kind: "search", search }, { timeoutMs, signal });
    } finally {
      replica.load--;
    }
  }

  /** Tells the pool of a new index version (V1). Resolves when all that run have taken it in; never rejects. */
  async refresh(indexVersion: number, timeoutMs: number): Promise<void> {
    if (indexVersion > this.#targetVersion) this.#targetVersion = indexVersion;
    await Promise.all(
      this.#replicas.map(({ child }) =>
        child.ask<number>({ kind: "refresh", indexVersion }, { timeoutMs, lane: "control" }).catch(() => indexVersion),
      ),
    ); // V2
    this.#wakeWaiters();
  }

  /** Hands a write on that the store has acknowledged. False: a retriever may not have taken it in, and must not go on. */
  async write(write: IndexWrite, timeoutMs: number): Promise<boolean> {
    const taken = this.#replicas.map(({ child }) =>
      child.ask<true>({ kind: "write", write }, { timeoutMs, lane: "control" }).catch(() => false as const),
    );
    return (await Promise.all(taken)).every((isTaken) => isTaken);
  }

  /** Resolves when searches see this index version. Rejects with `overloaded` or when the signal aborts. */
  reached(version: number, signal: AbortSignal): Promise<void> {
    if (this.indexVersion >= version) return Promise.resolve();
    if (this.#waiters.size >= this.#maxWaiting) return Promise.reject(kennelError("overloaded"));
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.delete(waiter);
        reject(cancellationOf(signal));
      };
      const waiter: VersionWaiter = {
        version,
        resolve: () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /**
   * Lets go of what the pool holds in memory, saved before where that is wanted. False: it was searched meanwhile, and stays.
   * Never rejects: one that does not answer in time lets go unsaved.
   */
  async leave(isToSave: boolean, timeoutMs: number): Promise<boolean> {
    const ask = (child: Child<RetrieverMessage>, saves: boolean) =>
      child.ask<boolean>({ kind: "leave", isToSave: saves }, { timeoutMs, lane: "control" });
    this.isLeaving = true;
    const left = await Promise.all(
      this.#replicas.map(({ child }) => ask(child, isToSave).catch(() => ask(child, false).catch(() => true))),
    );
    this.isLeaving = false;
    return left.every((hasLeft) => hasLeft);
  }

  /** Ends the pool; searches under way are finished within the children's grace. Idempotent. */
  stop(reason: string): Promise<void> {
    this.#stopping ??= Promise.all(this.#replicas.map(({ child }) => child.stop(reason))).then(() => {});
    return this.#stopping;
  }

  /** The less loaded of two at random: nearly as even as asking all of them, without the herd at the emptiest. */
  #pick(): Replica | null {
    const ready = this.#replicas.filter(({ child }) => child.state.kind === "ready");
    const pool = ready.length > 0 ? ready : this.#replicas;
    const first = pool[Math.floor(this.#random.next() * pool.length)];
    if (pool.length < 2 || first === undefined) return first ?? null;
    const others = pool.filter((replica) => replica !== first);
    const second = others[Math.floor(this.#random.next() * others.length)] ?? first;
    return second.load < first.load ? second : first;
  }

  #wakeWaiters(): void {
    const { indexVersion } = this;
    for (const waiter of [...this.#waiters]) {
      if (waiter.version > indexVersion) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }
}

/** Also the child's name: `docs.v1`. */
export function activeKey(collection: string, version: number): string {
  return `${collection}.v${version}`;
}
