import { test } from "uvu";
import * as assert from "uvu/assert";
import { beginsInFull, type ModeStep, runEdge, runModes, type Taken } from "../../bench/harness/mode_run.ts";
import { startChatService, startEmbeddingService, startRerankService } from "../../bench/harness/model_services.ts";
import type { KennelNode } from "../../node/node.ts";
import type { StoreTap } from "../../node/services/parts.ts";
import { systemClock } from "../../runtime/clock.ts";
import { kennelError } from "../../runtime/errors.ts";
import { systemRandom } from "../../runtime/random.ts";
import type { SupervisionEvent } from "../../supervisor/child.ts";
import { onNode } from "./node_rig.ts";

/** Longer than the coordinator needs, so that a mode that does not hold is seen. */
const WATCH_MS = 400;
const LIMITS = { PROBE_INTERVAL_MS: "50", PROBE_TIMEOUT_MS: "300", MAX_FAILED_PROBES: "2", BACKOFF_MS: "50", MAX_BACKOFF_MS: "100" };
const QUICK = Object.fromEntries(
  ["LANGUAGE_MODEL", "RERANKER", "EMBEDDING", "VECTOR_STORE"].flatMap((kind) =>
    Object.entries(LIMITS).map(([name, value]) => [`KENNEL_SUPERVISION_${kind}_${name}`, value]),
  ),
);

const STORES: readonly Taken[] = ["vector_store", "lexical_index"];
const same = (mode: ModeStep["expected"]["held"]) => ({ stored: mode, held: mode });
const STEPS: readonly ModeStep[] = [
  { takes: ["language_model"], gives: [], expected: same("no_rewrite") },
  { takes: ["reranker"], gives: [], expected: same("no_rerank") },
  { takes: ["embedding"], gives: ["language_model"], expected: same("lexical") },
  { takes: STORES, gives: ["reranker"], expected: { stored: "stale", held: "lexical" } },
  { takes: [], gives: ["embedding"], expected: { stored: "stale", held: "full" } },
  { takes: [], gives: STORES, expected: same("full") },
];

/** The embedded vector store, of which every call fails while it is stopped. */
class StoppedStore {
  isStopped = false;
  readonly tap: StoreTap = {
    documents: (store) => store,
    vectors: (store) =>
      new Proxy(store, {
        get: (target, name) => {
          const method: unknown = Reflect.get(target, name);
          if (typeof method !== "function" || name === "close") return method;
          return (...values: readonly unknown[]) =>
            this.isStopped ? Promise.reject(kennelError("unavailable")) : method.apply(target, values);
        },
      }),
  };
}

function decisions({ supervisor }: KennelNode) {
  const events: SupervisionEvent[] = [];
  supervisor.events.subscribe((event) => events.push(event));
  return async (service: Taken, isAway: boolean, afterMs: number) => {
    const name = service === "lexical_index" ? "vector_store" : service;
    const decides = ({ at, path, event }: SupervisionEvent) =>
      Date.parse(at) >= afterMs - 1 && path.endsWith(`/${name}`) && event === (isAway ? "suspended" : "ready");
    const found = isAway ? events.find(decides) : events.findLast(decides);
    return found === undefined ? null : Date.parse(found.at);
  };
}

test("Each mode follows the services that are taken away and given back, once each, and no query fails that had anything left", async () => {
  const [embedding, reranker, chat] = await Promise.all([startEmbeddingService(21), startRerankService(22), startChatService(23)]);
  const models = { language_model: chat, reranker, embedding };
  const settings = {
    KENNEL_EMBEDDING: "azure:embedding",
    KENNEL_CHAT: "openai:chat",
    AZURE_OPENAI_ENDPOINT: embedding.origin,
    AZURE_OPENAI_API_KEY: "test",
    OPENAI_BASE_URL: `${chat.origin}/v1`,
    OPENAI_API_KEY: "test",
    KENNEL_OPENAI_DIMENSIONS: "256",
    KENNEL_OPENAI_MAX_RETRIES: "0",
    KENNEL_RERANK_URL: `${reranker.origin}/v2/rerank`,
    KENNEL_COORDINATOR_INTERVAL_MS: "20",
    KENNEL_COORDINATOR_RECOVER_AFTER_MS: "600",
    ...QUICK,
  };
  const store = new StoppedStore();
  const switchStore = (service: Taken, isStopped: boolean) => {
    if (service === "vector_store") store.isStopped = isStopped;
  };
  try {
    await onNode(
      settings,
      async ({ node, caller }) => {
        for (const [collection, resident] of [
          ["stored", "never"],
          ["held", "always"],
        ] as const) {
          await caller.makeCollection(collection, { resident });
          await caller.addDocuments(collection, [{ id: "water", text: "What is known of water is that it boils" }]);
        }
        const world = {
          url: node.url,
          take: async (service: Taken) => (service in models ? models[service as keyof typeof models].take() : switchStore(service, true)),
          giveBack: async (service: Taken) =>
            service in models ? models[service as keyof typeof models].giveBack() : switchStore(service, false),
          decidedMs: decisions(node),
        };
        await beginsInFull(node.url);
        const results = await runModes(world, STEPS, WATCH_MS);
        assert.is(results.length, STEPS.length * 2);
        for (const { change, collection, changes, failed, queries } of results) {
          assert.ok(queries > 0);
          assert.equal({ change, collection, failed }, { change, collection, failed: 0 });
          assert.ok(changes <= 1, `${change}: the mode of ${collection} has changed ${changes} times`);
        }
        const changes = await runEdge(world, "reranker", 5, 250, "full");
        assert.ok(changes <= 2, `at the edge the mode has changed ${changes} times`);
      },
      { clock: systemClock(), random: systemRandom(), tap: store.tap },
    );
  } finally {
    await Promise.all([embedding, reranker, chat].map((service) => service.stop()));
  }
});

test.run();
