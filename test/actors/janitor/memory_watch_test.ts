import { test } from "uvu";
import * as assert from "uvu/assert";
import { watchMemory } from "../../../actors/janitor/memory_watch.ts";

test("Above the mark room is made with each look; the event comes once, and another when it is well below", async () => {
  let usedBytes = 0;
  let relieved = 0;
  const events: string[] = [];
  const { run } = watchMemory({
    read: () => ({ usedBytes, limitBytes: 1_000_000_000 }),
    highWater: 0.8,
    intervalMs: 2_000,
    relieve: () => relieved++,
    onChange: (state, detail) => events.push(`${state} ${detail}`),
  });
  const look = async (share: number) => {
    usedBytes = share * 1_000_000_000;
    return run(new AbortController().signal, false);
  };
  assert.is(await look(0.8), 0);
  assert.is(relieved, 0);
  assert.is(await look(0.85), 1);
  assert.is(await look(0.9), 0);
  assert.is(relieved, 2);
  await look(0.78);
  assert.equal(events, ["memory_high 85 % of 1000 MB"], "just below the mark is not yet well again");
  await look(0.82);
  await look(0.74);
  await look(0.1);
  assert.equal(events, ["memory_high 85 % of 1000 MB", "memory_normal 74 % of 1000 MB"]);
});

test.run();
