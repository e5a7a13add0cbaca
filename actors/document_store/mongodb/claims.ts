import type { Collection } from "mongodb";
import type { Clock } from "../../../runtime/clock.ts";
import type { WorkClaims } from "../work_claims.ts";
import { isDuplicateKey } from "./errors.ts";
import type { ClaimDocument, SessionDocument } from "./schema.ts";

// Invariants:
//   C1. A claim is made by an insert and given up by a removal, never changed: of two who want it one is refused by the
//       server, also by one that does not find and change a document in one step (FerretDB).
//   C2. A claim counts as long as the document of its session is there. A session is ended for another one only after no
//       beat was seen for the lease's time, and its own next beat then finds nothing.
//   C3. No two clocks are compared.

/** Attempts at a claim that others let go of, or lose, at the same moment. */
const MAX_ATTEMPTS = 3;
const MAX_CLAIMS = 100_000;
/** Sessions whose signs are remembered; a cluster has fewer nodes. */
const MAX_SEEN = 10_000;

interface Seen {
  readonly beat: number;
  readonly sinceMs: number;
}

export class MongoClaims implements WorkClaims {
  readonly #claims: Collection<ClaimDocument>;
  readonly #sessions: Collection<SessionDocument>;
  readonly #leaseMs: number;
  readonly #clock: Clock;
  readonly #seen = new Map<string, Seen>();

  constructor(
    stores: { readonly claims: Collection<ClaimDocument>; readonly sessions: Collection<SessionDocument> },
    { leaseMs, clock }: { readonly leaseMs: number; readonly clock: Clock },
  ) {
    this.#claims = stores.claims;
    this.#sessions = stores.sessions;
    this.#leaseMs = leaseMs;
    this.#clock = clock;
  }

  async beginSession(session: string): Promise<void> {
    await this.#sessions.insertOne({ _id: session, beat: 0 });
  }

  async beat(session: string): Promise<boolean> {
    const changed = await this.#sessions.updateOne({ _id: session }, { $inc: { beat: 1 } });
    return changed.matchedCount === 1;
  }

  async endSession(session: string): Promise<void> {
    await this.#sessions.deleteOne({ _id: session }); // C2: from here on its claims are free
    await this.#claims.deleteMany({ owner: session });
  }

  async claim(session: string, name: string): Promise<boolean> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (await this.#insert({ _id: name, owner: session })) return true; // C1
      const found = await this.#claims.findOne({ _id: name });
      if (found === null) continue;
      if (found.owner === session) return true;
      if (await this.#lives(found.owner)) {
        await this.#insert({ _id: wishOf(name), owner: session });
        return false;
      }
      await this.#claims.deleteOne({ _id: name, owner: found.owner });
    }
    return false;
  }

  async release(session: string, name: string): Promise<boolean> {
    await this.#claims.deleteOne({ _id: name, owner: session });
    const wishes = await this.#claims.deleteOne({ _id: wishOf(name) });
    return wishes.deletedCount === 1;
  }

  async claimed(): Promise<ReadonlySet<string>> {
    const found = await this.#claims.find({}).limit(MAX_CLAIMS).toArray();
    const owners = new Map<string, boolean>();
    for (const { owner } of found) {
      if (owners.has(owner)) continue;
      const lives = await this.#lives(owner);
      owners.set(owner, lives);
      if (!lives) await this.#claims.deleteMany({ owner }); // C2: it counts for nothing any more, and nobody may ever want it
    }
    return new Set(found.filter(({ owner }) => owners.get(owner) === true).map(({ _id }) => _id));
  }

  async #insert(claim: ClaimDocument): Promise<boolean> {
    try {
      await this.#claims.insertOne(claim);
      return true;
    } catch (thrown) {
      if (isDuplicateKey(thrown)) return false;
      throw thrown;
    }
  }

  /** C2 */
  async #lives(session: string): Promise<boolean> {
    const found = await this.#sessions.findOne({ _id: session });
    if (found === null) {
      this.#seen.delete(session);
      return false;
    }
    const nowMs = this.#clock.monotonicMs();
    const seen = this.#seen.get(session);
    if (seen === undefined || seen.beat !== found.beat) {
      if (this.#seen.size >= MAX_SEEN) this.#seen.clear();
      this.#seen.set(session, { beat: found.beat, sinceMs: nowMs });
      return true;
    }
    if (nowMs - seen.sinceMs < this.#leaseMs) return true;
    await this.#sessions.deleteOne({ _id: session, beat: found.beat });
    return (await this.#sessions.findOne({ _id: session })) !== null;
  }
}

/** Somebody waits for the claim of this name; it is nobody's while the claim is free. */
function wishOf(name: string): string {
  return `wanted ${name}`;
}
