import { test } from "uvu";
import * as assert from "uvu/assert";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import { answerStatus, answerVectors, hang, type OpenAiServer, startOpenAiServer } from "../support/openai_server.ts";
import { until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const DIMENSIONS = 24;
const PETS = [
  { id: "beagle", text: "A small scent hound, bred to hunt hare." },
  { id: "manx", text: "A cat without a tail." },
];

interface Status {
  readonly children: readonly {
    readonly path: string;
    readonly pool?: { readonly max: number };
    readonly details?: Readonly<Record<string, unknown>>;
  }[];
}

async function onProvider(
  settings: Readonly<Record<string, string>>,
  journey: (server: OpenAiServer, settings: Record<string, string>) => Promise<void>,
) {
  const server = await startOpenAiServer({ dimensions: DIMENSIONS });
  try {
    await journey(server, { KENNEL_EMBEDDING: "openai:test-model", OPENAI_BASE_URL: server.url, OPENAI_API_KEY: "key", ...settings });
  } finally {
    await server.stop();
  }
}

/** Texts that were sent to be embedded, without what the node sends of itself. */
function sent(server: OpenAiServer): readonly string[] {
  return server.requests.flatMap(({ body }) => body.input ?? []).filter((text) => text !== "probe" && text !== "dimensions");
}

test("A node with a provider's model indexes and finds by its vectors, and pays for no text twice", () =>
  // Without Redis, a question that is asked again to warm caches would be paid for.
  onProvider({ KENNEL_RETRIEVER_WARM_QUERIES: "0" }, (server, settings) =>
    onNode(settings, async (rig) => {
      const collection = await rig.caller.makeCollection("pets");
      assert.is(collection.settings.embedding, "openai:test-model");
      assert.is((await rig.caller.addDocuments("pets", PETS)).status, "completed");
      assert.equal([...sent(server)].sort(), PETS.map(({ text }) => text).sort());
      const answer = await rig.caller.search("pets", { query: PETS[1]?.text ?? "", strategy: "vector" });
      assert.is(answer.data[0]?.document_id, "manx");
      assert.is(answer.mode, "full");
      const metrics = await (await fetch(`${rig.caller.url}/metrics`)).text();
      assert.match(metrics, /kennel_model_tokens_total\{model="openai:test-model"\} \d+/);
      assert.match(metrics, /kennel_store_calls_total\{store="embedding",operation="embed",outcome="ok"\} \d+/);
      const status = await rig.caller.must<Status>("GET", "/v1/status");
      assert.is(status.children.find(({ path }) => path.endsWith("/embedding"))?.pool?.max, 8);

      const before = sent(server).length;
      await rig.restart(); // what waits for the disk is written before
      await rig.caller.makeCollection("more");
      await rig.caller.addDocuments("more", PETS);
      assert.is(sent(server).length, before);
    }),
  ));

test("Identical queries at once cost one call of the provider, different ones as many as there are batches", () =>
  onProvider({ KENNEL_OPENAI_MAX_INPUTS: "16", KENNEL_OPENAI_WINDOW_MS: "500" }, (server, settings) =>
    onNode(settings, async ({ caller }) => {
      await caller.makeCollection("pets");
      await caller.addDocuments("pets", PETS);
      const count = () => server.requests.filter(({ body }) => body.input?.some((text) => text.startsWith("question"))).length;
      await Promise.all(Array.from({ length: 40 }, () => caller.search("pets", { query: "question", strategy: "vector" })));
      assert.is(count(), 1);
      await Promise.all(Array.from({ length: 40 }, (_, at) => caller.search("pets", { query: `question ${at}`, strategy: "vector" })));
      assert.is(count(), 1 + Math.ceil(40 / 16));
    }),
  ));

test("A provider that fails, hangs or gives nonsense takes the vectors away, never the answer, and comes back", () =>
  onProvider({ KENNEL_OPENAI_MAX_RETRIES: "0", KENNEL_OPENAI_ATTEMPT_TIMEOUT_MS: "200" }, (server, settings) =>
    onNode(settings, async ({ caller }) => {
      await caller.makeCollection("pets");
      await caller.addDocuments("pets", PETS);
      const faults = [answerStatus(500), answerStatus(429, { "retry-after": "30" }), answerVectors(DIMENSIONS + 1), hang];
      for (const [at, fault] of faults.entries()) {
        server.behave(fault);
        const answer = await caller.search("pets", { query: `cat tail ${at}` });
        assert.is(answer.data.length > 0, true);
        assert.ok(answer.degradations.length > 0, `fault ${at} went unnoticed`);
        const strict = { query: `tail ${at}`, strategy: "vector", allow_degraded: false };
        await caller.refused("degraded", "POST", "/v1/collections/pets/search", strict);
      }
      server.behave(null);
      await until("answers are full again", async () => (await caller.search("pets", { query: `cat ${Math.random()}` })).mode === "full");
    }),
  ));

test("While the provider's breaker is open, what was asked before is answered in full, and only what is new by its words", () =>
  onProvider({ KENNEL_OPENAI_MAX_RETRIES: "0", KENNEL_SUPERVISION_EMBEDDING_MIN_CALLS: "1" }, (server, settings) =>
    onNode(settings, async ({ caller }) => {
      await caller.makeCollection("pets");
      await caller.addDocuments("pets", PETS);
      await caller.search("pets", { query: "cat tail", strategy: "vector" });
      server.behave(answerStatus(503));
      let other = 0;
      await until("the mode is lexical", async () => (await caller.search("pets", { query: `cat ${other++}` })).mode === "lexical");
      const known = await caller.search("pets", { query: "cat tail", allow_degraded: false, include: ["scores"] });
      assert.equal([known.mode, known.degradations], ["full", []]);
      assert.ok(known.data.some(({ scores }) => scores?.vector !== undefined));
      assert.is((await caller.search("pets", { query: "tail of a cat" })).mode, "lexical");
    }),
  ));

test("A collection made with another model is refused with the name of both, and comes back with its model", () =>
  onProvider({}, (_server, settings) =>
    onNode(settings, async (rig) => {
      await rig.caller.makeCollection("pets");
      await rig.caller.addDocuments("pets", PETS);
      await rig.restart(undefined, { ...settings, KENNEL_EMBEDDING: "static" });
      const error = await rig.caller.refused("conflict", "POST", "/v1/collections/pets/search", { query: "cat" });
      assert.match(error.message, /"openai:test-model".*"static-minilm-256"/);
      await rig.caller.refused("unavailable", "POST", "/v1/collections/pets/documents", { documents: PETS });
      await rig.restart(undefined, settings);
      assert.is((await rig.caller.search("pets", { query: "cat" })).mode, "full");
    }),
  ));

test("A node starts without its provider, remembers the vectors' length, and says what is missing", () =>
  onProvider({ KENNEL_SUPERVISION_EMBEDDING_BACKOFF_MS: "50" }, (server, settings) =>
    onNode(settings, async (rig) => {
      await rig.caller.makeCollection("pets");
      await rig.caller.addDocuments("pets", PETS);
      server.behave(answerStatus(500));
      await rig.restart();
      const answer = await rig.caller.search("pets", { query: "cat tail" });
      assert.is(answer.data.length > 0, true);
      server.behave(null);
      await until(
        "answers are full again",
        async () => (await rig.caller.search("pets", { query: `cat ${Math.random()}` })).mode === "full",
      );
    }),
  ));

test("Documents sent while the provider is away wait in their job, which goes on when it is back", () =>
  onProvider({ KENNEL_OPENAI_MAX_RETRIES: "0", KENNEL_SUPERVISION_EMBEDDING_MAX_BACKOFF_MS: "1000" }, (server, settings) =>
    onNode(settings, async ({ caller }) => {
      await caller.makeCollection("pets");
      server.behave(answerStatus(503));
      const job = await caller.must<WireJob>("POST", "/v1/collections/pets/documents", { documents: PETS });
      const tries = server.requests.length;
      await until("the provider was asked in vain", async () => server.requests.length > tries);
      assert.ok(["queued", "running"].includes((await caller.must<WireJob>("GET", `/v1/jobs/${job.id}`)).status));
      server.behave(null);
      assert.is((await caller.jobEnded(job)).status, "completed");
      assert.is((await caller.search("pets", { query: PETS[0]?.text ?? "", strategy: "vector" })).data.length, 2);
    }),
  ));

test.run();
