import { unlessAborted } from "../../../runtime/cancellation.ts";
import type { Timer } from "../../../runtime/clock.ts";
import { kennelError, toKennelError } from "../../../runtime/errors.ts";
import { Slots } from "../../../runtime/slots.ts";
import type { IndexName } from "../../vector_store/vector_store.ts";
import type { IndexWrite } from "../index/residency.ts";
import { ActiveCollection, activeKey } from "./active_collection.ts";
import { DeadlinePressure } from "./deadline_pressure.ts";
import type { Freshness } from "./freshness.ts";
import type { RegistryOptions, RegistryParts, ResolvedCollection } from "./options.ts";
import { byDispensability, choosePassivations, type PassivationReason } from "./passivation.ts";
import { reasonForStore, retrieverSpec } from "./retriever_spec.ts";

// Invariants:
//   N1. A collection's build is active at most once: who asks while it is being opened waits for that opening, and who
//       asks while its last one drains waits for the drain.
//   N2. At most `maxActive` are active, those that drain or are being opened not counted.
//   N4. A write is handed to every retriever that could have been opened before the store had it; until it has an index
//       version of its own, no snapshot is taken for that version.
//   N5. What is put out of memory is saved before it is closed, and is searched meanwhile: a search calls it off. What waits
//       to be saved is bounded; beyond it the store is the truth, and the index is let go at once.
//   N3. Opening one never waits for anything that another one's retriever does, apart from its place in line.

/** Of the memory for all, what may be held by those that are being saved on their way out (N5). */
const MAX_SAVING_SHARE = 0.25;

/** The collections that have retrievers on this node. */
export class Actives {
  readonly #parts: RegistryParts;
  readonly #options: RegistryOptions;
  readonly #freshness: Freshness;
  readonly #active = new Map<string, ActiveCollection>();
  readonly #opening = new Map<string, Promise<void>>();
  readonly #leaving = new Map<string, Promise<unknown>>();
  readonly #slots: Slots;
  /** Bytes of those that are being saved on their way out. */
  #savingBytes = 0;
  readonly #stop = new AbortController();
  /** Builds that were written to since their last index version, and which that was (N4). */
  readonly #unversioned = new Map<string, number>();
  #sweep: Timer | null = null;

