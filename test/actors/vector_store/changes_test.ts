import { test } from "uvu";
import * as assert from "uvu/assert";
import { Changes } from "../../../actors/vector_store/changes.ts";

test("Changes under one name follow one another, also after a failure; other names do not wait", async () => {
  const changes = new Changes();
  const seen: string[] = [];
  const first = Promise.withResolvers<void>();
  const failing = changes.alone("a", async () => {
    await first.promise;
    seen.push("a1");
    throw new Error("a1 failed");
  });
  const second = changes.alone("a", async () => void seen.push("a2"));
  await changes.alone("b", async () => void seen.push("b1"));
  assert.equal(seen, ["b1"]);
  first.resolve();
  await failing.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, "a1 failed"),
  );
  await second;
  await changes.ended();
  assert.equal(seen, ["b1", "a1", "a2"]);
});

test.run();
