import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadConfig } from "../../config/load.ts";
import { answerStatus, startOpenAiServer } from "../support/openai_server.ts";
import { onNode } from "./node_rig.ts";

const test = suite("hits refined");
const PETS = ["manx", "beagle", "parrot", "heron"].map((id, at) => ({ id, text: `The ${id} is animal number ${at} of the house.` }));

test("A second embedding model ranks candidates anew; their vectors are kept, so that a query costs one embedding, after a restart too", async () => {
  const provider = await startOpenAiServer({ dimensions: 8 });
  const settings = { KENNEL_RERANK_EMBEDDING: "openai:strong", OPENAI_BASE_URL: provider.url, KENNEL_OPENAI_MAX_RETRIES: "0" };
  const asked = () => provider.requests.flatMap(({ body }) => (body.input ?? []).filter((text) => text !== "probe"));
  try {
    await onNode(settings, async (rig) => {
      await rig.caller.makeCollection("pets");
      await rig.caller.addDocuments("pets", PETS);
      provider.forget();
      const ask = (query: string, body: object = {}) => rig.caller.search("pets", { query, rerank: true, ...body });
      const first = await ask("which animal of the house");
      assert.equal([...asked()].sort(), ["which animal of the house", ...PETS.map(({ text }) => text)].sort());
      assert.equal([first.data.length, first.data[0]?.score_type, first.degradations], [4, "weighted", []]);
      assert.type(first.data[0]?.scores?.rerank, "number");
      provider.forget();
      const alone = await ask("an animal of the house", { rerank_weight: 1 });
      assert.equal(asked(), ["an animal of the house"]);
      assert.is(alone.data[0]?.score_type, "rerank");
      await rig.restart();
      provider.forget();
      const again = await ask("number of the animal");
      assert.equal([asked(), again.degradations], [["number of the animal"], []]);
      provider.behave(answerStatus(500));
      const without = await ask("house of the animal");
      assert.equal([without.data.length, without.degradations.map(({ stage }) => stage)], [4, ["rerank"]]);
    });
  } finally {
    await provider.stop();
  }
});

test("A node has one reranker", () => {
  const sources = {
    environment: {
      KENNEL_RERANK_EMBEDDING: "openai:strong",
      OPENAI_BASE_URL: "http://127.0.0.1:1/v1",
      KENNEL_RERANK_URL: "http://127.0.0.1:1/",
    },
    readFile: () => null,
    hostName: () => "here",
    workingFolder: "/",
  };
  assert.throws(() => loadConfig(sources), /KENNEL_RERANK_URL and KENNEL_RERANK_EMBEDDING are both set/);
});

const SECTIONS = Array.from(
  { length: 6 },
  (_, at) => `Section ${at} tells of the pump: ${"it turns and turns until the water is out ".repeat(3)}`,
);

test("Neighbours become one hit, near-duplicates one, and MMR brings in what is different; from the store and from memory", () =>
  onNode({}, async ({ caller }) => {
    for (const resident of ["never", "always"]) {
      await caller.makeCollection(resident, { resident, chunking: { max_tokens: 40, overlap_tokens: 0, parent_tokens: 0 } });
      await caller.addDocuments(resident, [
        { id: "manual", text: SECTIONS.join("\n\n") },
        { id: "copy", text: "A pump moves water by turning a wheel in a round house." },
        { id: "second copy", text: "A pump moves water, by turning a wheel in a round house!" },
        { id: "heron", text: "A heron stands in the water and waits for fish." },
      ]);
      await caller.must("POST", `/v1/collections/${resident}/warm`);
      const ask = async (body: object) => (await caller.search(resident, { query: "pump water", ...body })).data;
      const plain = await ask({ top_k: 20 });
      assert.is(plain.filter((hit) => hit.document_id === "manual").length, SECTIONS.length);
      const merged = await ask({ top_k: 20, merge_neighbors: true });
      assert.equal(merged.map((hit) => hit.document_id).sort(), ["copy", "heron", "manual", "second copy"]);
      for (const section of SECTIONS) assert.ok(merged.find((hit) => hit.document_id === "manual")?.text?.includes(section.trim()));
      const thinned = await ask({ top_k: 20, deduplicate: true });
      assert.is(thinned.filter((hit) => hit.document_id.endsWith("copy")).length, 1);
      const diverse = await ask({ top_k: 3, mmr: { diversity: 0.8 } });
      assert.ok(new Set(diverse.map((hit) => hit.document_id)).size >= 2);
      assert.ok(diverse.every((hit, at) => at === 0 || hit.score <= (diverse[at - 1]?.score ?? 0)));
    }
    for (const [body, param] of [
      [{ mmr: { diversity: 2 } }, "mmr.diversity"],
      [{ rerank_weight: 0.5 }, "rerank_weight"],
      [{ deduplicate: "yes" }, "deduplicate"],
    ] as const) {
      const refused = await caller.refused("invalid_request", "POST", "/v1/collections/always/search", { query: "pump", ...body });
      assert.is(refused.param, param);
    }
  }));

test.run();
