import { test } from "uvu";
import * as assert from "uvu/assert";
import { FLAG_NAMES } from "../../config/flags.ts";
import { runCommand } from "../bridge/cli/command_run.ts";
import { onNode } from "./node_rig.ts";

interface Flag {
  readonly flag: string;
  readonly enabled: boolean;
  readonly default: boolean;
  readonly source: string;
  readonly reason: string | null;
}

const PETS = [
  { id: "manx", text: "A cat without a tail." },
  { id: "beagle", text: "A dog with a fine nose." },
];

test("Parts are switched off and on while the node runs, kept over a restart, and shown", async () => {
  await onNode({ KENNEL_FLAGS_HEDGING: "false" }, async (rig) => {
    const { caller } = rig;
    const list = await caller.must<{ readonly data: readonly Flag[] }>("GET", "/v1/flags");
    assert.equal(
      list.data.map(({ flag }) => flag),
      FLAG_NAMES,
    );
    assert.equal(
      list.data.filter(({ enabled }) => !enabled).map(({ flag, source }) => [flag, source]),
      [["hedging", "settings"]],
    );
    await caller.makeCollection("pets");
    await caller.addDocuments("pets", PETS);
    const cacheOf = async () => (await caller.search("pets", { query: "cat" })).cache;
    assert.equal([await cacheOf(), await cacheOf()], ["miss", "hit"]);
    const off = await caller.must<Flag>("PUT", "/v1/flags/answer_cache", { enabled: false, reason: "wrong answers" });
    assert.equal([off.enabled, off.default, off.source, off.reason], [false, true, "cluster", "wrong answers"]);
    assert.equal([await cacheOf(), await cacheOf()], ["off", "off"]);
    await caller.must("DELETE", "/v1/flags/answer_cache");
    assert.equal([await cacheOf(), await cacheOf()], ["miss", "hit"], "what was kept before is not given again");

    await caller.must("POST", "/v1/collections/pets/warm");
    let asked = 0;
    const indexOf = async () => (await caller.search("pets", { query: `dog ${++asked}` })).freshness.index;
    while ((await indexOf()) !== "resident") assert.ok(asked < 1_000, "it is held in memory");
    await caller.must("PUT", "/v1/flags/resident_index", { enabled: false, scope: "node" });
    assert.is(await indexOf(), "store");
    await caller.must("PUT", "/v1/flags/coalescing", { enabled: false });
    const answers = await Promise.all(Array.from({ length: 3 }, () => caller.search("pets", { query: "fine nose" })));
    assert.ok(answers.every(({ cache }) => cache === "miss" || cache === "hit"));

    await rig.restart();
    const after = await rig.caller.must<{ readonly flags: readonly Flag[] }>("GET", "/v1/status");
    const states = Object.fromEntries(after.flags.map(({ flag, enabled }) => [flag, enabled]));
    assert.equal([states.coalescing, states.resident_index, states.hedging], [false, true, false]);
    assert.match(await (await fetch(`${rig.caller.url}/metrics`)).text(), 'kennel_flag{flag="coalescing"} 0');
    assert.is((await rig.caller.must<Flag>("DELETE", "/v1/flags/coalescing?scope=cluster")).enabled, true);
  });
});

test("The command line shows, switches and resets flags", async () => {
  await onNode({}, async ({ caller }) => {
    const run = (...argv: readonly string[]) => runCommand(["flags", ...argv], { environment: { KENNEL_URL: caller.url } });
    const off = await run("off", "hedging", "--scope", "node", "--reason", "the store is full");
    assert.is(off.exitCode, 0);
    assert.match(off.out, /^hedging: off .*said to the node \(journey\).*: the store is full$/);
    const list = await run();
    assert.is(list.out.split("\n").length, FLAG_NAMES.length);
    assert.match(list.out, /^hedging +off/m);
    assert.match(list.out, /^rerank +on/m);
    const json = JSON.parse((await run("list", "--json")).out) as { readonly data: readonly Flag[] };
    assert.is(json.data.find(({ flag }) => flag === "hedging")?.source, "node");
    assert.match((await run("on", "hedging")).out, /^hedging: off/, "what the node was told wins");
    assert.match((await run("reset", "hedging", "--scope", "node")).out, /^hedging: on .*said to the cluster/);
    assert.match((await run("reset", "hedging")).out, /^hedging: on {3}Second attempts/);
    const wrong = await run("off", "hedgehog");
    assert.is(wrong.exitCode, 1);
    assert.match(wrong.err, "there are hedging, shedding");
    assert.is((await run("off", "hedging", "--scope", "world")).exitCode, 2);
  });
});

test("What is wrong is said with what is allowed", async () => {
  await onNode({}, async ({ caller }) => {
    const unknown = await caller.refused("not_found", "PUT", "/v1/flags/hedgehog", { enabled: false });
    assert.match(JSON.stringify(unknown), /there are hedging, shedding/);
    await caller.refused("not_found", "DELETE", "/v1/flags/hedgehog");
    await caller.refused("invalid_request", "PUT", "/v1/flags/hedging", {});
    await caller.refused("invalid_request", "PUT", "/v1/flags/hedging", { enabled: "no" });
    await caller.refused("invalid_request", "PUT", "/v1/flags/hedging", { enabled: false, scope: "world" });
    await caller.refused("invalid_request", "DELETE", "/v1/flags/hedging?scope=world");
    await caller.refused("invalid_request", "DELETE", "/v1/flags/hedging?all=1");
    await caller.refused("invalid_request", "PUT", "/v1/mode", { mode: "lexical", scope: "world" });
  });
});

test("A mode that was forced holds after a restart, one that was forced on the node alone does not", async () => {
  await onNode({}, async (rig) => {
    const modeOf = async () => (await rig.caller.must<{ readonly forced_mode: string | null }>("GET", "/v1/status")).forced_mode;
    await rig.caller.must("PUT", "/v1/mode", { mode: "lexical" });
    await rig.caller.must("PUT", "/v1/mode", { mode: "basic", scope: "node" });
    assert.is(await modeOf(), "basic");
    await rig.restart();
    assert.is(await modeOf(), "lexical");
    await rig.caller.must("PUT", "/v1/mode", { mode: null });
    await rig.restart();
    assert.is(await modeOf(), null);
  });
});

test.run();
