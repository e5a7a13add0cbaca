import { test } from "uvu";
import * as assert from "uvu/assert";
import { until } from "./caller.ts";
import { onNode } from "./node_rig.ts";

test("A newcomer's first question is answered from the documentation, which only the first start loads", () =>
  onNode({ KENNEL_LOAD_DOCUMENTATION: "true" }, async (rig) => {
    await until("the documentation can be asked", async () => {
      const { status } = await rig.caller.send("GET", "/v1/collections/kennel");
      return status === 200 && (await rig.caller.collection("kennel")).chunks > 0;
    });
    const answer = await rig.caller.search("kennel", { query: "Which variable sets the folder of everything that is kept?" });
    assert.is(answer.mode, "full");
    assert.equal(answer.degradations, []);
    const names = answer.data.some((hit) => hit.text?.includes("KENNEL_DATA_DIR"));
    assert.ok(names, "no passage names the variable");
    const before = await rig.caller.collection("kennel");
    await rig.caller.must("DELETE", "/v1/collections/kennel/documents/README.md");

    await rig.restart();
    const after = await rig.caller.collection("kennel");
    assert.is(after.documents, 3, "the second start has brought back what was deleted");
    assert.is(after.created_at, before.created_at);
    assert.not((await rig.caller.found("kennel", { query: "README" })).includes("README.md"));
    await rig.caller.must("DELETE", "/v1/collections/kennel");

    await rig.restart();
    await rig.caller.refused("not_found", "GET", "/v1/collections/kennel");
  }));

test("A node without a collection is ready, lists none and says of each that it is not there", () =>
  onNode({}, async ({ caller }) => {
    assert.equal(await caller.must("GET", "/readyz"), { status: "ok" });
    assert.equal(await caller.must("GET", "/v1/collections"), { object: "list", data: [], next: null });
    await caller.refused("not_found", "POST", "/v1/collections/kennel/search", { query: "anything" });
  }));

test.run();
