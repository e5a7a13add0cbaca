import { newKey } from "../keys/key.ts";
import type { KeyRecord } from "../keys/key_file.ts";
import type { LocalContext } from "./context.ts";
import { changeKeyFile, durationOf, expiryOf, shown, stateOf, withKey } from "./keys.ts";
import { CommandError, EXIT } from "./terminal.ts";

export interface RotateKeyOptions {
  /** How long the old key is still taken. */
  readonly overlap: string;
  readonly expires?: string;
  readonly json: boolean;
}

/**
 * Makes the next key beside the one that it replaces, which ends when the overlap has passed: both are taken meanwhile, so that
 * no caller is refused. The next one is like it, and lives as long as it was made for unless `--expires` says otherwise.
 */
export async function rotateKey({ config, clock, terminal }: LocalContext, id: string, options: RotateKeyOptions): Promise<number> {
  const nowMs = clock.wallMs();
  const endsAtMs = nowMs + durationOf("--overlap", options.overlap);
  const expiresAtMs = options.expires === undefined ? null : expiryOf(options.expires, nowMs);
  const { id: nextId, key, digest } = newKey();
  let next: KeyRecord | null = null;
  let endsAt = "";
  await changeKeyFile(config.keys.file, (keys) => {
    const old = keys.find((record) => record.id === id);
    if (old === undefined) throw new CommandError("There is no key with this id; kennel keys list shows all", EXIT.failed);
    if (stateOf(old, nowMs) !== "valid")
      throw new CommandError(`Key ${id} is ${stateOf(old, nowMs)}; make a new one with kennel keys create`, EXIT.failed);
    next = {
      ...old,
      id: nextId,
      digest: digest.toString("hex"),
      created_at: new Date(nowMs).toISOString(),
      expires_at: isoOf(expiresAtMs ?? sameLifetime(old, nowMs)),
    };
    endsAt = new Date(Math.min(endsAtMs, old.expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(old.expires_at))).toISOString();
    const ending = keys.map((record) => (record === old ? { ...record, expires_at: endsAt } : record));
    return withKey(ending, next, nowMs);
  });
  const made = next as KeyRecord | null;
  if (made === null) return EXIT.failed;
  if (options.json) terminal.out(JSON.stringify({ ...shown(made, nowMs, null), key, replaces: id, replaced_until: endsAt }));
  else {
    terminal.err(
      `Key ${nextId} of ${made.name} replaces ${id}, which is taken until ${endsAt}. It is shown this once; send it as Authorization: Bearer KEY`,
    );
    terminal.out(key);
  }
  return 0;
}

const isoOf = (atMs: number | null) => (atMs === null ? null : new Date(atMs).toISOString());

function sameLifetime({ created_at, expires_at }: KeyRecord, nowMs: number): number | null {
  return expires_at === null ? null : nowMs + Date.parse(expires_at) - Date.parse(created_at);
}
