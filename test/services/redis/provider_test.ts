import { test } from "uvu";
import * as assert from "uvu/assert";
import type { RedisServer } from "../../../tooling/servers/redis.ts";
import { type Caller, until } from "../../journeys/caller.ts";
import { onNode } from "../../journeys/node_rig.ts";
import { answerStatus, type OpenAiServer, startOpenAiServer } from "../../support/openai_server.ts";
import { withRedis } from "./redis_rig.ts";

const PETS = Array.from({ length: 5 }, (_, at) => ({ id: `pet ${at}`, text: `A dog or a cat, number ${at}.` }));

interface Journey {
  readonly redis: RedisServer;
  readonly provider: OpenAiServer;
  readonly settings: Readonly<Record<string, string>>;
}

function withServers(work: (servers: Journey) => Promise<void>): Promise<void> {
  return withRedis(async (redis) => {
    const provider = await startOpenAiServer({ dimensions: 32 });
    const settings = {
      KENNEL_EMBEDDING: "openai:test-model",
      OPENAI_BASE_URL: provider.url,
      KENNEL_REDIS_URL: redis.url,
      // A busy machine is not a slow Redis.
      KENNEL_REDIS_READ_TIMEOUT_MS: "300",
      // Only Redis is to remember.
      KENNEL_CACHE_QUERY_EMBEDDING_BYTES: "0",
      KENNEL_CACHE_DOCUMENT_EMBEDDING_BYTES: "0",
      KENNEL_CACHE_DISK_EMBEDDING_BYTES: "0",
      KENNEL_CACHE_ANSWER_BYTES: "0",
    };
    try {
      await work({ redis, provider, settings });
    } finally {
      await provider.stop();
    }
  });
}

const paid = (provider: OpenAiServer) =>
  provider.requests.flatMap(({ body }) => body.input ?? []).filter((text) => text !== "probe" && text !== "dimensions");

interface RedisStatus {
  readonly breaker: string;
  readonly details: Readonly<Record<string, number>>;
}

async function redisStatus(caller: Caller): Promise<RedisStatus> {
  const { children } = await caller.must<{ children: (RedisStatus & { readonly path: string })[] }>("GET", "/v1/status");
  const found = children.find(({ path }) => path.endsWith("/redis"));
  if (found === undefined) throw new Error("The status has no redis");
  return found;
}

const ask = (caller: Caller, query: string) => caller.search("pets", { query, strategy: "vector" });

test("What one node has paid for costs neither its successor nor another node a call", () =>
  withServers(({ provider, settings }) =>
    onNode(settings, async (rig) => {
      await rig.caller.makeCollection("pets", { resident: "never" });
      await rig.caller.addDocuments("pets", PETS);
      const answer = await ask(rig.caller, "a question");
      await until("Redis has all", async () => (await redisStatus(rig.caller)).details.written === PETS.length + 1);
      const cost = paid(provider).length;
      assert.is(cost, PETS.length + 1);
      await rig.restart();
      assert.equal((await ask(rig.caller, "a question")).data, answer.data);
      await onNode(settings, async (other) => {
        await other.caller.makeCollection("pets", { resident: "never" });
        await other.caller.addDocuments("pets", PETS);
        assert.equal((await ask(other.caller, "a question")).data, answer.data);
      });
      assert.is(paid(provider).length, cost);
    }),
  ));

