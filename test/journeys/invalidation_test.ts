/** What was answered or embedded before is never given for something else: each change on its own, on one node. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SearchAnswer } from "../../actors/retriever/search.ts";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import { startOpenAiServer } from "../support/openai_server.ts";
import { type Caller, until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

const PETS = [
  { id: "beagle", text: "A small hound that hunts hare.", attributes: { kind: "dog", year: 1830 } },
  { id: "manx", text: "A small cat without a tail.", attributes: { kind: "cat", year: 1900 } },
];
const QUESTION = { query: "small animals" };

const ids = ({ data }: SearchAnswer) => data.map(({ document_id }) => document_id).sort();

/** Asks twice: the second answer comes from the cache. */
async function askedBefore(caller: Caller, question: object = QUESTION): Promise<SearchAnswer> {
  await caller.search("pets", { ...question });
  const again = await caller.search("pets", { ...question });
  assert.is(again.cache, "hit");
  return again;
}

for (const resident of ["always", "never"]) {
  const onPets = (journey: (caller: Caller) => Promise<void>) =>
    onNode({}, async ({ caller }) => {
      await caller.makeCollection("pets", { resident });
      await caller.addDocuments("pets", PETS);
      await journey(caller);
    });

  test(`New, changed and removed documents are seen by the next question (resident: ${resident})`, () =>
    onPets(async (caller) => {
      const before = await askedBefore(caller);
      await caller.addDocuments("pets", [{ id: "dwarf", text: "A small rabbit." }]);
      const more = await caller.search("pets", QUESTION);
      assert.equal([more.cache, ids(more)], ["miss", ["beagle", "dwarf", "manx"]]);
      assert.ok(more.index_version > before.index_version);
      await askedBefore(caller);
      await caller.addDocuments("pets", [{ id: "manx", text: "A small island's cat." }]);
      const changed = await caller.search("pets", QUESTION);
      assert.is(changed.cache, "miss");
      assert.is(changed.data.find(({ document_id }) => document_id === "manx")?.text, "A small island's cat.");
      await askedBefore(caller);
      await caller.must("DELETE", "/v1/collections/pets/documents/manx");
      const fewer = await caller.search("pets", QUESTION);
      assert.equal([fewer.cache, ids(fewer)], ["miss", ["beagle", "dwarf"]]);
    }));

  test(`A question with another filter is another question (resident: ${resident})`, () =>
    onPets(async (caller) => {
      await askedBefore(caller);
      for (const [filters, found] of [
        [{ type: "eq", key: "kind", value: "cat" }, ["manx"]],
        [{ type: "eq", key: "kind", value: "dog" }, ["beagle"]],
        [{ type: "ne", key: "kind", value: "dog" }, ["manx"]],
        [{ type: "lt", key: "year", value: 1850 }, ["beagle"]],
      ] as const) {
        const answer = await caller.search("pets", { ...QUESTION, filters });
        assert.equal([answer.cache, ids(answer)], ["miss", found]);
      }
    }));

  test(`A collection made anew under an old name has none of its answers (resident: ${resident})`, () =>
    onPets(async (caller) => {
      await askedBefore(caller);
      await caller.must("DELETE", "/v1/collections/pets");
      await caller.refused("not_found", "POST", "/v1/collections/pets/search", QUESTION);
      await caller.makeCollection("pets", { resident });
      assert.equal(ids(await caller.search("pets", QUESTION)), []);
      await caller.addDocuments("pets", [{ id: "carp", text: "A small fish." }]);
      assert.equal(ids(await caller.search("pets", QUESTION)), ["carp"]);
    }));

  test(`A build of other settings has answers of its own (resident: ${resident})`, () =>
    onPets(async (caller) => {
      await askedBefore(caller);
      const job = await caller.must<WireJob>("POST", "/v1/collections/pets/reindex", { language: "german" });
      assert.is((await caller.jobEnded(job)).status, "completed");
      assert.is((await caller.search("pets", QUESTION)).cache, "miss");
    }));
}

test("A deleted collection's questions are not asked again after a restart", () =>
  onNode({}, async (rig) => {
    for (const name of ["pets", "plants"]) {
      await rig.caller.makeCollection(name);
      await rig.caller.addDocuments(name, PETS);
      await rig.caller.search(name, QUESTION);
    }
    await rig.caller.must("DELETE", "/v1/collections/plants");
    await rig.restart();
    await until("what was asked is asked again", async () => {
      const metrics = await (await fetch(`${rig.caller.url}/metrics`)).text();
      return /kennel_retriever_events_total\{event="query_replayed"\} 1\b/.test(metrics);
    });
    assert.is((await rig.caller.search("pets", QUESTION)).cache, "hit");
    await rig.caller.refused("not_found", "POST", "/v1/collections/plants/search", QUESTION);
  }));

test("A model's vectors are never another model's, wherever they are kept", async () => {
  const server = await startOpenAiServer({ dimensions: 16 });
  const settings = { KENNEL_EMBEDDING: "openai:first", OPENAI_BASE_URL: server.url, OPENAI_API_KEY: "key" };
  const embedded = (text: string) => server.requests.filter(({ body }) => body.input?.includes(text)).map(({ body }) => body.model);
  try {
    await onNode(settings, async (rig) => {
      await rig.caller.makeCollection("pets");
      await rig.caller.addDocuments("pets", PETS);
      await rig.caller.search("pets", QUESTION);
      await rig.restart(undefined, { ...settings, KENNEL_EMBEDDING: "openai:second" });
      await rig.caller.makeCollection("others");
      await rig.caller.addDocuments("others", PETS);
      await rig.caller.search("others", QUESTION);
    });
    assert.equal(embedded(PETS[0]?.text ?? ""), ["first", "second"]);
    assert.equal(embedded(QUESTION.query), ["first", "second"]);
  } finally {
    await server.stop();
  }
});

test.run();
