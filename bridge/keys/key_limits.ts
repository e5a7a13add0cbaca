/**
 * How often, and how many at once, one key may ask: what its record says, else what the node's settings say.
 *
 * Invariants:
 *   L1. A request that was let in is given back once, whatever the key's limits have become meanwhile.
 *   L2. At most `MAX_KEYS` keys are remembered; one that is forgotten begins with a full bucket.
 */
import { kennelError } from "../../runtime/errors.ts";
import { TokenBucket } from "../../runtime/token_bucket.ts";
import type { OwnLimits } from "./grant.ts";
import { MAX_KEYS } from "./key_file.ts";

/** 0: no limit. */
export interface KeyLimits {
  /** Requests a second on average. */
  readonly ratePerSecond: number;
  /** Requests at once after a pause; 0: as many as a second brings, at least one. */
  readonly burst: number;
  /** Requests under way at once. */
  readonly maxConcurrent: number;
}

export type LimitKind = "rate" | "concurrent";

/** How soon a caller with too many requests under way may try again: one of them ends at an unknown time. */
const RETRY_AFTER_MS = 1_000;

interface Limited {
  readonly keyId: string;
  readonly limits: OwnLimits | null;
}

/** One request of a key, until `leave`. */
export interface KeyUse {
  leave(): void;
}

export class KeyLimiter {
  readonly #defaults: KeyLimits;
  readonly #onRefused: (keyId: string, kind: LimitKind) => void;
  readonly #isUnlimited: boolean;
  readonly #byKey = new Map<string, Allowance>();

  /** @param onRefused is told of each request that is turned away */
  constructor(defaults: KeyLimits, onRefused: (keyId: string, kind: LimitKind) => void) {
    this.#defaults = defaults;
    this.#onRefused = onRefused;
    this.#isUnlimited = defaults.ratePerSecond === 0 && defaults.maxConcurrent === 0;
  }

  /**
   * Lets one request of the key in. Null: nothing limits the key. Throws `overloaded` with the time to come back.
   * @param nowMs of a monotonic clock
   */
  enter({ keyId, limits }: Limited, nowMs: number): KeyUse | null {
    if (limits === null && this.#isUnlimited) return null;
    let allowance = this.#byKey.get(keyId);
    if (allowance === undefined) {
      allowance = new Allowance(limits, resolve(limits, this.#defaults), nowMs);
      this.#remember(keyId, allowance);
    } else if (allowance.given !== limits) allowance.change(limits, resolve(limits, this.#defaults), nowMs);
    const refusal = allowance.enter(nowMs);
    if (refusal === null) return allowance;
    this.#onRefused(keyId, refusal.kind);
    throw kennelError("overloaded", { message: refusal.message, param: "Authorization", retryAfterMs: refusal.retryAfterMs });
  }

  /** L2: the one that came first makes room; of keys that were replaced for good there may be many in the end. */
  #remember(keyId: string, allowance: Allowance): void {
    if (this.#byKey.size >= MAX_KEYS) this.#byKey.delete(this.#byKey.keys().next().value as string);
    this.#byKey.set(keyId, allowance);
  }
}

function resolve(own: OwnLimits | null, defaults: KeyLimits): KeyLimits {
  return {
    ratePerSecond: own?.rate_per_second ?? defaults.ratePerSecond,
    // A key with a rate of its own is not held to the burst of another rate.
    burst: own?.burst ?? (own !== null && own.rate_per_second !== null ? 0 : defaults.burst),
    maxConcurrent: own?.max_concurrent ?? defaults.maxConcurrent,
  };
}

class Allowance implements KeyUse {
  #given: OwnLimits | null;
  #limits: KeyLimits;
  #bucket: TokenBucket | null;
  #inFlight = 0;

  constructor(given: OwnLimits | null, limits: KeyLimits, nowMs: number) {
    this.#given = given;
    this.#limits = limits;
    this.#bucket = bucketOf(limits, nowMs);
  }

  /** The record's own object, by which it is seen that the file was read anew. */
  get given(): OwnLimits | null {
    return this.#given;
  }

  /** Other limits begin with a full bucket; the same ones go on with theirs. */
  change(given: OwnLimits | null, limits: KeyLimits, nowMs: number): void {
    const { ratePerSecond, burst } = this.#limits;
    if (ratePerSecond !== limits.ratePerSecond || burst !== limits.burst) this.#bucket = bucketOf(limits, nowMs);
    this.#given = given;
    this.#limits = limits;
  }

  enter(nowMs: number): { readonly kind: LimitKind; readonly message: string; readonly retryAfterMs: number } | null {
    const { maxConcurrent, ratePerSecond } = this.#limits;
    if (maxConcurrent > 0 && this.#inFlight >= maxConcurrent) {
      return { kind: "concurrent", message: `The key may have ${maxConcurrent} requests under way at once`, retryAfterMs: RETRY_AFTER_MS };
    }
    const waitMs = this.#bucket?.take(nowMs) ?? 0;
    if (waitMs > 0)
      return { kind: "rate", message: `The key may ask ${ratePerSecond} times a second on average`, retryAfterMs: Math.ceil(waitMs) };
    this.#inFlight += 1;
    return null;
  }

  leave(): void {
    this.#inFlight -= 1;
  }
}

function bucketOf({ ratePerSecond, burst }: KeyLimits, nowMs: number): TokenBucket | null {
  return ratePerSecond === 0 ? null : new TokenBucket(ratePerSecond, burst === 0 ? Math.max(1, ratePerSecond) : burst, nowMs);
}
