import { test } from "uvu";
import * as assert from "uvu/assert";
import { openRedisEmbeddings, type RedisEmbeddings } from "../../../actors/embedding/redis.ts";
import type { KennelError } from "../../../runtime/errors.ts";
import type { RedisServer } from "../../../tooling/servers/redis.ts";
import { until } from "../../journeys/caller.ts";
import { withRedis } from "./redis_rig.ts";

const never = new AbortController().signal;
const open = (url: string) => openRedisEmbeddings({ url, keyPrefix: "test:embedding", ttlMs: 60_000, connectTimeoutMs: 500 });

function onRedis(work: (redis: RedisServer, store: RedisEmbeddings) => Promise<void>): Promise<void> {
  return withRedis(async (redis) => {
    const store = await open(redis.url);
    try {
      await work(redis, store);
    } finally {
      await store.close();
    }
  });
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "done",
    (error: KennelError) => error.code,
  );
}

const VECTOR = Float32Array.from({ length: 1_536 }, (_, at) => Math.sin(at));

test("Redis gives back the very floats that were written, in the order of the keys, and null for what it never had", () =>
  onRedis(async (redis, store) => {
    await store.write(
      [
        { key: "one", vector: VECTOR },
        { key: "two", vector: Float32Array.of(-0, 1e-38, 3) },
      ],
      never,
    );
    const found = await store.read(["two", "none", "one"], never);
    assert.equal(found, [Float32Array.of(-0, 1e-38, 3), null, VECTOR]);
    assert.is(await redis.command("STRLEN", "test:embedding:one"), `:${4 * VECTOR.length}\r\n`);
    assert.match(await redis.command("PTTL", "test:embedding:one"), /^:(59|60)\d{3}\r\n$/);
    assert.equal(store.pool, { size: 1, idle: 1, inUse: 0, waiting: 0, limit: 1, max: 1 });
  }));

test("A value that is no vector is as good as none", () =>
  onRedis(async (redis, store) => {
    await redis.command("SET", "test:embedding:odd", "abc");
    await redis.command("LPUSH", "test:embedding:list", "abc");
    assert.equal(await store.read(["odd", "list"], never), [null, null]);
  }));

test("A full Redis refuses writes and still answers", () =>
  onRedis(async (redis, store) => {
    await store.write([{ key: "kept", vector: VECTOR }], never);
    await redis.command("CONFIG", "SET", "maxmemory", "1mb");
    assert.is(await codeOf(store.write([{ key: "more", vector: VECTOR }], never)), "storage_full");
    assert.equal(await store.read(["kept", "more"], never), [VECTOR, null]);
    await redis.command("CONFIG", "SET", "maxmemory", "0");
    assert.is(await codeOf(store.write([{ key: "more", vector: VECTOR }], never)), "done");
  }));

test("A killed Redis fails calls at once, and the same client finds it again", () =>
  onRedis(async (redis, store) => {
    redis.kill("SIGKILL");
    await until("a call has failed", async () => (await codeOf(store.read(["one"], never))) === "unavailable");
    const startedMs = performance.now();
    assert.is(await codeOf(store.read(["one"], never)), "unavailable");
    assert.ok(performance.now() - startedMs < 400, "it waited");
    await redis.restart();
    await until("a call has succeeded", async () => (await codeOf(store.read(["one"], never))) === "done");
  }));

test("A Redis that is not there, or hangs, is unavailable within the time that connecting may take", () =>
  withRedis(async (redis) => {
    redis.kill("SIGSTOP");
    assert.is(await codeOf(open(redis.url)), "unavailable");
    redis.kill("SIGKILL");
    assert.is(await codeOf(open(redis.url)), "unavailable");
  }));

test("Closing does not wait for a Redis that hangs", () =>
  onRedis(async (redis, store) => {
    redis.kill("SIGSTOP");
    const pending = codeOf(store.read(["one"], never));
    await store.close();
    assert.is(await pending, "unavailable");
  }));

test.run();