  constructor(parts: RegistryParts, options: RegistryOptions, freshness: Freshness) {
    this.#freshness = freshness;
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

  /** Collections that shed something, by what. */
  get shedding(): { readonly optional_work: number; readonly load: number } {
    const shedding = { optional_work: 0, load: 0 };
    for (const { pressure } of this.#active.values()) if (pressure.sheds !== "nothing") shedding[pressure.sheds]++;
    return shedding;
  }

  find({ record, version }: ResolvedCollection): ActiveCollection | null {
    return this.#active.get(activeKey(record.name, version)) ?? null;
  }

  /** The newest index version known here; retrievers that are behind are told of it. */
  targetVersion(resolved: ResolvedCollection): number {
    const { record } = resolved;
    const entry = this.find(resolved);
    if (entry === null) return record.indexVersion;
    if (record.indexVersion > entry.targetVersion) void entry.refresh(record.indexVersion, this.#options.refreshTimeoutMs);
    return entry.targetVersion;
  }

  /** Collections whose active build can be searched without waiting. */
  *ready(): Iterable<string> {
    for (const { record, version, isReady } of this.#active.values()) if (isReady && version === record.version) yield record.name;
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

  async passivate(entry: ActiveCollection, reason: PassivationReason | "deleted" | "changed" | "behind" | "elsewhere"): Promise<void> {
    if (this.#active.get(entry.key) !== entry) return;
    this.#active.delete(entry.key);
    this.#parts.metrics.passivated(reason);
    const isWorthSaving = reason !== "deleted" && reason !== "behind";
    const gone = isWorthSaving ? entry.stop(reason) : entry.leave(false, this.#options.writeTimeoutMs).then(() => entry.stop(reason));
    // N1: one that was to be opened and is put out before has nothing to drain, but the one before it may still drain.
    const left = Promise.all([this.#leaving.get(entry.key), gone]).finally(() => {
      if (this.#leaving.get(entry.key) === left) this.#leaving.delete(entry.key);
    });
    this.#leaving.set(entry.key, left);
    await left;
  }

  /** Every retriever ends, after its searches; the next query of each collection opens it as it is to be now. */
  async reopenAll(): Promise<void> {
    await Promise.all([...this.#active.values()].map((entry) => this.passivate(entry, "changed")));
  }

  /** Makes room (N5). Never rejects. */
  async #putOut(entry: ActiveCollection, reason: PassivationReason): Promise<void> {
    if (entry.isLeaving) return;
    if (entry.residency === "store") return this.passivate(entry, reason); // it holds nothing to save
    const { bytes } = entry;
    const isToSave = this.#savingBytes + bytes <= this.#options.passivation.maxBytes * MAX_SAVING_SHARE;
    const savingBytes = isToSave ? bytes : 0;
    this.#savingBytes += savingBytes;
    const hasLeft = await entry.leave(isToSave, this.#parts.resident?.limits.saveLimitMs ?? this.#options.writeTimeoutMs);
    this.#savingBytes -= savingBytes;
    if (hasLeft) await this.passivate(entry, reason);
    else this.#sweepSoon(); // another one has to make room
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

  /** Whoever searches an older index version than the catalog knows, which is what a message that was lost leaves behind. */
  *stale(): Iterable<ActiveCollection> {
    for (const entry of this.#active.values()) {
      const known = this.#parts.collections.resolve(entry.record.name)?.record;
      if (known !== undefined && entry.isReady && entry.indexVersion < known.indexVersion) yield entry;
    }
  }

  /** Whether one more of so many chunks fits without putting another out. */
  hasRoom(chunks: number): boolean {
    const { passivation, maxActive } = this.#options;
    const resident = this.#parts.resident;
    if (this.#active.size >= maxActive || (resident?.bytesAboveHighWater() ?? 0) > 0) return false;
    return this.bytes + chunks * (resident?.bytesPerChunk ?? 0) <= passivation.maxBytes;
  }

  /** Lets go of what is too much, now. */
  relieve(): void {
    this.#sweepSoon();
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
      pressure: new DeadlinePressure(clock, this.#options.shedding, this.#parts.flags),
      ageMs: () => this.#freshness.ageMs,
      onIndex: () => this.#sweepSoon(),
    });
    this.#makeRoom(1);
    this.#active.set(entry.key, entry);
    const opening = this.#open(entry, resolved).finally(() => {
      if (this.#opening.get(entry.key) === opening) this.#opening.delete(entry.key); // not that of one that was begun since
      if (this.#active.size > this.#options.maxActive) this.#sweepSoon(); // those who waited for it ask first
    });
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
      const isSnapshotCurrent = () => !this.#unversioned.has(entry.key);
      entry.open(supervisor, (plan) => retrieverSpec(this.#parts, this.#options, resolved, plan, this.#freshness, isSnapshotCurrent));
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

  #makeRoom(places: number): void {
    if (this.#active.size - this.#options.maxActive + places <= 0) return;
    const staying = [...this.#active.values()].filter(({ isLeaving }) => !isLeaving);
    const tooMany = Math.max(0, staying.length - this.#options.maxActive + places);
    // Who is being opened has queries waiting that none of it has served yet: two such would put each other out for ever.
    const opened = staying.filter(({ key }) => !this.#opening.has(key));
    for (const entry of byDispensability(opened).slice(0, tooMany)) void this.#putOut(entry, "count"); // N2
  }

  /** An index in memory has come or gone: what must go for it goes now, and no query waits for that. */
  #sweepSoon(): void {
    this.#sweep?.cancel();
    if (!this.#stop.signal.aborted) this.#sweep = this.#parts.clock.setTimer(0, () => this.#sweepNow());
  }

  #sweepNow(): void {
    this.#freshness.look();
    this.#makeRoom(0);
    const { idleMs, maxBytes } = this.#options.passivation;
    // Above the high-water mark what is held shrinks by what is too much, whoever of the process took it.
    const room = Math.min(maxBytes, Math.max(0, this.bytes - (this.#parts.resident?.bytesAboveHighWater() ?? 0)));
    const staying = [...this.#active.values()].filter(({ isLeaving }) => !isLeaving);
    const leaving = choosePassivations(staying, { idleMs, maxBytes: room }, this.#parts.clock.monotonicMs());
    for (const { tenant, reason } of leaving) void this.#putOut(tenant, reason);
    if (!this.#stop.signal.aborted) this.#scheduleSweep();
  }

  #scheduleSweep(): void {
    this.#sweep = this.#parts.clock.setTimer(this.#options.sweepIntervalMs, () => this.#sweepNow());
  }
}
