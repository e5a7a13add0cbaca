/** `kennel keys`: works on the file of keys itself, so that the first key needs no other. */
import { KennelError } from "../../runtime/errors.ts";
import { OPEN_SCOPE } from "../../transport/transport.ts";
import { COLLECTIONS_PATTERN, type Scope, TENANT } from "../keys/grant.ts";
import { newKey } from "../keys/key.ts";
import { changeKeys, type KeyRecord, MAX_KEYS, readKeys } from "../keys/key_file.ts";
import { readLastUses } from "../keys/last_uses.ts";
import { flawOf, inOrder } from "../keys/principals.ts";
import type { LocalContext } from "./context.ts";
import { type KeyLimitOptions, limitsOf, showLimits } from "./key_limit_options.ts";
import { CommandError, EXIT } from "./terminal.ts";

interface NewKeyOptions {
  readonly name: string;
  readonly scope: Scope;
  readonly collections: string;
  readonly expires?: string;
  readonly tenant?: string;
  readonly principals?: string;
  readonly delegate: boolean;
  readonly json: boolean;
}

export interface CreateKeyOptions extends NewKeyOptions, KeyLimitOptions {}

interface JsonOption {
  readonly json: boolean;
}

const MAX_NAME = 128;
const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The key is the only line of standard output. */
export async function createKey({ config, clock, terminal }: LocalContext, options: CreateKeyOptions): Promise<number> {
  const { name, scope, collections, expires, tenant, delegate, json } = options;
  const limits = limitsOf(options);
  const nowMs = clock.wallMs();
  if (name.length === 0 || name.length > MAX_NAME || /\p{C}/u.test(name))
    throw misused(`--name: expected 1 to ${MAX_NAME} characters that can be seen`);
  if (!COLLECTIONS_PATTERN.test(collections))
    throw misused(
      `--collections: found ${JSON.stringify(collections)}; expected names or beginnings of names with commas, as docs or docs-*, or * for all`,
    );
  if (tenant !== undefined && (!TENANT.test(tenant) || tenant === OPEN_SCOPE.tenant))
    throw misused(`--tenant: found ${JSON.stringify(tenant)}; expected 1 to 16 of a-z and 0-9, other than ${OPEN_SCOPE.tenant}`);
  const principals = options.principals === undefined ? undefined : principalsOf(options.principals);
  const expiresAtMs = expires === undefined ? null : expiryOf(expires, nowMs);
  const { id, key, digest } = newKey();
  const record: KeyRecord = {
    id,
    name,
    scope,
    collections,
    digest: digest.toString("hex"),
    created_at: new Date(nowMs).toISOString(),
    expires_at: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
    revoked_at: null,
    ...(limits === null ? {} : { limits }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(principals === undefined ? {} : { principals: [...principals] }),
    ...(delegate ? { delegate } : {}),
  };
  await changeKeyFile(config.keys.file, (keys) => withKey(keys, record, nowMs));
  if (json) terminal.out(JSON.stringify({ ...shown(record, nowMs, null), key }));
  else {
    terminal.err(`Key ${id} of ${name} (${scope}, ${collections}). It is shown this once; send it as Authorization: Bearer KEY`);
    terminal.out(key);
  }
  return 0;
}

/** One key more; where there is no room, those that are good no more go. */
export function withKey(keys: readonly KeyRecord[], record: KeyRecord, nowMs: number): readonly KeyRecord[] {
  if (keys.length < MAX_KEYS) return [...keys, record];
  const kept = keys.filter((known) => stateOf(known, nowMs) === "valid");
  if (kept.length >= MAX_KEYS) throw new CommandError(`There are ${MAX_KEYS} keys; revoke some`, EXIT.failed);
  return [...kept, record];
}

export async function listKeys({ config, clock, terminal }: LocalContext, { json }: JsonOption): Promise<number> {
  const uses = await readLastUses(config.dataDir);
  const keys = await read(config.keys.file);
  const rows = keys.map((record) => shown(record, clock.wallMs(), uses.get(record.id) ?? null));
  if (json) terminal.out(JSON.stringify(rows));
  else if (rows.length === 0) terminal.out("There are no keys");
  else for (const row of rows) terminal.out(lineOf(row));
  return 0;
}

/** Revoking twice is revoking once. */
export async function revokeKey({ config, clock, terminal }: LocalContext, id: string, { json }: JsonOption): Promise<number> {
  const nowMs = clock.wallMs();
  let revoked: KeyRecord | null = null;
  await changeKeyFile(config.keys.file, (keys) =>
    keys.map((record) => {
      if (record.id !== id) return record;
      revoked = { ...record, revoked_at: record.revoked_at ?? new Date(nowMs).toISOString() };
      return revoked;
    }),
  );
  if (revoked === null) throw new CommandError("There is no key with this id; kennel keys list shows all", EXIT.failed);
  if (json) terminal.out(JSON.stringify(shown(revoked, nowMs, null)));
  else terminal.out(`Key ${id} is revoked; running nodes follow within ${config.keys.checkMs} ms of seeing the file`);
  return 0;
}

type State = "valid" | "expired" | "revoked";

export function stateOf({ revoked_at, expires_at }: KeyRecord, nowMs: number): State {
  if (revoked_at !== null) return "revoked";
  return expires_at !== null && Date.parse(expires_at) <= nowMs ? "expired" : "valid";
}

export function shown(record: KeyRecord, nowMs: number, lastUsedMs: number | null) {
  const { digest: _digest, ...rest } = record;
  return { ...rest, state: stateOf(record, nowMs), last_used_at: lastUsedMs === null ? null : new Date(lastUsedMs).toISOString() };
}

function lineOf(row: ReturnType<typeof shown>): string {
  const expiry = row.expires_at === null ? "no expiry" : `expires ${row.expires_at}`;
  const use = row.last_used_at === null ? "never used" : `last used ${row.last_used_at}`;
  const whose = [
    ...(row.tenant === undefined ? [] : [`tenant ${row.tenant}`]),
    ...(row.principals === undefined ? [] : [`for ${row.principals.join(", ")}`]),
    ...(row.delegate === true ? ["may delegate"] : []),
  ];
  return `${row.id}  ${row.state}  ${row.scope}  ${row.collections}  ${row.name}  (${[...whose, expiry, use].join(", ")}${showLimits(row.limits)})`;
}

function principalsOf(text: string): readonly string[] {
  const principals = inOrder(text.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()])));
  const flaw = flawOf(principals);
  if (flaw !== null) throw misused(`--principals: ${flaw}`);
  return principals;
}

