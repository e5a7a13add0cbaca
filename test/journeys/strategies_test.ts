import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Hit } from "../../actors/retriever/search.ts";
import { answerStatus, type Behaviour, hang, startOpenAiServer } from "../support/openai_server.ts";
import type { Caller } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const test = suite("strategies that have a model write");
const PETS = [
  { id: "manx", text: "The Manx is a cat without a tail." },
  { id: "beagle", text: "A small scent hound, bred to hunt hare." },
  { id: "parrot", text: "Parrots repeat the words that they hear." },
];
const ENSEMBLE = [{ strategy: "hybrid", weight: 2 }, { strategy: "multi_query" }, { strategy: "hyde", weight: 0.5 }];

/** Writes other words for what is asked, as a model does: questions about birds, or a passage about dogs. */
const writes: Behaviour = ({ body }, response) => {
  const { messages } = body as unknown as { readonly messages: readonly { readonly content: string }[] };
  const content = messages[0]?.content.includes("short passage")
    ? "A hound that hunts hare by its scent."
    : "1. repeating words\n2. talking bird";
  const event = (choice: object) =>
    `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", choices: [{ index: 0, ...choice }] })}\n\n`;
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.end(`${event({ delta: { content } })}${event({ delta: {}, finish_reason: "stop" })}data: [DONE]\n\n`);
};

async function onPets(work: (caller: Caller, provider: Awaited<ReturnType<typeof startOpenAiServer>>) => Promise<void>): Promise<void> {
  const provider = await startOpenAiServer({ dimensions: 4 });
  provider.behave(writes);
  const settings = { KENNEL_CHAT: "openai:test-chat", OPENAI_BASE_URL: provider.url, KENNEL_OPENAI_MAX_RETRIES: "0" };
  try {
    await onNode(settings, async ({ caller }) => {
      for (const [name, resident] of [
        ["stored", "never"],
        ["held", "always"],
      ] as const) {
        await caller.makeCollection(name, { resident });
        await caller.addDocuments(name, PETS);
        await caller.must("POST", `/v1/collections/${name}/warm`);
      }
      provider.forget();
      await work(caller, provider);
    });
  } finally {
    await provider.stop();
  }
}

const ids = (hits: readonly Hit[]) => hits.map((hit) => hit.document_id);

test("Further questions and a made-up answer find what the question's own words do not, from the store and from memory", () =>
  onPets(async (caller, provider) => {
    for (const collection of ["stored", "held"]) {
      const ask = (body: object) => caller.search(collection, { query: "animal with no tail", ...body });
      const plain = await ask({ strategy: "bm25" });
      assert.equal(ids(plain.data), ["manx"]);
      const multi = await ask({ strategy: "multi_query", sub_queries: 2 });
      assert.ok(ids(multi.data).includes("parrot"));
      assert.type(multi.data.find((hit) => hit.document_id === "parrot")?.ranks?.bm25_1, "number");
      const hyde = await ask({ strategy: "hyde" });
      assert.type(hyde.data[0]?.scores?.hyde, "number");
      const all = await ask({ strategy: "ensemble", strategies: ENSEMBLE });
      assert.equal([...ids(all.data)].sort(), ["beagle", "manx", "parrot"]);
      assert.equal(
        (await caller.search(collection, { query: "animal with no tail", strategy: "ensemble", strategies: ENSEMBLE })).data,
        all.data,
      );
      for (const answer of [multi, hyde, all]) assert.equal([answer.mode, answer.degradations], ["full", []]);
    }
    for (const { body } of provider.requests) assert.match(JSON.stringify(body), "<question>");
  }));

test("A provider that fails or hangs costs the further questions and no answer; a strict request is told", () =>
  onPets(async (caller, provider) => {
    // What ran out of time says nothing about the provider: the mode stays.
    for (const [at, [behaviour, mode]] of (
      [
        [answerStatus(500), "no_rewrite"],
        [hang, "full"],
      ] as const
    ).entries()) {
      provider.behave(behaviour);
      const body = { query: `cat without a tail ${at}`, strategy: "multi_query", timeout_ms: 2_000 };
      const answer = await caller.search("held", body);
      assert.is(answer.data[0]?.document_id, "manx");
      assert.is(answer.mode, mode);
      assert.equal(
        answer.degradations.map(({ stage, service }) => [stage, service]),
        [["rewrite", "language_model"]],
      );
      await caller.refused("degraded", "POST", "/v1/collections/held/search", { ...body, allow_degraded: false });
    }
  }));

test("Without a language model the question alone is answered; what does not fit a strategy is refused by its field", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("pets");
    await caller.addDocuments("pets", PETS);
    const answer = await caller.search("pets", { query: "tail", strategy: "hyde" });
    assert.equal([answer.mode, answer.degradations.map(({ reason }) => reason)], ["no_rewrite", ["not_configured"]]);
    const path = "/v1/collections/pets/search";
    for (const [body, param] of [
      [{ strategy: "ensemble" }, "strategies"],
      [{ strategy: "hybrid", strategies: ENSEMBLE }, "strategies"],
      [{ strategy: "ensemble", strategies: [{ strategy: "ensemble" }] }, "strategies[0].strategy"],
      [{ strategy: "ensemble", strategies: [{ strategy: "bm25" }, { strategy: "bm25" }] }, "strategies[1].strategy"],
      [{ strategy: "ensemble", strategies: [{ strategy: "bm25", weight: 0 }] }, "strategies[0].weight"],
      [{ strategy: "multi_query", sub_queries: 9 }, "sub_queries"],
      [{ strategy: "hybrid", sub_queries: 2 }, "sub_queries"],
    ] as const) {
      assert.is((await caller.refused("invalid_request", "POST", path, { query: "tail", ...body })).param, param);
    }
    const judged = { queries: [{ query: "tail", relevant: { manx: 1 } }], strategies: ["ensemble"] };
    assert.is((await caller.refused("invalid_request", "POST", "/v1/collections/pets/evaluations", judged)).param, "ensemble");
    const evaluation = await caller.must<{ data: { strategy: string }[] }>("POST", "/v1/collections/pets/evaluations", {
      queries: judged.queries,
      ensemble: [{ strategy: "bm25" }, { strategy: "vector" }],
    });
    assert.equal(
      evaluation.data.map(({ strategy }) => strategy),
      ["vector", "bm25", "hybrid", "parent_document", "ensemble"],
    );
  }));

test.run();
