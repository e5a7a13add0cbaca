import { unlessAborted } from "../../../runtime/cancellation.ts";
import type { Timer } from "../../../runtime/clock.ts";
import { kennelError, toKennelError } from "../../../runtime/errors.ts";
import type { IndexName } from "../../vector_store/vector_store.ts";
import type { IndexWrite } from "../index/residency.ts";
import { Slots } from "../slots.ts";
import { ActiveCollection, activeKey } from "./active_collection.ts";
import type { RegistryOptions, RegistryParts, ResolvedCollection } from "./options.ts";
import { byDispensability, choosePassivations, type PassivationReason } from "./passivation.ts";
import { reasonForStore, retrieverSpec } from "./retriever_spec.ts";

// Invariants:
//   N1. A collection's build is active at most once: who asks while it is being opened waits for that opening, and who
//       asks while its last one drains waits for the drain.
//   N2. At most `maxActive` are active, those that drain not counted.
//   N4. A write is handed to every retriever that could have been opened before the store had it; until it has an index
//       version of its own, no snapshot is taken for that version.
//   N3. Opening one never waits for anything that another one's retriever does, apart from its place in line.

/** The collections that have retrievers on this node. */
export class Actives {
  readonly #parts: RegistryParts;
  readonly #options: RegistryOptions;
  readonly #active = new Map<string, ActiveCollection>();
  readonly #opening = new Map<string, Promise<void>>();
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #slots: Slots;
  readonly #stop = new AbortController();
  /** Builds that were written to since their last index version, and which that was (N4). */
  readonly #unversioned = new Map<string, number>();
  #sweep: Timer | null = null;

  constructor(parts: RegistryParts, options: RegistryOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#slots = new Slots(options.maxActivations, options.maxActive);
    this.#scheduleSweep();
  }

  get size(): number {
    return this.#active.size;
  }

  get bytes(): number {
    let bytes = 0;
    for (const entry of this.#active.values()) bytes += entry.bytes;
    return bytes;
  }

  find({ record, version }: ResolvedCollection): ActiveCollection | null {
    return this.#active.get(activeKey(record.name, version)) ?? null;
  }

  *of(collection: string): Iterable<ActiveCollection> {
    for (const entry of this.#active.values()) if (entry.record.name === collection) yield entry;
  }

  /** The active collection, opened first where it is not active. Its retrievers may still be starting: asks wait for them. */
  async open(resolved: ResolvedCollection, signal: AbortSignal): Promise<ActiveCollection> {
    const entry = this.find(resolved) ?? this.#begin(resolved);
    const opening = this.#opening.get(entry.key);
    if (opening !== undefined) await unlessAborted(opening, signal);
    return entry;
  }

  async passivate(entry: ActiveCollection, reason: PassivationReason | "deleted" | "changed" | "behind"): Promise<void> {
    if (this.#active.get(entry.key) !== entry) return;
    this.#active.delete(entry.key);
    this.#parts.metrics.passivated(reason);
    const left = entry.stop(reason).finally(() => {
      if (this.#leaving.get(entry.key) === left) this.#leaving.delete(entry.key);
    });
    this.#leaving.set(entry.key, left);
    await left;
  }

  /** The store has acknowledged a write. Resolves when every retriever of the build shows it, or has made way. */
  async written({ collection, version }: IndexName, write: IndexWrite): Promise<void> {
    const key = activeKey(collection, version);
    const entry = this.#active.get(key);
    const known = this.#parts.collections.resolve(collection)?.record.indexVersion ?? 0;
    this.#unversioned.set(key, Math.max(known, entry?.targetVersion ?? 0)); // N4
    if (entry === undefined) return;
    const opening = this.#opening.get(key);
    if (opening !== undefined) await opening.catch(() => {});
    if (!(await entry.write(write, this.#options.writeTimeoutMs))) await this.passivate(entry, "behind");
  }

  /** What was written to the collection before `indexVersion` was made is in it. */
  versioned(collection: string, indexVersion: number): void {
    for (const [key, writtenAt] of this.#unversioned) {
      if (key.startsWith(`${collection}.v`) && writtenAt < indexVersion) this.#unversioned.delete(key);
    }
  }

  /** No more openings and sweeps; the retrievers themselves are the supervisor's to stop. */
  stop(): void {
    this.#sweep?.cancel();
    this.#stop.abort(kennelError("draining"));
  }

  #begin(resolved: ResolvedCollection): ActiveCollection {
    const { clock, random } = this.#parts;
    const entry = new ActiveCollection({
      ...resolved,
      nowMs: clock.monotonicMs(),
      random,
      maxWaiting: this.#options.maxWaiting,
      isToBeResident: reasonForStore(this.#parts, this.#options, resolved) === null,
      onIndex: () => this.#sweepSoon(),
    });
    this.#makeRoom();
    this.#active.set(entry.key, entry);
    const opening = this.#open(entry, resolved).finally(() => this.#opening.delete(entry.key));
    opening.catch(() => {
      if (this.#active.get(entry.key) === entry) this.#active.delete(entry.key);
    });
    this.#opening.set(entry.key, opening);
    return entry;
  }

  async #open(entry: ActiveCollection, resolved: ResolvedCollection): Promise<void> {
    const { clock, supervisor, metrics } = this.#parts;
    const { activationTimeoutMs } = this.#options;
    await this.#leaving.get(entry.key); // N1
    const release = await this.#slots.take(this.#stop.signal);
    try {
      if (this.#stop.signal.aborted) throw kennelError("draining");
      if (entry.isStopping) throw kennelError("unavailable", { message: `Collection "${entry.record.name}" is being closed` });
      entry.open(supervisor, (plan) => retrieverSpec(this.#parts, this.#options, resolved, plan, () => !this.#unversioned.has(entry.key)));
    } catch (thrown) {
      release();
      void entry.stop("it could not be opened");
      throw toKennelError(thrown);
    }
    const startedMs = clock.monotonicMs();
    const limit = new AbortController();
    const timer = clock.setTimer(activationTimeoutMs, () => limit.abort(kennelError("deadline_exceeded")));
    void entry
      .whenReady(limit.signal)
      .then(
        () => metrics.activated("ready", clock.monotonicMs() - startedMs),
        () => metrics.activated("failed", clock.monotonicMs() - startedMs),
      )
      .finally(() => {
        timer.cancel();
        release();
      });
  }

  #makeRoom(): void {
    const tooMany = this.#active.size - this.#options.maxActive + 1;
    if (tooMany <= 0) return;
    for (const entry of byDispensability(this.#active.values()).slice(0, tooMany)) void this.passivate(entry, "count"); // N2
  }

  /** An index in memory has come or gone: what must go for it goes now, and no query waits for that. */
  #sweepSoon(): void {
    this.#sweep?.cancel();
    if (!this.#stop.signal.aborted) this.#sweep = this.#parts.clock.setTimer(0, () => this.#sweepNow());
  }

  #sweepNow(): void {
    const leaving = choosePassivations(this.#active.values(), this.#options.passivation, this.#parts.clock.monotonicMs());
    for (const { tenant, reason } of leaving) void this.passivate(tenant, reason);
    if (!this.#stop.signal.aborted) this.#scheduleSweep();
  }

  #scheduleSweep(): void {
    this.#sweep = this.#parts.clock.setTimer(this.#options.sweepIntervalMs, () => this.#sweepNow());
  }
}
