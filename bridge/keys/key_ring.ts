/**
 * The keys that a node knows, in memory, and the look at their file that keeps them current.
 *
 * Invariants:
 *   R1. A key that is revoked, or made, is known `checkMs` and one reading of the file later at most.
 *   R2. A file that cannot be read changes nothing and is told of; one that is gone is no keys.
 *   R3. No key, and no part of one but its id, leaves here.
 *   R4. What was found good is forgotten whenever the file is read anew.
 */
import { Buffer } from "node:buffer";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";
import type { Logger } from "../../telemetry/logs.ts";
import { type Caller, namesEveryCollection } from "./grant.ts";
import { isKeyOf, keyIdOf } from "./key.ts";
import { fileStamp, type KeyRecord, readKeys } from "./key_file.ts";
import { readLastUses, writeLastUses } from "./last_uses.ts";
import { inOrder } from "./principals.ts";

/** What the bridge asks. */
export interface KeyVerifier {
  /** @param authorization the header; throws `unauthorized` */
  verify(authorization: string | null): Caller;
}

export interface KeyRingParts {
  readonly path: string;
  readonly dataDir: string;
  readonly checkMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether a key is the one of a digest, in a time that tells nothing. @default isKeyOf */
  readonly compare?: typeof isKeyOf;
  /** Told of ids that are good now and were not, and of those that are good no more, when the file was read anew. */
  readonly onChanged?: (changed: { readonly added: readonly string[]; readonly ended: readonly string[] }) => void;
}

interface Known {
  readonly caller: Caller;
  readonly digest: Buffer;
  readonly endsAtMs: number;
  /** Wall time; 0: never. */
  lastUsedMs: number;
}

/**
 * Headers whose key was found good, the first one makes room: hashing and comparing one costs 5 µs, a tenth of a kept answer. They are found by a hash
 * that is seeded for the process, so how long it takes says nothing of how much of a guess is right.
 */
const MAX_VERIFIED = 1_024;
/** How often last uses are written down. */
const FLUSH_MS = 60_000;
const NO_DIGEST = Buffer.alloc(32);
const BEARER = /^bearer +(\S+) *$/i;

export class KeyRing implements KeyVerifier {
  readonly #parts: KeyRingParts;
  readonly #verified = new Map<string, Known>();
  #known: ReadonlyMap<string, Known> = new Map();
  #stamp: string | null = null;
  #hasRead = false;
  #timer: Timer | null = null;
  #look: Promise<void> = Promise.resolve();
  #flushedAtMs: number;
  #isClosed = false;
  #isBroken = false;

  private constructor(parts: KeyRingParts) {
    this.#parts = parts;
    this.#flushedAtMs = parts.clock.monotonicMs();
  }

  /** Rejects when there is a file that is not one of keys. */
  static async open(parts: KeyRingParts): Promise<KeyRing> {
    const ring = new KeyRing(parts);
    const lastUses = await readLastUses(parts.dataDir);
    await ring.#read((id) => lastUses.get(id));
    if (ring.#known.size === 0) parts.logger.warn("callers need a key, and there is none yet; make one with: kennel keys create");
    ring.#again();
    return ring;
  }

  verify(authorization: string | null): Caller {
    if (authorization === null) throw unauthorized();
    const nowMs = this.#parts.clock.wallMs();
    const known = this.#verified.get(authorization) ?? this.#find(authorization);
    if (nowMs >= known.endsAtMs) throw unauthorized();
    known.lastUsedMs = nowMs;
    return known.caller;
  }

  #find(authorization: string): Known {
    const key = authorization.length > 256 ? "" : (BEARER.exec(authorization)?.[1] ?? "");
    const id = keyIdOf(key);
    if (id === null) throw unauthorized();
    const known = this.#known.get(id);
    // An id that is not known takes as long as a secret that is wrong.
    const isRight = (this.#parts.compare ?? isKeyOf)(key, known?.digest ?? NO_DIGEST);
    if (known === undefined || !isRight) throw unauthorized();
    if (this.#verified.size >= MAX_VERIFIED) this.#verified.delete(this.#verified.keys().next().value as string);
    this.#verified.set(authorization, known);
    return known;
  }

  /** Looks at the file now. */
  check(): Promise<void> {
    this.#look = this.#look.then(() => this.#checkOnce());
    return this.#look;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#look;
    await this.#flush();
  }

  async #checkOnce(): Promise<void> {
    try {
      if ((await fileStamp(this.#parts.path)) !== this.#stamp) await this.#read();
      this.#isBroken = false;
    } catch (err) {
      if (!this.#isBroken) this.#parts.logger.error({ err }, "the file of keys cannot be read; those known so far hold"); // R2
      this.#isBroken = true;
    }
    if (this.#parts.clock.monotonicMs() - this.#flushedAtMs >= FLUSH_MS) await this.#flush();
  }

  #again(): void {
    if (this.#isClosed) return;
    this.#timer = this.#parts.clock.setTimer(this.#parts.checkMs, () => void this.check().then(() => this.#again()));
  }

  /** @param lastUsedMs of a key by its id, wall time */
  async #read(lastUsedMs = (id: string) => this.#known.get(id)?.lastUsedMs): Promise<void> {
    const stamp = await fileStamp(this.#parts.path); // before the content: a change in between is seen at the next look
    const records = await readKeys(this.#parts.path);
    const before = this.#known;
    this.#known = new Map(
      records.flatMap((record) => (record.revoked_at === null ? [[record.id, knownOf(record, lastUsedMs(record.id) ?? 0)]] : [])),
    );
    this.#verified.clear(); // R4
    if (this.#hasRead) this.#tellOf(before);
    this.#hasRead = true;
    this.#stamp = stamp;
  }

  #tellOf(before: ReadonlyMap<string, Known>): void {
    const added = [...this.#known.keys()].filter((id) => !before.has(id));
    const ended = [...before.keys()].filter((id) => !this.#known.has(id));
    if (added.length + ended.length > 0) this.#parts.onChanged?.({ added, ended });
  }

  async #flush(): Promise<void> {
    this.#flushedAtMs = this.#parts.clock.monotonicMs();
    const used = [...this.#known].flatMap(([id, { lastUsedMs }]) => (lastUsedMs === 0 ? [] : [[id, lastUsedMs] as const]));
    if (used.length === 0) return;
    await writeLastUses(this.#parts.dataDir, new Map(used)).catch((err) =>
      this.#parts.logger.warn({ err }, "when keys were last used could not be written down"),
    );
  }
}

function knownOf(
  { id, scope, collections, digest, expires_at, limits, tenant, principals, delegate }: KeyRecord,
  lastUsedMs: number,
): Known {
  // Who is not named sees what is everyone's; an administrator sees all.
  const asking = principals === undefined ? (scope === "admin" ? null : []) : inOrder(principals);
  const isOperators = asking === null && namesEveryCollection(collections);
  return {
    caller: {
      keyId: id,
      scope,
      collections,
      limits: limits ?? null,
      tenant: tenant ?? null,
      principals: asking,
      replacesUnseen: principals === undefined,
      owner: tenant !== undefined ? `tenant ${tenant}` : isOperators ? null : `key ${id}`,
      mayDelegate: delegate === true,
    },
    digest: Buffer.from(digest, "hex"),
    endsAtMs: expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(expires_at),
    lastUsedMs,
  };
}

/** The same whatever was wrong: which keys there are, or were, is nobody's business. */
function unauthorized() {
  return kennelError("unauthorized", { message: "No valid key was given; send one as Authorization: Bearer KEY" });
}
