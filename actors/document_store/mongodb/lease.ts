import type { Collection } from "mongodb";
import type { Clock } from "../../../runtime/clock.ts";
import { kennelError } from "../../../runtime/errors.ts";
import { isDuplicateKey } from "./errors.ts";
import type { LeaseDocument } from "./schema.ts";

// Invariants:
//   L1. Whoever writes to a collection holds its lease; within a process, one operation at a time does.
//   L2. A lease changes hands only by a compare-and-set on what was read of it, and each change grows its fence.
//   L3. A holder that shows no beat for the lease's time has lost it. Each node measures that with its own monotonic
//       clock from when it first saw the beat; no two clocks are compared.
//   L4. An operation that its holder left behind is finished or undone before the next one begins.

/** Pause between two looks at a lease that somebody else holds. */
const LOOK_AGAIN_MS = 50;

export interface Lease {
  readonly name: string;
  readonly fence: number;
  /** Of the operation that the lease is held for. */
  readonly op: string;
  /** Shows that the holder lives, if it is time to. Rejects with `unavailable` once the lease is lost. */
  keep(): Promise<void>;
  /** From here on the operation is carried out, whatever happens to its holder. Rejects as `keep` does. */
  commit(pages: number): Promise<void>;
  release(): Promise<void>;
}

/** What the holder before has left: `committed` as in `LeaseDocument`. */
export interface Unfinished {
  readonly op: string;
  readonly committed: number | null;
}

export interface LeaseOptions {
  readonly leases: Collection<LeaseDocument>;
  /** Of this opened store, different for each. */
  readonly owner: string;
  readonly leaseMs: number;
  /** How long an operation waits for a lease that another node holds. */
  readonly waitMs: number;
  readonly clock: Clock;
}

export class Leases {
  readonly #options: LeaseOptions;
  readonly #queues = new Map<string, Promise<unknown>>();
  #operations = 0;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /**
   * Runs `work` while nobody else writes to the collection. `finish` deals with what an earlier holder has left (L4).
   * A lease whose `work` failed is kept for the next one to finish; `work` releases it when it leaves nothing behind.
   */
  hold<Result>(
    name: string,
    finish: (unfinished: Unfinished, lease: Lease) => Promise<void>,
    work: (lease: Lease) => Promise<Result>,
  ): Promise<Result> {
    return this.#inTurn(name, async () => work(await this.#acquire(name, finish)));
  }

  /**
   * Waits until the operation that was seen in a lease has ended: its holder goes on, or has left it and `finish` deals with
   * it (L4). What others begin after it is theirs; this node's own operations on the collection wait for it.
   */
  settle({ _id: name, op: seen }: LeaseDocument, finish: (unfinished: Unfinished, lease: Lease) => Promise<void>): Promise<void> {
    return this.#inTurn(name, async () => {
      const op = `${this.#options.owner}.${++this.#operations}`;
      const taken = await this.#take(name, op, seen);
      if (taken === null) return;
      const lease = this.#lease(name, taken.fence, op);
      if (taken.op !== null && taken.op !== op) await finish({ op: taken.op, committed: taken.committed }, lease);
      await lease.release();
    });
  }

  /** L1: the next waits for this one, whatever comes of it; as many wait as the service lets in at once. */
  async #inTurn<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#queues.get(name) ?? Promise.resolve();
    const turn = before.catch(() => undefined).then(work);
    const tail = turn.catch(() => undefined);
    this.#queues.set(name, tail);
    try {
      return await turn;
    } finally {
      if (this.#queues.get(name) === tail) this.#queues.delete(name);
    }
  }

  async #acquire(name: string, finish: (unfinished: Unfinished, lease: Lease) => Promise<void>): Promise<Lease> {
    const { leases, owner } = this.#options;
    const op = `${owner}.${++this.#operations}`;
    const free = await leases.findOneAndUpdate(
      { _id: name, owner: null },
      { $set: { owner, op, committed: null }, $inc: { fence: 1 } },
      { returnDocument: "after" },
    );
    if (free !== null) return this.#lease(name, free.fence, op);
    const taken = (await this.#take(name, op, null)) as LeaseDocument;
    const lease = this.#lease(name, taken.fence, op);
    if (taken.op === op) return lease;
    if (taken.op !== null) await finish({ op: taken.op, committed: taken.committed }, lease);
    await this.#change(lease, { op, committed: null });
    return lease;
  }

  /**
   * Waits for the lease until it is free, or its holder has lost it (L3). What it held is still in it.
   * @param seen an operation; null is given back once the lease is held for another one, or for none
   */
  async #take(name: string, op: string, seen: string | null): Promise<LeaseDocument | null> {
    const { leases, owner, leaseMs, waitMs, clock } = this.#options;
    const startedMs = clock.monotonicMs();
    let holder = { beat: "", sinceMs: startedMs };
    for (;;) {
      const found = await leases.findOne({ _id: name });
      const nowMs = clock.monotonicMs();
      if (seen !== null && found?.op !== seen) return null;
      if (found === null) {
        const first: LeaseDocument = { _id: name, owner, fence: 1, beat: 0, op, committed: null };
        const isMine = await leases.insertOne(first).then(
          () => true,
          (thrown) => (isDuplicateKey(thrown) ? false : Promise.reject(thrown)),
        );
        if (isMine) return first;
      } else {
        const beat = `${found.owner}/${found.fence}/${found.beat}`;
        if (beat !== holder.beat) holder = { beat, sinceMs: nowMs };
        const isLost = found.owner === null || found.owner === owner || nowMs - holder.sinceMs >= leaseMs;
        if (isLost && (await this.#takeOver(found))) return { ...found, owner, fence: found.fence + 1 };
        if (!isLost) {
          if (nowMs - startedMs >= waitMs) {
            throw kennelError("unavailable", { message: "Another node is writing to this collection", retryAfterMs: leaseMs });
          }
          await clock.sleep(LOOK_AGAIN_MS, new AbortController().signal);
        }
      }
    }
  }

  async #takeOver(found: LeaseDocument): Promise<boolean> {
    const { leases, owner } = this.#options;
    const { _id, owner: before, fence, beat } = found;
    // L2
    const changed = await leases.updateOne({ _id, owner: before, fence, beat }, { $set: { owner }, $inc: { fence: 1 } });
    return changed.matchedCount === 1;
  }

  #lease(name: string, fence: number, op: string): Lease {
    const { clock, leaseMs } = this.#options;
    let keptMs = clock.monotonicMs();
    const lease: Lease = {
      name,
      fence,
      op,
      keep: async () => {
        if (clock.monotonicMs() - keptMs < leaseMs / 4) return;
        await this.#change(lease, {}, 1);
        keptMs = clock.monotonicMs();
      },
      commit: (pages) => this.#change(lease, { committed: pages }, 1),
      release: () => this.#change(lease, { owner: null, op: null, committed: null }),
    };
    return lease;
  }

  async #change(lease: Lease, fields: Partial<LeaseDocument>, beats = 0): Promise<void> {
    const { leases, owner } = this.#options;
    const update = { ...(Object.keys(fields).length === 0 ? {} : { $set: fields }), $inc: { beat: beats } };
    const changed = await leases.updateOne({ _id: lease.name, owner, fence: lease.fence }, update);
    if (changed.matchedCount === 1) return;
    throw kennelError("unavailable", { message: "Another node has taken over writing to this collection", retryAfterMs: 1_000 });
  }
}