export function expiryOf(text: string, nowMs: number): number {
  const durationMs = readDuration(text);
  const atMs = durationMs === null ? dateOf(text) : nowMs + durationMs;
  if (Number.isNaN(atMs))
    throw misused(`--expires: found ${JSON.stringify(text)}; expected a time as 90m, 12h, 30d or a date as 2027-01-31`);
  if (atMs <= nowMs) throw misused(`--expires: ${text} has passed already`);
  return atMs;
}

/** Milliseconds of a text as `24h`. */
export function durationOf(option: string, text: string): number {
  const durationMs = readDuration(text);
  if (durationMs === null) throw misused(`${option}: found ${JSON.stringify(text)}; expected a time as 90m, 12h, 30d`);
  return durationMs;
}

function readDuration(text: string): number | null {
  const [, count = "", unit = ""] = /^([1-9]\d{0,4})([mhd])$/.exec(text) ?? [];
  return count === "" ? null : Number(count) * (UNITS_MS[unit] ?? Number.NaN);
}

/** Only what every runtime reads alike. */
function dateOf(text: string): number {
  return /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$/.test(text) ? Date.parse(text) : Number.NaN;
}

const misused = (message: string) => new CommandError(message, EXIT.misused);

const read = (path: string) => readKeys(path).catch(told);
export const changeKeyFile = (...given: Parameters<typeof changeKeys>) => changeKeys(...given).catch(told);

/** What the file says of itself, as a command says it. */
function told(thrown: unknown): never {
  if (thrown instanceof KennelError) throw new CommandError(thrown.message, EXIT.failed, { cause: thrown });
  const { code } = thrown as NodeJS.ErrnoException;
  if (code === "EACCES" || code === "EROFS" || code === "EPERM")
    throw new CommandError(`The file of keys cannot be used (${code}); keys.file says where it is`, EXIT.failed, { cause: thrown });
  throw thrown;
}