test("Queries are answered while Redis is killed, stopped or full, each within its deadline, and use it again when it is back", () =>
  withServers(({ redis, settings }) =>
    onNode(settings, async ({ caller }) => {
      await caller.makeCollection("pets", { resident: "never" });
      await caller.addDocuments("pets", PETS);
      let questions = 0;
      const answered = async () => {
        const answer = await caller.search("pets", { query: `question ${questions++}`, strategy: "vector", timeout_ms: 5_000 });
        assert.is(answer.mode, "full");
        assert.equal(answer.degradations, []);
      };
      const breaker = async () => (await redisStatus(caller)).breaker;
      const askUntil = (what: string, wanted: string) =>
        until(what, async () => {
          await answered();
          return (await breaker()) === wanted;
        });

      redis.kill("SIGKILL");
      await askUntil("the breaker has opened", "open");
      for (let at = 0; at < 10; at++) await answered();
      await redis.restart();
      await askUntil("the breaker has closed", "closed");

      redis.kill("SIGSTOP");
      await askUntil("the breaker has opened", "open");
      for (let at = 0; at < 10; at++) await answered();
      redis.kill("SIGCONT");
      await askUntil("the breaker has closed", "closed");

      await redis.command("CONFIG", "SET", "maxmemory", "1mb");
      const { dropped_writes: dropped = 0 } = (await redisStatus(caller)).details;
      for (let at = 0; at < 30; at++) await answered();
      await until("writes were dropped", async () => ((await redisStatus(caller)).details.dropped_writes ?? 0) > dropped);
      await askUntil("reads go on", "closed");
      await redis.command("CONFIG", "SET", "maxmemory", "0");

      const { hits = 0 } = (await redisStatus(caller)).details;
      await until("Redis is used again", async () => {
        await ask(caller, "once more");
        return ((await redisStatus(caller)).details.hits ?? 0) > hits;
      });
    }),
  ));

test("While the first Redis is away a node moves to the next, and goes back when the first is back", () =>
  withServers(({ redis, settings }) =>
    withRedis((second) =>
      onNode({ ...settings, KENNEL_REDIS_URL: `${redis.url},${second.url}` }, async ({ caller }) => {
        await caller.makeCollection("pets", { resident: "never" });
        await caller.addDocuments("pets", PETS);
        let questions = 0;
        const isOn = async (address: number) => {
          assert.equal((await ask(caller, `question ${questions++}`)).degradations, []);
          const { breaker, details } = await redisStatus(caller);
          return breaker === "closed" && details.address === address;
        };
        await until("the first is used", () => isOn(1));
        redis.kill("SIGKILL");
        await until("the second is used", () => isOn(2));
        await until("the second holds embeddings", async () => {
          await isOn(2);
          return (await second.command("DBSIZE")) !== ":0\r\n";
        });
        await redis.restart();
        await until("the first is used again", () => isOn(1));
        await until("the first holds embeddings", async () => {
          await isOn(1);
          return (await redis.command("DBSIZE")) !== ":0\r\n";
        });
      }),
    ),
  ));

test("A node starts while Redis is away, and takes it up when it comes", () =>
  withServers(async ({ redis, settings }) => {
    redis.kill("SIGKILL");
    await onNode(settings, async ({ caller }) => {
      await caller.makeCollection("pets", { resident: "never" });
      await caller.addDocuments("pets", PETS);
      assert.is((await ask(caller, "a question")).mode, "full");
      await redis.restart();
      await until("Redis holds what was asked", async () => {
        await ask(caller, "a question");
        return ((await redisStatus(caller)).details.hits ?? 0) > 0;
      });
    });
  }));

test("What waits to be written to Redis when a node leaves is written", () =>
  withServers(({ provider, redis, settings }) =>
    onNode(settings, async (rig) => {
      await rig.caller.makeCollection("pets", { resident: "never" });
      const many = Array.from({ length: 300 }, (_, at) => ({ id: `pet ${at}`, text: `A dog or a cat, number ${at}.` }));
      await rig.caller.addDocuments("pets", many);
      await ask(rig.caller, "a question");
      await rig.restart();
      assert.is(await redis.command("DBSIZE"), `:${many.length + 1}\r\n`);
      assert.is(paid(provider).length, many.length + 1);
    }),
  ));

test("After a restart with the provider away, Redis still answers in full what it knows", () =>
  withServers(({ provider, settings }) =>
    onNode({ ...settings, KENNEL_OPENAI_MAX_RETRIES: "0" }, async (rig) => {
      await rig.caller.makeCollection("pets", { resident: "never" });
      await rig.caller.addDocuments("pets", PETS);
      const answer = await ask(rig.caller, "a question");
      await until("Redis has all", async () => (await redisStatus(rig.caller)).details.written === PETS.length + 1);
      provider.behave(answerStatus(503));
      await rig.restart();
      let others = 0;
      await until("the mode is lexical", async () => (await ask(rig.caller, `other ${others++}`)).mode === "lexical");
      const known = await ask(rig.caller, "a question");
      assert.equal([known.mode, known.degradations, known.data], ["full", [], answer.data]);
    }),
  ));

test.run();
