import KeyvRedis from "@keyv/redis";
import { type KennelError, kennelError } from "../../runtime/errors.ts";
import type { PoolStats } from "../../supervisor/pool.ts";

export interface RedisOptions {
  /** `redis://user:password@host:6379/0`; `rediss:` for TLS. */
  readonly url: string;
  /** How its keys start; one Redis can serve several clusters. */
  readonly keyPrefix: string;
  readonly ttlMs: number;
  readonly connectTimeoutMs: number;
}

/** Bytes by key that may be forgotten at any time. Every method rejects with `unavailable`, and `write` with `storage_full`. */
export interface RedisBytes {
  /** One entry a key, in order; null: it is not there. */
  read(keys: readonly string[]): Promise<readonly (Buffer | null)[]>;
  /** Replaces what has the same key. */
  write(entries: readonly { readonly key: string; readonly bytes: Buffer }[]): Promise<void>;
  probe(): Promise<void>;
  close(): Promise<void>;
  /** One connection, on which commands follow one another without waiting for answers. */
  readonly pool: PoolStats;
}

/** Commands on their way to a Redis that does not answer; beyond it they are refused. */
const MAX_COMMANDS = 1_024;
/** RESP's type of a binary string, `$`. */
const BLOB_STRING = 36;

/**
 * Bytes under `<prefix>:<key>`, read with one MGET and written in one transaction.
 *
 * The client hangs where one would not expect it: without `disableOfflineQueue` while Redis is away, and in any case while
 * it is stalled. Its callers put a limit on every call; a write that was given up may still arrive.
 * @throws KennelError `unavailable` when Redis does not answer within `connectTimeoutMs`
 */
export async function openRedis(options: RedisOptions): Promise<RedisBytes> {
  const { url, keyPrefix, ttlMs, connectTimeoutMs } = options;
  const driver = new KeyvRedis<Buffer>(
    {
      url,
      disableOfflineQueue: true,
      commandsQueueMaxLength: MAX_COMMANDS,
      socket: { connectTimeout: connectTimeoutMs, reconnectStrategy: (retries: number) => Math.min(50 * 2 ** Math.min(retries, 6), 1_000) },
      commandOptions: { typeMapping: { [BLOB_STRING]: Buffer } },
    },
    { namespace: keyPrefix, keyPrefixSeparator: ":", throwOnErrors: true, throwOnConnectError: true, connectionTimeout: connectTimeoutMs },
  );
  // Every failure also rejects the call it belongs to; unheard, the event would end the process.
  driver.on("error", () => undefined);
  let pending = 0;
  const guarded = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    pending++;
    try {
      return await work();
    } catch (thrown) {
      throw toStoreError(thrown);
    } finally {
      pending--;
    }
  };
  const read: RedisBytes["read"] = (keys) =>
    guarded(async () => (await driver.getMany<Buffer | null>([...keys])).map((bytes) => bytes ?? null));
  try {
    await guarded(() => driver.getClient());
  } catch (thrown) {
    await driver.disconnect(true);
    throw thrown;
  }
  return {
    read,
    write: (entries) => guarded(() => driver.setMany(entries.map(({ key, bytes }) => ({ key, value: bytes, ttl: ttlMs })))),
    probe: async () => void (await read(["probe"])),
    // Not the polite way, which waits for answers that may never come.
    close: () => driver.disconnect(true),
    get pool() {
      const isOpen = driver.client.isOpen ? 1 : 0;
      const inUse = Math.min(pending, isOpen);
      return { size: isOpen, idle: isOpen - inUse, inUse, waiting: Math.max(0, pending - inUse), limit: 1, max: 1 };
    },
  };
}

/** A full Redis still answers questions, so it is no outage. */
function toStoreError(thrown: unknown): KennelError {
  const message = thrown instanceof Error ? thrown.message : "";
  const isFull = message.startsWith("OOM") || message.startsWith("EXECABORT");
  return isFull
    ? kennelError("storage_full", { message: "Redis has no memory left", cause: thrown })
    : kennelError("unavailable", { message: "Redis cannot be reached", cause: thrown });
}
