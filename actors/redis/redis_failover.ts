import { kennelError } from "../../runtime/errors.ts";
import { openRedis, type RedisBytes, type RedisOptions } from "./redis.ts";

export interface RedisFailoverOptions extends Omit<RedisOptions, "url"> {
  /** At least one, the preferred first. They do not know of each other: what one lacks is made again. */
  readonly urls: readonly string[];
}

/**
 * The first of several Redis that can be reached. One that goes away fails its calls: the service that owns this opens it
 * anew and so comes to the next. While it is not on the first, each health probe looks whether that one is back, and what
 * comes after goes there.
 * @throws KennelError `unavailable` when none can be reached
 */
export async function openRedisFailover({ urls, ...options }: RedisFailoverOptions): Promise<RedisBytes & { readonly address: number }> {
  const open = (at: number) => openRedis({ ...options, url: urls[at] as string });
  let { store, at } = await firstOf(urls.length, open);
  let returning: Promise<void> | null = null;
  let isClosed = false;
  const goBack = async (): Promise<void> => {
    const first = await open(0).catch(() => null);
    if (first === null) return;
    if (isClosed) return first.close();
    const left = store;
    store = first;
    at = 0;
    await left.close();
  };
  return {
    read: (keys) => store.read(keys),
    write: (entries) => store.write(entries),
    async probe() {
      // Not waited for: a first one that hangs says nothing about this one.
      if (at > 0) {
        returning ??= goBack().finally(() => {
          returning = null;
        });
      }
      await store.probe();
    },
    async close() {
      isClosed = true;
      await returning;
      await store.close();
    },
    get pool() {
      return store.pool;
    },
    get address() {
      return at;
    },
  };
}

async function firstOf(count: number, open: (at: number) => Promise<RedisBytes>): Promise<{ store: RedisBytes; at: number }> {
  let last: unknown = kennelError("unavailable", { message: "There is no Redis to reach" });
  for (let at = 0; at < count; at++) {
    try {
      return { store: await open(at), at };
    } catch (thrown) {
      last = thrown;
    }
  }
  throw last;
}
