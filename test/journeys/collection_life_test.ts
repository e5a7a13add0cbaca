import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SearchAnswer } from "../../actors/retriever/search.ts";
import type { WireError } from "../../bridge/schema/errors.ts";
import type { WireJob } from "../../bridge/schema/jobs.ts";
import { onNode } from "./node_rig.ts";

const CODES_OF_A_DELETED_COLLECTION = ["not_found", "cancelled", "unavailable", "conflict"];

test("An alias is asked in its collection's place, moves at once, and goes with its collection", () =>
  onNode({}, async (rig) => {
    for (const name of ["blue", "green"]) {
      await rig.caller.makeCollection(name);
      await rig.caller.addDocuments(name, [{ id: name, text: `the colour is ${name}` }]);
    }
    const ask = () => rig.caller.found("live", { query: "colour" });
    await rig.caller.refused("not_found", "PUT", "/v1/aliases/live", { collection: "red" });
    await rig.caller.refused("not_found", "PUT", "/v1/aliases/live", { collection: "blue", version: 99 });
    await rig.caller.refused("conflict", "PUT", "/v1/aliases/green", { collection: "blue" });
    await rig.caller.must("PUT", "/v1/aliases/live", { collection: "blue" });
    assert.equal(await ask(), ["blue"]);
    await rig.caller.must("PUT", "/v1/aliases/live", { collection: "green" });
    assert.equal(await ask(), ["green"]);
    assert.equal((await rig.caller.collection("live")).aliases, ["live"]);

    await rig.restart();
    assert.equal(await ask(), ["green"]);
    await rig.caller.must("DELETE", "/v1/collections/green");
    await rig.caller.refused("not_found", "POST", "/v1/collections/live/search", { query: "colour" });
    await rig.caller.refused("not_found", "DELETE", "/v1/aliases/live");
  }));

test("A collection into which nothing was put finds nothing, in memory or not, and what is added then is found by every branch", () =>
  onNode({}, async (rig) => {
    for (const resident of ["always", "never"]) {
      await rig.caller.makeCollection(resident, { resident });
      await rig.caller.must("POST", `/v1/collections/${resident}/warm`);
      for (const strategy of ["vector", "bm25", "hybrid"]) {
        const answer = await rig.caller.must<SearchAnswer>("POST", `/v1/collections/${resident}/search`, { query: "harbour", strategy });
        assert.equal([answer.data, answer.degradations, answer.mode], [[], [], "full"]);
      }
      await rig.caller.addDocuments(resident, [{ id: "first", text: "a lighthouse above the harbour" }]);
      for (const strategy of ["vector", "bm25"]) {
        assert.equal(await rig.caller.found(resident, { query: "harbour", strategy }), ["first"]);
      }
    }
  }));

test("A collection deleted while it is loaded and asked is gone at once, and its name starts anew with nothing in it", () =>
  onNode({}, async (rig) => {
    const { caller } = rig;
    await caller.makeCollection("busy");
    await caller.makeCollection("calm");
    await caller.addDocuments("calm", [{ id: "calm", text: "still water" }]);
    await caller.addDocuments("busy", [{ id: "first", text: "old water" }]);
    const documents = Array.from({ length: 2_000 }, (_, place) => ({ id: `old ${place}`, text: `old water number ${place}` }));
    const job = await caller.must<WireJob>("POST", "/v1/collections/busy/documents", { documents });
    const questions = Array.from({ length: 40 }, (_, place) =>
      caller.send<SearchAnswer & Partial<WireError>>("POST", "/v1/collections/busy/search", { query: `water ${place}` }),
    );
    const calm = Array.from({ length: 20 }, (_, place) => caller.found("calm", { query: `still water ${place}` }));
    await caller.must("DELETE", "/v1/collections/busy");
    for (const { status, body } of await Promise.all(questions)) {
      if (status === 200) continue;
      const code = body.error?.code ?? "none";
      assert.ok(CODES_OF_A_DELETED_COLLECTION.includes(code), `a question was answered ${status} ${code}`);
    }
    for (const ids of await Promise.all(calm)) assert.equal(ids, ["calm"]);
    await caller.refused("not_found", "GET", "/v1/collections/busy");
    await caller.refused("not_found", "POST", "/v1/collections/busy/search", { query: "water" });
    await caller.refused("not_found", "GET", `/v1/jobs/${job.id}`);

    const remade = await caller.makeCollection("busy");
    assert.equal([remade.documents, remade.chunks], [0, 0]);
    const look = async () => {
      for (const strategy of ["bm25", "vector", "hybrid"]) {
        assert.equal(await rig.caller.found("busy", { query: "old water", strategy }), ["new"], strategy);
      }
    };
    await caller.addDocuments("busy", [{ id: "new", text: "new water" }]);
    await look();
    await rig.restart();
    await look();
    assert.is((await rig.caller.collection("busy")).documents, 1);
  }));

test("A job that is cancelled ends, and what it had not reached is not found", () =>
  onNode({}, async ({ caller }) => {
    await caller.makeCollection("long");
    const documents = Array.from({ length: 4_000 }, (_, place) => ({ id: `page ${place}`, text: `page number${place}` }));
    const job = await caller.must<WireJob>("POST", "/v1/collections/long/documents", { documents });
    await caller.must("DELETE", `/v1/jobs/${job.id}`);
    const ended = await caller.jobEnded(job);
    assert.is(ended.status, "cancelled");
    assert.ok(ended.counts.indexed < documents.length);
    assert.equal(await caller.found("long", { query: "number3999", strategy: "bm25" }), []);
    await caller.refused("conflict", "DELETE", `/v1/jobs/${job.id}`);
  }));

test.run();
