/**
 * What may leave the process beside answers: log lines, attributes of spans, events. It is written by code that does not
 * know who reads it, so secrets, paths, control characters and lengths are seen to here, in one place.
 */

export const MASK = "[masked]";
const PATH_MASK = "[path]";
/** UTF-16 units of one text; what is longer is cut. */
const MAX_TEXT = 2_000;
const MAX_DEPTH = 4;
const MAX_MEMBERS = 64;
/** A shorter value is a word that stands in many texts; masking it would say what it is. */
const MIN_SECRET = 6;

/** Names of fields whose value is a secret, whatever it looks like; compared without case, `_` and `-`. */
const SECRET_NAME =
  /^(authorization|proxyauthorization|cookie|setcookie|.*(password|passwd|passphrase|secret|apikey|accesstoken|privatekey|credentials|seed)s?|token|bearer|jwt|connectionstring|dsn)$/;
/** `user:password@` of an address. */
const USER_INFO = /([a-z][a-z0-9+.-]{1,30}:\/\/)[^\s/?#@"'<>]{1,1024}@/gi;
/** Keys and tokens by the shapes that their makers gave them: Kennel's and OpenAI's keys, JWTs, nkey seeds, AWS and GitHub. */
const KNOWN_SHAPES =
  /\b(?:kennel_[A-Za-z0-9_-]{16,}|sk-[A-Za-z0-9_-]{16,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]{8,}|S[AUONCX][A-Z2-7]{40,}|AKIA[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,})\b/g;
const AUTHORIZATION = /\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi;
/** `password=…`, `api_key: …` inside a sentence or a query string. */
const ASSIGNED = /\b((?:api[_-]?key|access[_-]?token|password|passwd|secret|token|sig|signature)["']?\s*[=:]\s*["']?)[^\s"'&,;]{3,}/gi;
const FILE_ADDRESS = /\bfile:\/\/[^\s"')]+/gi;
/** Two or more segments from the root on; routes of the API are none. */
const POSIX_PATH = /(?<![\w:/.}\]-])\/(?!v1\/|v2\/)(?:[\w.@~+$%-]+\/)+[\w.@~+$%-]*(?::\d+(?::\d+)?)?/g;
const WINDOWS_PATH = /\b[A-Za-z]:\\[^\s"')]+/g;
/** Line ends, other control characters, and those that turn text round or hide it. */
const INVISIBLE = /[\p{Cc}\p{Cf}\u2028\u2029]+/gu;

/** In a text of these alone nothing can hide but what has a known shape. */
const PLAIN = /^[\w./{}-]*$/;

/** Makes texts and fields fit to be written down. */
export class Redaction {
  readonly #secrets: readonly string[];

  /** @param secrets values that are never written, such as the configuration's; those of fewer than 6 characters are left out */
  constructor(secrets: readonly string[] = []) {
    const long = secrets.filter((secret) => secret.length >= MIN_SECRET);
    // The longest first: one that holds another must not leave its rest behind.
    this.#secrets = [...new Set(long.flatMap((secret) => [secret, encodeURIComponent(secret)]))].sort((a, b) => b.length - a.length);
  }

  /** One line of at most 2,000 characters without secrets; paths of routes and actors stay. */
  text(given: string): string {
    const isLong = given.length > MAX_TEXT;
    // Cut with room to spare: half of a secret would not be known for one.
    let text = isLong ? given.slice(0, MAX_TEXT * 2) : given;
    for (const secret of this.#secrets) if (text.includes(secret)) text = text.replaceAll(secret, MASK);
    if (PLAIN.test(text)) text = text.replace(KNOWN_SHAPES, MASK);
    else text = masked(text);
    return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  }

  /** The same for words of an error, which may name files: paths are masked, too. */
  sentence(given: string): string {
    return this.text(given.replace(FILE_ADDRESS, PATH_MASK).replace(WINDOWS_PATH, PATH_MASK).replace(POSIX_PATH, PATH_MASK));
  }

  /** A copy of plain data, at most 4 deep and 64 wide, its texts made fit; errors in it become what `error` makes of them. */
  fields(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
    return this.#members(given, 1);
  }

  #members(given: object, depth: number): Record<string, unknown> {
    const fit: Record<string, unknown> = {};
    let members = 0;
    for (const [name, value] of Object.entries(given)) {
      if (++members > MAX_MEMBERS) break;
      fit[this.text(name.slice(0, 128))] = isSecretName(name) && value !== null && value !== undefined ? MASK : this.#value(value, depth);
    }
    return fit;
  }

  #value(value: unknown, depth: number): unknown {
    if (typeof value === "string") return this.text(value);
    if (typeof value === "bigint") return String(value);
    if (typeof value !== "object" || value === null) return typeof value === "function" || typeof value === "symbol" ? undefined : value;
    if (value instanceof Error) return this.error(value);
    if (depth >= MAX_DEPTH) return "[deeper]";
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (Array.isArray(value)) return value.slice(0, MAX_MEMBERS).map((member) => this.#value(member, depth + 1));
    return this.#members(value, depth + 1);
  }

  /**
   * An error by its name, code and words, with what caused it, at most 5 deep. Never its stack, nor what a library has put
   * on it: requests with their headers, options with their passwords.
   */
  error(thrown: unknown): ErrorFields {
    return this.#error(thrown, MAX_CAUSES, new Set());
  }

  #error(thrown: unknown, left: number, seen: Set<unknown>): ErrorFields {
    if (typeof thrown !== "object" || thrown === null) return { type: typeof thrown, message: this.sentence(String(thrown)) };
    seen.add(thrown);
    const { name, message, code, cause } = readable(thrown);
    const isMore = cause !== undefined && cause !== null && !seen.has(cause);
    return {
      type: this.text(name),
      ...(code === null ? {} : { code: typeof code === "string" ? this.text(code) : code }),
      message: this.sentence(message),
      ...(isMore && left > 1 ? { cause: this.#error(cause, left - 1, seen) } : {}),
      ...(isMore && left <= 1 ? { causes: "more" } : {}),
    };
  }
}

function masked(text: string): string {
  return text
    .replace(INVISIBLE, " ")
    .replace(USER_INFO, `$1${MASK}@`)
    .replace(AUTHORIZATION, `$1 ${MASK}`)
    .replace(KNOWN_SHAPES, MASK)
    .replace(ASSIGNED, `$1${MASK}`);
}

const MAX_CAUSES = 5;

export interface ErrorFields {
  /** Its class, or the type of what was thrown instead of one. */
  readonly type: string;
  readonly code?: string | number;
  readonly message: string;
  readonly cause?: ErrorFields;
  /** There are further causes, which were left out. */
  readonly causes?: "more";
}

/** Reads what may throw when it is read: a getter of a foreign error must not cost the line. */
function readable(thrown: object): { name: string; message: string; code: string | number | null; cause: unknown } {
  try {
    const { name, message, code, cause } = thrown as Record<string, unknown>;
    return {
      name: typeof name === "string" && name !== "" ? name : thrown.constructor?.name || "object",
      message: typeof message === "string" ? message : "",
      code: typeof code === "string" || typeof code === "number" ? code : null,
      cause,
    };
  } catch {
    return { name: "object", message: "", code: null, cause: undefined };
  }
}

function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name.replaceAll(/[_-]/g, "").toLowerCase());
}
