import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SearchAnswer } from "../../../actors/retriever/search.ts";
import { type Caller, until } from "../../journeys/caller.ts";
import { onNode } from "../../journeys/node_rig.ts";
import { withRedis } from "./redis_rig.ts";

const PETS = [
  { id: "manx", text: "A cat without a tail." },
  { id: "beagle", text: "A small scent hound." },
];
const QUESTION = { query: "a cat without a tail" };
/** A busy machine is not a slow Redis; what was asked most is not asked again by the node itself. */
const SETTINGS = { KENNEL_REDIS_READ_TIMEOUT_MS: "500", KENNEL_RETRIEVER_WARM_QUERIES: "0" };

interface Store {
  readonly path: string;
  readonly breaker: string;
  readonly details: Readonly<Record<string, number>>;
}

async function answers(caller: Caller): Promise<Store> {
  const { children } = await caller.must<{ readonly children: readonly Store[] }>("GET", "/v1/status");
  const found = children.find(({ path }) => path.endsWith("/redis_answers"));
  if (found === undefined) throw new Error("The status has no redis_answers");
  return found;
}

const withoutTime = ({ data, mode, index_version }: SearchAnswer) => ({ data, mode, index_version });

test("What a collection that shares its answers was asked is answered from Redis after a restart, until something changes", () =>
  withRedis((redis) =>
    onNode({ ...SETTINGS, KENNEL_REDIS_URL: redis.url }, async (rig) => {
      assert.is((await rig.caller.makeCollection("pets", { share_answers: true })).settings.share_answers, true);
      assert.is((await rig.caller.makeCollection("own")).settings.share_answers, false);
      for (const name of ["pets", "own"]) await rig.caller.addDocuments(name, PETS);
      const made = await rig.caller.search("pets", QUESTION);
      await rig.caller.search("own", QUESTION);
      assert.is(made.cache, "miss");
      await until("it is in Redis", async () => (await answers(rig.caller)).details.written === 1);
      await rig.restart();
      const again = await rig.caller.search("pets", QUESTION);
      assert.is(again.cache, "hit");
      assert.equal(withoutTime(again), withoutTime(made));
      assert.is((await rig.caller.search("own", QUESTION)).cache, "miss");
      await rig.caller.addDocuments("pets", [{ id: "bobtail", text: "A cat without a tail, or nearly." }]);
      const fresh = await rig.caller.search("pets", QUESTION);
      assert.equal([fresh.cache, fresh.data.length], ["miss", 3]);
      const metrics = await (await fetch(`${rig.caller.url}/metrics`)).text();
      assert.match(metrics, /kennel_cache_lookups_total\{cache="answers_redis",result="hit"\} 1\n/);
    }),
  ));

test("While Redis is away, answers are worked out, and shared again once it is back", () =>
  withRedis((redis) =>
    onNode({ ...SETTINGS, KENNEL_REDIS_URL: redis.url, KENNEL_SUPERVISION_EMBEDDING_CACHE_MAX_BACKOFF_MS: "500" }, async ({ caller }) => {
      await caller.makeCollection("pets", { share_answers: true });
      await caller.addDocuments("pets", PETS);
      redis.kill("SIGKILL");
      let turn = 0;
      await until("its breaker is open", async () => {
        const { cache, data, degradations } = await caller.search("pets", { query: `cat ${turn++}` });
        assert.equal([cache, data.length > 0, degradations], ["miss", true, []]);
        return (await answers(caller)).breaker !== "closed";
      });
      await redis.restart();
      await until("it is back", async () => (await answers(caller)).breaker === "closed");
      const before = (await answers(caller)).details.written as number;
      await caller.search("pets", { query: `cat ${turn++}` });
      await until("it is written to", async () => (await answers(caller)).details.written === before + 1);
    }),
  ));

test.run();
