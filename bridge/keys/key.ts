/**
 * A key as it is given to a caller: `kennel_ID_SECRET`. The id finds its record, the secret is 256 random bits.
 *
 * What is stored is the key's SHA-256. Hashes that are slow on purpose protect secrets that can be guessed; nobody guesses
 * 256 random bits, and a slow hash would cost each request more than its search (OWASP's Password Storage Cheat Sheet is
 * about passwords; RFC 6750 5.1 asks for tokens that cannot be guessed).
 */
import type { Buffer } from "node:buffer";
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

const ID_BYTES = 6;
const SECRET_BYTES = 32;
const PREFIX = "kennel_";
/** Lengths are fixed, so that an underscore in the secret means nothing. */
const KEY = /^kennel_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;
export const KEY_LENGTH = PREFIX.length + ID_BYTES * 2 + 1 + 43;

export interface NewKey {
  readonly id: string;
  /** Shown once and kept nowhere. */
  readonly key: string;
  /** SHA-256 of the key. */
  readonly digest: Buffer;
}

export function newKey(): NewKey {
  const id = randomBytes(ID_BYTES).toString("hex");
  const key = `${PREFIX}${id}_${randomBytes(SECRET_BYTES).toString("base64url")}`;
  return { id, key, digest: digestOf(key) };
}

/** Null: the text is no key. */
export function keyIdOf(text: string): string | null {
  return text.length === KEY_LENGTH ? (KEY.exec(text)?.[1] ?? null) : null;
}

function digestOf(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}

/** In a time that does not tell how much of it is right. */
export function isKeyOf(key: string, digest: Buffer): boolean {
  return timingSafeEqual(digestOf(key), digest);
}
