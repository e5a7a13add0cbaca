import { unlessAborted } from "../../../runtime/cancellation.ts";
import type { Clock, Timer } from "../../../runtime/clock.ts";
import { kennelError } from "../../../runtime/errors.ts";
import type { Random } from "../../../runtime/random.ts";
import type { Logger } from "../../../telemetry/logs.ts";
import type { WorkClaims } from "../../document_store/work_claims.ts";

export interface WorkSessionParts {
  readonly claims: WorkClaims;
  /** After so long without a sign of life others take over what is claimed here. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told when what was claimed is not any more. */
  readonly onLost: () => void;
}

/** Of the lease, between two signs of life. */
const BEAT_SHARE = 0.25;
/** Of the lease, counted from when the last sign was sent: after it nothing is written on the strength of a claim. */
const VALID_SHARE = 0.75;

interface Session {
  readonly id: string;
  readonly lost: AbortController;
  /** When the last sign that has arrived was sent. */
  aliveMs: number;
}

/** This node's part in who works on what. It begins with the first claim; one that was lost is followed by a new one. */
export class WorkSession {
  readonly #parts: WorkSessionParts;
  readonly #end = new AbortController();
  #session: Session | null = null;
  #beginning: Promise<Session> | null = null;
  #timer: Timer | null = null;
  /** Claims that may be held here and are wanted no more: the store did not say what became of them. Bounded by what is worked on. */
  readonly #toRelease = new Set<string>();
  /** Releases under way, so that one that is late takes no claim that was made after it. */
  readonly #releasing = new Map<string, Promise<unknown>>();

  constructor(parts: WorkSessionParts) {
    this.#parts = parts;
  }

  /** Null: another node that lives has it. The signal aborts when the claim is lost. */
  async claim(name: string, signal: AbortSignal): Promise<AbortSignal | null> {
    const session = await this.#current(signal);
    for (let under = this.#releasing.get(name); under !== undefined; under = this.#releasing.get(name)) await unlessAborted(under, signal);
    this.#toRelease.delete(name);
    try {
      const isMine = await this.#parts.claims.claim(session.id, name, signal);
      return isMine && this.#session === session ? session.lost.signal : null;
    } catch (thrown) {
      // It may have been made all the same, and nobody else would take what a session that lives has.
      if (this.#session === session) this.#toRelease.add(name);
      throw thrown;
    }
  }

  /** Never rejects: what cannot be given back now is as soon as the store answers. @returns whether another node waits for it */
  release(name: string): Promise<boolean> {
    const session = this.#session;
    if (session === null) return Promise.resolve(false);
    const released = this.#release(session, name).finally(() => {
      if (this.#releasing.get(name) === released) this.#releasing.delete(name);
    });
    this.#releasing.set(name, released);
    return released;
  }

  async #release(session: Session, name: string): Promise<boolean> {
    try {
      return await this.#parts.claims.release(session.id, name, AbortSignal.timeout(this.#parts.leaseMs));
    } catch {
      if (this.#session === session) this.#toRelease.add(name);
      return false;
    }
  }

  /** Throws `unavailable` where it is too late to write on the strength of a claim. */
  assertValid(): void {
    const session = this.#session;
    const { clock, leaseMs } = this.#parts;
    if (session !== null && clock.monotonicMs() - session.aliveMs < leaseMs * VALID_SHARE) return;
    throw kennelError("unavailable", { message: "Others may have taken over this node's work: it was out of touch for too long" });
  }

  /** Others may take over at once. Never rejects. */
  async end(): Promise<void> {
    this.#end.abort(kennelError("draining"));
    this.#timer?.cancel();
    const session = this.#session;
    this.#session = null;
    if (session === null) return;
    session.lost.abort(kennelError("draining"));
    await this.#parts.claims.endSession(session.id, AbortSignal.timeout(this.#parts.leaseMs)).catch(() => {}); // its lease ends, too
  }

  #current(signal: AbortSignal): Promise<Session> {
    signal.throwIfAborted();
    this.#end.signal.throwIfAborted();
    if (this.#session !== null) return Promise.resolve(this.#session);
    this.#beginning ??= this.#begin().finally(() => {
      this.#beginning = null;
    });
    return this.#beginning;
  }

  async #begin(): Promise<Session> {
    const { claims, clock, random, leaseMs } = this.#parts;
    const id = `${Math.floor(random.next() * 2 ** 52).toString(36)}${clock.wallMs().toString(36)}`;
    const aliveMs = clock.monotonicMs();
    await claims.beginSession(id, AbortSignal.any([this.#end.signal, AbortSignal.timeout(leaseMs)]));
    if (this.#end.signal.aborted) {
      await claims.endSession(id, AbortSignal.timeout(leaseMs)).catch(() => {}); // its lease ends, too
      this.#end.signal.throwIfAborted();
    }
    const session = { id, lost: new AbortController(), aliveMs };
    this.#session = session;
    this.#schedule();
    return session;
  }

  #schedule(): void {
    const { clock, leaseMs } = this.#parts;
    this.#timer = clock.setTimer(leaseMs * BEAT_SHARE, () => void this.#beat());
  }

  async #beat(): Promise<void> {
    const session = this.#session;
    if (session === null) return;
    const { claims, clock, leaseMs } = this.#parts;
    const sentMs = clock.monotonicMs();
    try {
      const isAlive = await claims.beat(session.id, AbortSignal.timeout(leaseMs));
      if (this.#session !== session) return;
      if (!isAlive) return this.#lose(session);
      session.aliveMs = sentMs;
      for (const name of this.#toRelease) {
        this.#toRelease.delete(name);
        void this.release(name);
      }
    } catch {
      // The store is away. The claims count again as soon as a sign arrives, if nobody has wanted them meanwhile.
    }
    if (this.#session === session && !this.#end.signal.aborted) this.#schedule();
  }

  #lose(session: Session): void {
    this.#session = null;
    this.#toRelease.clear();
    this.#parts.logger.warn("this node was out of touch with the document store for too long: others take over its jobs");
    session.lost.abort(kennelError("unavailable", { message: "Others have taken over this node's work" }));
    this.#parts.onLost();
  }
}
