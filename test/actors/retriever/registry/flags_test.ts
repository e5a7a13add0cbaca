import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ALL_ON, type FlagKey } from "../../../../config/flags.ts";
import { rejects } from "../../../transport/transport_contract.ts";
import { OPTIONS, startRegistry } from "./registry_rig.ts";

const test = suite("flags of retrievers");

/** A registry whose flags a test switches as the node does. */
async function withFlags(
  run: (rig: ReturnType<typeof startRegistry>, set: (flag: FlagKey, isOn: boolean) => Promise<void>) => Promise<void>,
) {
  const flags: Record<FlagKey, boolean> = { ...ALL_ON };
  const rig = startRegistry(OPTIONS, { flags });
  const set = async (flag: FlagKey, isOn: boolean) => {
    flags[flag] = isOn;
    await rig.registry.switched(flag);
  };
  try {
    await run(rig, set);
  } finally {
    await rig.stop();
  }
}

const cacheOf = ({ rest }: { readonly rest: { readonly cache: string } }) => rest.cache;

test("Without the answer cache nothing is given again or kept, and nothing of before once it is back", async () => {
  await withFlags(async ({ search, ready, registry }, set) => {
    assert.equal([cacheOf(await search()), cacheOf(await search())], ["miss", "hit"]);
    assert.is.not(ready(), null);
    await set("answerCache", false);
    assert.is(ready(), null);
    assert.equal([cacheOf(await search()), cacheOf(await search())], ["off", "off"]);
    assert.is(registry.status().answers.entries, 0);
    await set("answerCache", true);
    assert.equal([cacheOf(await search()), cacheOf(await search())], ["miss", "hit"]);
  });
});

test("Without stale answers a store that is gone leaves nothing, although answers are kept", async () => {
  await withFlags(async ({ search, fail }, set) => {
    await search();
    fail("vector_store", "lexical_index");
    assert.is((await search()).rest.mode, "stale");
    await set("staleAnswers", false);
    await rejects(search(), "unavailable");
    await set("staleAnswers", true);
    assert.is((await search()).rest.mode, "stale");
  });
});

test("Without coalescing each asker has a computation of its own", async () => {
  await withFlags(async ({ search, store }, set) => {
    const calls = async () => {
      const before = store.calls.length;
      const answers = await Promise.all([search({ query: `cat ${before}` }), search({ query: `cat ${before}` })]);
      return [store.calls.length - before, ...answers.map(cacheOf)];
    };
    await search();
    const [shared = 0, ...together] = await calls();
    assert.equal(together, ["miss", "coalesced"]);
    await set("coalescing", false);
    const [own = 0, ...apart] = await calls();
    assert.equal(apart, ["miss", "miss"]);
    assert.is(own, Number(shared) * 2);
  });
});

test.run();
